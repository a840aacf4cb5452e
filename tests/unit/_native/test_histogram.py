"""A histogram's counts are those of what was noted, in C and in its twin."""

from bisect import bisect_left
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

BOUNDS = (0.001, 0.1, 1.0)
SECONDS = st.floats(0, 10) | st.sampled_from(BOUNDS) | st.floats()


@given(noted=st.lists(st.tuples(SECONDS, st.integers(0, 2**32 - 1)), max_size=20))
def test_each_observation_is_in_the_first_bucket_that_reaches_it(
    native: ModuleType, noted: list[tuple[float, int]]
) -> None:
    observed = native.Histogram(BOUNDS)
    counts, total = [0] * (len(BOUNDS) + 1), 0.0
    for seconds, count in noted:
        observed.note(seconds, count)
        counts[bisect_left(BOUNDS, seconds)] += count
        total += seconds * count
    assert observed.counts == tuple(counts)
    assert repr(observed.seconds) == repr(total)  # of NaN too


def test_what_is_noted_alone_is_one(native: ModuleType) -> None:
    observed = native.Histogram(BOUNDS)
    observed.note(0.5)
    assert (observed.counts, observed.seconds) == ((0, 0, 1, 0), 0.5)


def test_what_is_added_counts_as_if_noted_here(native: ModuleType) -> None:
    observed = native.Histogram(BOUNDS)
    observed.note(0.5)
    observed.add((1, 2, 3, 4), 9.0)
    assert (observed.counts, observed.seconds) == ((1, 2, 4, 4), 9.5)


def test_what_has_other_bounds_is_not_added(native: ModuleType) -> None:
    observed = native.Histogram(BOUNDS)
    for counts in ((), (1, 2, 3), (1, 2, 3, 4, 5)):
        observed.add(counts, 9.0)
    assert (observed.counts, observed.seconds) == ((0, 0, 0, 0), 0.0)


@pytest.mark.parametrize("bounds_s", [(), BOUNDS, tuple(map(float, range(16)))])
def test_its_bounds_are_those_that_it_was_given(
    native: ModuleType, bounds_s: tuple[float, ...]
) -> None:
    observed = native.Histogram(bounds_s)
    observed.note(100.0)
    assert observed.bounds_s == bounds_s
    assert observed.counts == (*[0] * len(bounds_s), 1)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda native: native.Histogram([1.0]), "bounds_s must be tuple, not list"),
        (lambda native: native.Histogram((1.0,) * 17), "bounds_s may have 16 items"),
        (lambda native: native.Histogram(BOUNDS).note(0.1, -1), "count must be in 0..4294967295"),
        (lambda native: native.Histogram(BOUNDS).note(0.1, 0.5), "count must be int, not float"),
        (lambda native: native.Histogram(BOUNDS).add([0], 0.0), "counts must be tuple, not list"),
    ],
)
def test_wrong_arguments_are_refused(native: ModuleType, act: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        act(native)


def test_a_wrong_count_adds_nothing(native: ModuleType) -> None:
    observed = native.Histogram(BOUNDS)
    with pytest.raises(ValueError, match=r"a count must be in 0\.\.18446744073709551615"):
        observed.add((1, 2, 3, -1), 9.0)
    assert (observed.counts, observed.seconds) == ((0, 0, 0, 0), 0.0)
