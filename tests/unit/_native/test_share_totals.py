"""Sums of shares, in C and in the twin."""

from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from poolserver._native import twin
from poolserver.bitcoin.target import DIFFICULTY_1_TARGET
from poolserver.mining.share import ShareOutcome

work = st.integers(0, 2**200) | st.integers(0, 2**64)
times_ms = st.none() | st.integers(-(2**63), 2**63 - 1)
hashes = st.none() | st.integers(0, 2**256 - 1) | st.integers(0, 255).map(lambda bits: 1 << bits)
fields = st.fixed_dictionaries(
    {
        "accepted_work": work,
        "proven_work": work,
        "proven_work_sq": work,
        "shares": st.lists(st.integers(-5, 2**60), min_size=10, max_size=10),
        "best_hash": hashes,
        "first_ms": times_ms,
        "last_ms": times_ms,
    }
)


def said(totals: Any) -> tuple[str, float, tuple[float, ...]]:
    """All that a sum tells."""
    return repr(totals), totals.best_difficulty, totals.figures(1)


def test_a_new_sum_is_of_no_share(native: ModuleType) -> None:
    totals = native.ShareTotals()
    assert (totals.accepted_work, totals.proven_work, totals.proven_work_sq) == (0, 0, 0)
    assert totals.shares == (0,) * len(ShareOutcome)
    assert (totals.best_hash, totals.first_ms, totals.last_ms) == (None, None, None)
    assert totals.best_difficulty == 0.0


def test_a_copy_goes_its_own_way(native: ModuleType) -> None:
    totals = native.ShareTotals(1, 2, 3, [1] * 10, 4, 5, 6)
    copy = totals.copy()
    assert copy == totals
    copy.add(totals)
    assert totals == native.ShareTotals(1, 2, 3, [1] * 10, 4, 5, 6)
    assert copy == native.ShareTotals(2, 4, 6, [2] * 10, 4, 5, 6)


def test_a_sum_may_be_added_to_itself(native: ModuleType) -> None:
    totals = native.ShareTotals(2**70, shares=[3] * 10)
    totals.add(totals)
    assert totals == native.ShareTotals(2**71, shares=[6] * 10)


def test_a_count_that_does_not_fit_changes_nothing(native: ModuleType) -> None:
    totals = native.ShareTotals(1, shares=[2**63 - 1] * 10)
    with pytest.raises(ValueError, match=r"^shares must fit into 64 bits$"):
        totals.add(native.ShareTotals(1, shares=[1] * 10, best_hash=1))
    assert totals == native.ShareTotals(1, shares=[2**63 - 1] * 10)


def test_outcomes_are_counted_by_their_numbers(native: ModuleType) -> None:
    shares = [0] * len(ShareOutcome)
    shares[ShareOutcome.ACCEPTED], shares[ShareOutcome.STALE] = 7, 2
    shares[ShareOutcome.MALFORMED], shares[ShareOutcome.DUPLICATE] = 1, 1
    totals = native.ShareTotals(0, 10, 500, shares, best_hash=1 << 220)
    figures = totals.figures(10)
    assert figures == (100.0, 50_000.0, 11, 2, 2, totals.best_difficulty)


@example(1)
@example(0)
@example(2**64 - 1)
@example((1 << 53 | 1) << 200)  # between two doubles: the tie goes to the even one
@example((1 << 53 | 1) << 200 | 1)  # just above it
@given(st.integers(0, 2**256 - 1))
def test_the_best_difficulty_is_that_of_the_nearest_double(
    native: ModuleType, best_hash: int
) -> None:
    totals = native.ShareTotals(best_hash=best_hash)
    assert totals.best_difficulty == float(DIFFICULTY_1_TARGET) / float(max(best_hash, 1))


@given(st.lists(fields, min_size=1, max_size=4), st.integers(0, 2**70))
def test_both_say_the_same_of_any_sums(many: list[dict[str, Any]], work_scale: int) -> None:
    c = pytest.importorskip("poolserver._native._sharecheck")
    ours, theirs = c.ShareTotals(), twin.ShareTotals()
    for each in many:
        mine, its = c.ShareTotals(**each), twin.ShareTotals(**each)
        assert said(mine) == said(its)
        ours.add(mine)
        theirs.add(its)
        assert said(ours) == said(theirs)
    assert ours.figures(work_scale) == theirs.figures(work_scale)


@given(fields, fields)
def test_sums_are_equal_where_all_is(
    native: ModuleType, one: dict[str, Any], other: dict[str, Any]
) -> None:
    totals = native.ShareTotals(**one)
    for name, value in other.items():
        changed = native.ShareTotals(**{**one, name: value})
        is_same = list(one[name]) == list(value) if name == "shares" else one[name] == value
        assert (changed == totals) is is_same
        assert (changed != totals) is not is_same
    assert totals != "sum"


def test_a_sum_cannot_be_a_key(native: ModuleType) -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(native.ShareTotals())


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("accepted_work", 1.5, TypeError, r"^accepted_work must be int, not float$"),
        ("proven_work_sq", "1", TypeError, r"^proven_work_sq must be int, not str$"),
        ("shares", [1] * 9, ValueError, r"^shares must have 10 items, has 9$"),
        ("shares", [2**63] * 10, ValueError, r"^shares must fit into 64 bits$"),
        ("shares", ["1"] * 10, TypeError, r"^shares must be int, not str$"),
        ("best_hash", 2**256, ValueError, r"^best_hash must fit into 256 bits$"),
        ("best_hash", -1, ValueError, r"^best_hash must fit into 256 bits$"),
        ("best_hash", b"", TypeError, r"^best_hash must be int, not bytes$"),
        ("first_ms", 2**63, ValueError, r"^first_ms must fit into 64 bits$"),
        ("last_ms", -(2**63) - 1, ValueError, r"^last_ms must fit into 64 bits$"),
    ],
)
def test_what_is_not_right_is_named(
    native: ModuleType, name: str, value: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        native.ShareTotals(**{name: value})


def test_only_sums_and_whole_scales_are_taken(native: ModuleType) -> None:
    with pytest.raises(TypeError, match=r"^other must be ShareTotals, not int$"):
        native.ShareTotals().add(1)
    with pytest.raises(TypeError, match=r"^work_scale must be int, not float$"):
        native.ShareTotals().figures(1.0)
