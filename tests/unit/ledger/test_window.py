"""The window of work that pplns pays by: exact, whatever the order in which it came."""

from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.ledger.totals import INTERVAL_S, Earning, EarningKey
from poolserver.ledger.window import IntervalWork, RewardWindow, WindowWeights

NBITS = 0x207FFFFF
Work = dict[tuple[int, str], int]
"""By the number of the interval and the account."""

works = st.dictionaries(
    st.tuples(st.integers(0, 12), st.sampled_from("abcdef")),
    st.integers(1, 1000) | st.integers(1, 2**90),
    max_size=30,
)


def is_paid(account: str) -> bool:
    return account != "nobody"


def earnings(work: Work, site: str = "hall") -> dict[EarningKey, Earning]:
    return {
        EarningKey(number * INTERVAL_S, site, account, NBITS): Earning(each, 0)
        for (number, account), each in work.items()
    }


def whole(work: Work | None = None, times: Fraction | int = 1) -> RewardWindow:
    """A window over books that have nothing else."""
    window = RewardWindow(Fraction(times), is_paid)
    window.begin_loading({})
    window.end_loading({}, is_whole=True)
    window.add(earnings(work or {}))
    return window


def weights(window: RewardWindow, network_work: int) -> dict[str, int]:
    return window.weights(network_work).weights


def test_an_empty_window_has_nobody_in_it() -> None:
    assert whole().weights(1000) == WindowWeights({}, 0, 1000, None)


def test_before_it_is_full_all_work_counts() -> None:
    window = whole({(1, "a"): 30, (2, "a"): 20, (2, "b"): 10}, times=2)
    assert window.weights(50) == WindowWeights({"a": 50, "b": 10}, 60, 100, INTERVAL_S)


def test_of_the_oldest_interval_so_much_counts_as_is_missing() -> None:
    window = whole({(1, "a"): 60, (1, "b"): 30, (2, "a"): 10, (2, "c"): 20})
    # 60 are wanted: all 30 of the newer one, and 30 of the older one's 90.
    assert window.weights(60) == WindowWeights({"a": 30, "b": 10, "c": 20}, 60, 60, INTERVAL_S)


def test_the_oldest_interval_is_split_by_largest_remainder() -> None:
    window = whole({(1, "a"): 1, (1, "b"): 1, (1, "c"): 1})
    assert weights(window, 2) == {"a": 1, "b": 1}  # of equals the first by name


def test_what_is_before_the_window_does_not_count() -> None:
    window = whole({(1, "a"): 1000, (2, "b"): 100, (3, "c"): 100})
    assert weights(window, 200) == {"b": 100, "c": 100}
    assert weights(window, 100) == {"c": 100}


def test_work_of_all_sites_and_difficulties_is_added_up() -> None:
    window = whole({(1, "a"): 5})
    window.add(earnings({(1, "a"): 7}, site="other"))
    assert weights(window, 100) == {"a": 12}


def test_work_of_those_who_cannot_be_paid_is_outside_of_the_window() -> None:
    window = whole({(1, "a"): 5, (2, "nobody"): 1000})
    assert window.weights(10) == WindowWeights({"a": 5}, 5, 10, INTERVAL_S)


def test_a_window_may_be_a_part_of_the_network_difficulty() -> None:
    window = whole({(1, "a"): 10, (2, "b"): 10}, times=Fraction(1, 2))
    assert weights(window, 30) == {"a": 5, "b": 10}


def test_expired_work_is_let_go_and_nothing_changes_by_it() -> None:
    window = whole({(1, "a"): 100, (2, "b"): 100, (3, "c"): 100})
    before = window.weights(150)
    window.expire(150)
    assert (window.work, window.floor_s, window.is_whole) == (200, 2 * INTERVAL_S, False)
    assert window.weights(150) == before
    assert window.missing_work(150) == 0
    assert window.missing_work(250) == 50


def test_a_window_that_is_not_full_lets_go_of_nothing() -> None:
    window = whole({(1, "a"): 100})
    window.expire(150)
    assert (window.work, window.is_whole) == (100, True)


def test_late_work_before_the_floor_is_left_to_the_books() -> None:
    window = whole({(1, "a"): 100, (2, "b"): 100})
    window.expire(50)
    window.add(earnings({(1, "c"): 100}))
    assert window.work == 100


def test_what_comes_while_the_books_are_read_is_not_lost_and_not_twice() -> None:
    window = RewardWindow(Fraction(1), is_paid)
    window.begin_loading(earnings({(1, "a"): 1}))  # taken before, and not saved
    window.add(earnings({(1, "a"): 2, (2, "b"): 4}))
    window.end_loading({INTERVAL_S: IntervalWork([("a", 8)])}, is_whole=False)
    window.add(earnings({(0, "a"): 16, (1, "a"): 32}))
    assert weights(window, 1000) == {"a": 8 + 1 + 2 + 32, "b": 4}


def test_books_that_cannot_be_read_leave_it_as_it_was() -> None:
    window = whole({(1, "a"): 100, (2, "b"): 100})
    window.expire(50)
    window.begin_loading({})
    window.add(earnings({(1, "a"): 5}))
    window.give_up_loading()
    assert (window.work, window.floor_s) == (100, 2 * INTERVAL_S)
    window.add(earnings({(2, "b"): 5}))
    assert weights(window, 1000) == {"b": 105}


@pytest.mark.parametrize("work", [1, 2**127, 2**200])
def test_an_interval_is_the_same_when_it_is_packed(work: int) -> None:
    interval = IntervalWork([("a", work), ("b", 3)])
    interval.pack()
    interval.pack()
    assert dict(interval.items()) == {"a": work, "b": 3}
    interval.add("a", 1)
    assert (dict(interval.items()), interval.total) == ({"a": work + 1, "b": 3}, work + 4)


def slow_weights(work: Work, wanted: int) -> dict[str, Fraction]:
    """By the definition, in fractions."""
    counted: dict[str, Fraction] = {}
    left = wanted
    for number in sorted({number for number, _ in work}, reverse=True):
        mine = {account: each for (at, account), each in work.items() if at == number}
        part = min(left, sum(mine.values()))
        left -= part
        for account, each in mine.items():
            share = Fraction(part * each, sum(mine.values()))
            counted[account] = counted.get(account, Fraction(0)) + share
    return counted


@given(works, st.integers(1, 3000) | st.integers(1, 2**92), st.randoms())
def test_it_is_the_definition_in_whole_hashes_whatever_the_order(
    work: Work, wanted: int, random: Random
) -> None:
    rows = list(work.items())
    random.shuffle(rows)
    window = whole()
    for row in rows:
        window.add(earnings(dict([row])))
    got = window.weights(wanted)
    slow = slow_weights(work, wanted)
    assert sum(got.weights.values()) == got.work == min(wanted, sum(work.values()))
    for account in set(slow) | set(got.weights):
        assert abs(got.weights.get(account, 0) - slow.get(account, 0)) < 1
    assert got == whole(work).weights(wanted)
    window.expire(wanted)
    assert window.weights(wanted) == got
    assert window.weights(max(1, wanted // 2)) == whole(work).weights(max(1, wanted // 2))
