"""A histogram becomes a family of Prometheus'."""

import pytest

from poolserver.histogram import CALL_S, DISK_S, QUICK_S, Histogram
from poolserver.metrics.families import buckets, histogram

BOUNDS = (0.001, 0.1, 1.0)


def test_what_prometheus_is_told_is_cumulative() -> None:
    observed = Histogram(BOUNDS)
    observed.note(0.1)
    observed.note(0.5, 2)
    observed.note(7.0)
    assert buckets(observed) == [("0.001", 0.0), ("0.1", 1.0), ("1.0", 3.0), ("+Inf", 4.0)]


def test_a_family_of_one_is_filled_with_it() -> None:
    observed = Histogram(BOUNDS)
    observed.note(0.5, 2)
    (count, *_) = (
        sample.value
        for sample in histogram("x_seconds", help="X.").of(observed).samples
        if sample.name.endswith("_count")
    )
    assert count == 2


@pytest.mark.parametrize("bounds_s", [CALL_S, DISK_S, QUICK_S])
def test_bounds_ascend(bounds_s: tuple[float, ...]) -> None:
    assert sorted(set(bounds_s)) == list(bounds_s)
