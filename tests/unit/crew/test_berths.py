"""A berth is filled as soon as it is empty, and later where those who fill it die at once."""

import pytest

from poolserver.crew.berths import (
    ADRIFT_S,
    HUNG_S,
    LAST_PAUSE_S,
    STEADY_S,
    Berth,
    Berths,
    begin,
    end,
    found_living,
    hear,
    link,
    part,
)


def one() -> tuple[Berths, Berth]:
    berths = Berths(1)
    (berth,) = berths
    return berths, berth


def live(berth: Berth, from_s: float, to_s: float, *, listens: bool = True) -> float:
    """A whole life; the pause after it."""
    begin(berth, from_s)
    link(berth, "pool-1/0/1")
    berth.has_listened = listens
    part(berth)
    return end(berth, to_s)


def test_all_are_due_at_the_start() -> None:
    assert [each.index for each in Berths(3).due(0.0)] == [0, 1, 2]


def test_who_was_begun_is_due_no_more() -> None:
    berths, berth = one()
    begin(berth, 0.0)
    assert berths.due(1000.0) == []
    assert berths.unlinked == [berth]


def test_who_is_linked_and_listens_is_up() -> None:
    berths, berth = one()
    begin(berth, 0.0)
    link(berth, "")
    assert (berths.up, berths.unlinked) == (0, [])
    berth.has_listened = True
    assert berths.up == 1
    part(berth)
    assert (berths.up, berths.unlinked) == (0, [berth])


def test_the_first_death_has_no_pause() -> None:
    berths, berth = one()
    assert live(berth, 0.0, 1.0) == 0.0
    assert berths.due(1.0) == [berth]
    assert berth.restarts == 0
    begin(berth, 1.0)
    assert berth.restarts == 1


def test_pauses_grow_while_lives_are_short_and_end_at_half_a_minute() -> None:
    berths, berth = one()
    pauses = [live(berth, now, now + 0.5) for now in (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0)]
    assert pauses == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, LAST_PAUSE_S, LAST_PAUSE_S]
    assert berths.due(80.5 + LAST_PAUSE_S - 0.1) == []
    assert berths.due(80.5 + LAST_PAUSE_S) == [berth]


def test_a_long_life_ends_the_pauses() -> None:
    _, berth = one()
    for now in (0.0, 1.0, 2.0):
        live(berth, now, now + 0.5)
    assert live(berth, 10.0, 10.0 + STEADY_S) == 0.0
    assert live(berth, 100.0, 100.5) == 1.0


def test_a_long_life_that_never_took_a_rig_is_none() -> None:
    _, berth = one()
    live(berth, 0.0, 0.5)
    assert live(berth, 1.0, 1.0 + STEADY_S, listens=False) == 1.0


def test_one_of_an_earlier_coordinator_is_not_begun_and_counts_as_no_start() -> None:
    berths, berth = one()
    found_living(berth, 0.0)
    assert berths.due(0.0) == []
    link(berth, "pool-1/0/7")
    part(berth)
    end(berth, 1.0)
    assert berths.due(1.0) == [berth]
    assert berth.source == "pool-1/0/7"
    begin(berth, 1.0)
    assert (berth.starts, berth.source) == (1, "")


def test_nobody_is_begun_while_the_last_one_still_speaks() -> None:
    berths, berth = one()
    begin(berth, 0.0)
    link(berth, "pool-1/0/1")
    berth.is_living = False
    assert berths.due(1.0) == []
    with pytest.raises(AssertionError):
        begin(berth, 1.0)


@pytest.mark.parametrize("index", [-1, 2, 64])
def test_there_is_no_berth_beyond_the_last(index: int) -> None:
    assert Berths(2).get(index) is None


def test_who_takes_rigs_and_says_nothing_is_adrift_and_then_hung() -> None:
    berths, berth = one()
    begin(berth, 0.0)
    link(berth, "pool-1/0/1")
    berths.wait(2 * HUNG_S)
    assert not berth.is_adrift, "it waits for work, and has nothing to say"
    hear(berth)
    berth.has_listened = True
    berths.wait(ADRIFT_S)
    assert (berth.is_adrift, berth.is_hung, berths.up) == (True, False, 0)
    hear(berth)
    assert (berth.is_adrift, berths.up) == (False, 1)
    berths.wait(HUNG_S)
    assert berth.is_hung


def test_who_does_not_come_is_adrift_too() -> None:
    berths, berth = one()
    found_living(berth, 0.0)
    berths.wait(ADRIFT_S)
    assert berth.is_adrift
    link(berth, "pool-1/0/1")
    assert not berth.is_adrift


def test_nobody_is_missed_in_an_empty_berth() -> None:
    berths, berth = one()
    berths.wait(HUNG_S)
    assert not berth.is_adrift
    begin(berth, HUNG_S)
    assert not berth.is_adrift
