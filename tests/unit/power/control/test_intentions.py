"""What is news: a begin, a change beyond the dead band, an end. Not every tick."""

from dataclasses import replace

from poolserver.power.control.decision import Action, Intention
from poolserver.power.control.intentions import Key, tell
from poolserver.power.state import Limit, LimitKind
from poolserver.power.tree import PowerNode, PowerTree

TREE = PowerTree([PowerNode("S", "site"), PowerNode("S/r", "rack")])
LIMIT = Limit("S", LimitKind.PHYSICAL, 1000, "site")
FIRST = Intention(Action.OFF, "S", LIMIT, 2, 200.0, ("S/r",), True, "", 10.0)
KEY: Key = (Action.OFF, "S")
BAND_W = 10.0


def told(
    before: dict[Key, Intention], now: dict[Key, Intention]
) -> tuple[dict[Key, Intention], list[str]]:
    standing, sentences = tell(TREE, before, now, lambda node: BAND_W, lambda each: "why")
    return standing, list(sentences.values())


def test_a_begin_is_told_with_its_reason() -> None:
    standing, sentences = told({}, {KEY: FIRST})
    assert sentences == ["would shed 2 rigs, 200 W, of rack r: why; binding: site S"]
    assert standing == {KEY: replace(FIRST, reason="why")}


def test_a_change_within_the_dead_band_is_not_told_however_it_adds_up() -> None:
    before, _ = told({}, {KEY: FIRST})
    for power_w in (205.0, 209.0, 210.0):
        standing, sentences = told(before, {KEY: replace(FIRST, power_w=power_w, since_s=99.0)})
        assert (standing, sentences) == (before, [])
    standing, sentences = told(before, {KEY: replace(FIRST, power_w=211.0, since_s=99.0)})
    assert len(sentences) == 1
    assert (standing[KEY].power_w, standing[KEY].since_s) == (211.0, 10.0)


def test_who_says_so_is_news() -> None:
    by_grid = replace(FIRST, limit=Limit("S", LimitKind.OVERRIDE, 1000, "grid"))
    assert len(told({KEY: FIRST}, {KEY: by_grid})[1]) == 1


def test_an_end_is_told_of_what_would_be_and_not_of_what_was_done() -> None:
    assert told({KEY: FIRST}, {}) == ({}, ["would shed no more rigs: site S is within its limit"])
    assert told({KEY: replace(FIRST, dry=False)}, {}) == ({}, [])


def test_restoring_is_told_when_it_begins_and_when_it_ends() -> None:
    key: Key = (Action.ON, "S")
    on = replace(FIRST, action=Action.ON, limit=None, dry=False, reason="there is room again")
    standing, sentences = told({}, {key: on})
    assert sentences == ["restores 2 rigs, 200 W, of rack r: there is room again"]
    assert told(standing, {key: replace(on, power_w=900.0)})[1] == []
    assert told(standing, {})[1] == ["restores no more rigs of site S"]
