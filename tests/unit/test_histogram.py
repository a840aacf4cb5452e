"""A histogram's counts are those of what was noted."""

from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from poolserver.histogram import Histogram
from poolserver.metrics.families import buckets, histogram

BOUNDS = (0.001, 0.1, 1.0)


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(1, 5))))
def test_each_observation_is_in_the_first_bucket_that_reaches_it(
    noted: list[tuple[float, int]],
) -> None:
    observed = Histogram(BOUNDS)
    for seconds, count in noted:
        observed.note(seconds, count)
    for number in range(len(BOUNDS) + 1):
        into = [count for seconds, count in noted if bisect_left(BOUNDS, seconds) == number]
        assert observed.counts[number] == sum(into)
    cumulative = buckets(observed)
    assert cumulative[-1] == ("+Inf", sum(count for _, count in noted))
    assert [count for _, count in cumulative] == sorted(count for _, count in cumulative)


def test_a_bound_is_in_its_own_bucket() -> None:
    observed = Histogram(BOUNDS)
    observed.note(0.1)
    assert observed.counts == [0, 1, 0, 0]


def test_what_has_other_bounds_is_not_added() -> None:
    observed = Histogram(BOUNDS)
    observed.add([1, 2, 3], 9.0)
    assert observed == Histogram(BOUNDS)
    observed.add([1, 2, 3, 4], 9.0)
    assert (observed.counts, observed.seconds) == ([1, 2, 3, 4], 9.0)


def test_a_family_of_one_is_filled_with_it() -> None:
    observed = Histogram(BOUNDS)
    observed.note(0.5, 2)
    (count, *_) = (
        sample.value
        for sample in histogram("x_seconds", help="X.").of(observed).samples
        if sample.name.endswith("_count")
    )
    assert count == 2
