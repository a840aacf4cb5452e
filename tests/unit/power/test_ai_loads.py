"""What AI loads draw, and who is believed on that."""

from math import inf, nan

import pytest

from poolserver.power.ai_loads import AiLoadBook
from poolserver.power.signal import (
    AiLoadSignal,
    OutdatedSignalError,
    SignalError,
    UnknownSignalError,
)
from poolserver.power.state import MeterState, Quality
from poolserver.power.tree import AiLoad, PowerNode, PowerTree

NOW_S = 1_800_000_000.0
HALL = AiLoad("hall", None, 400_000_000, "A")
METERED = AiLoad("hall", "ai", 400_000_000, "B")
TREE = PowerTree(
    [PowerNode("A", "site", ai_loads=(HALL,)), PowerNode("B", "site", ai_loads=(METERED,))]
)


def word(
    power_w: float = 250e6,
    at_s: float = NOW_S,
    valid_until_s: float = NOW_S + 300,
    site: str = "A",
    name: str = "hall",
) -> AiLoadSignal:
    return AiLoadSignal(site, name, power_w, at_s, valid_until_s)


def test_without_a_word_nobody_knows() -> None:
    assert AiLoadBook(TREE).power_w(HALL, NOW_S) is None


def test_a_word_holds_until_it_expires() -> None:
    book = AiLoadBook(TREE)
    book.take(word(), NOW_S)
    assert book.power_w(HALL, NOW_S + 299) == 250e6
    assert book.power_w(HALL, NOW_S + 300) is None


def test_a_word_does_not_hold_for_longer_because_our_clock_is_set_back() -> None:
    book = AiLoadBook(TREE)
    book.take(word(), NOW_S)
    assert book.power_w(HALL, NOW_S - 4) == 250e6
    assert book.power_w(HALL, NOW_S - 3600) is None


def test_loads_of_one_name_at_two_sites_are_told_apart() -> None:
    book = AiLoadBook(TREE)
    book.take(word(), NOW_S)
    assert book.power_w(METERED, NOW_S) is None


def test_the_newest_word_counts_and_comes_again_without_harm() -> None:
    book = AiLoadBook(TREE)
    book.take(word(100e6), NOW_S)
    for _ in range(2):
        book.take(word(300e6, at_s=NOW_S + 1), NOW_S + 1)
    with pytest.raises(OutdatedSignalError):
        book.take(word(100e6), NOW_S + 2)
    assert book.power_w(HALL, NOW_S + 2) == 300e6


@pytest.mark.parametrize(
    "bad",
    [
        word(nan),
        word(inf),
        word(-1.0),
        word(400e6 * 2 + 1),
        word(at_s=NOW_S + 6),
        word(at_s=nan),
        word(valid_until_s=NOW_S),
        word(valid_until_s=NOW_S + 86_401),
        word(valid_until_s=nan),
    ],
)
def test_a_bad_word_is_refused_and_the_one_before_holds(bad: AiLoadSignal) -> None:
    book = AiLoadBook(TREE)
    book.take(word(at_s=NOW_S - 1), NOW_S - 1)
    with pytest.raises(SignalError):
        book.take(bad, NOW_S)
    assert book.power_w(HALL, NOW_S) == 250e6


@pytest.mark.parametrize("bad", [word(site="C"), word(name="barn")])
def test_a_load_that_is_not_there_is_refused(bad: AiLoadSignal) -> None:
    with pytest.raises(UnknownSignalError):
        AiLoadBook(TREE).take(bad, NOW_S)


def test_a_meter_that_is_believed_goes_before_a_word() -> None:
    states = {"ai": MeterState("ai", Quality.GOOD, power_w=222e6)}
    book = AiLoadBook(TREE, states.get)
    book.take(word(site="B"), NOW_S)
    assert book.power_w(METERED, NOW_S) == 222e6
    states["ai"] = MeterState("ai", Quality.STALE, power_w=222e6)
    assert book.power_w(METERED, NOW_S) == 250e6
