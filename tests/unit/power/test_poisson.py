from math import exp, inf, lgamma, log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.power.poisson import (
    WeightedCount,
    gamma_cdf,
    gamma_quantile,
    widened,
)
from poolserver.power.uncertain import Z95, Interval

# Quantiles of chi-square from published tables (NIST/SEMATECH e-Handbook 1.3.6.7.4; R's qchisq).
CHI_SQUARE = [
    (1, 0.025, 0.000982069117175),
    (2, 0.975, 7.377758908227871),
    (10, 0.975, 20.483177350807),
    (10, 0.025, 3.246972780236),
    (100, 0.975, 129.561197183),
    (100, 0.025, 74.221927474924),
]


@pytest.mark.parametrize(("freedom", "p", "value"), CHI_SQUARE)
def test_quantiles_are_those_of_the_tables(freedom: int, p: float, value: float) -> None:
    assert 2 * gamma_quantile(freedom / 2, p) == pytest.approx(value, rel=1e-9)


@given(st.floats(0.01, 1e5), st.floats(0.001, 0.999))
def test_a_quantile_has_its_probability_below_it(shape: float, p: float) -> None:
    x = gamma_quantile(shape, p)
    if x > 1e-290:  # below it a double has no room for the quantile
        assert gamma_cdf(shape, x) == pytest.approx(p, abs=1e-9)


@given(st.integers(1, 30), st.floats(0.01, 100))
def test_of_whole_shapes_it_is_the_sum_of_poisson_chances(count: int, mean: float) -> None:
    above = sum(exp(n * log(mean) - mean - lgamma(n + 1)) for n in range(count))
    assert gamma_cdf(count, mean) == pytest.approx(1 - above, abs=1e-12)


@pytest.mark.parametrize("p", [0.025, 0.975])
def test_large_shapes_go_on_where_smaller_ones_end(p: float) -> None:
    below, above = gamma_quantile(19_999.999, p), gamma_quantile(20_000, p)
    slope = 1 + (0.5 / sqrt(20_000)) * (1.96 if p > 0.5 else -1.96)
    assert above - below == pytest.approx(0.001 * slope, rel=1e-3)


@pytest.mark.parametrize(
    ("shape", "p"), [(0.0, 0.5), (-1.0, 0.5), (1.0, 0.0), (1.0, 1.0), (inf, 0.5)]
)
def test_what_no_gamma_distribution_has_is_an_error(shape: float, p: float) -> None:
    with pytest.raises(ValueError, match="no quantile"):
        gamma_quantile(shape, p)


def test_few_shares_have_garwoods_interval() -> None:
    # Garwood 1936: 0 -> 0 to 3.689; 5 -> 1.623 to 11.668; 10 -> 4.795 to 18.390.
    for count, low, high in [(0, 0, 3.68888), (5, 1.62349, 11.66833), (10, 4.79539, 18.39036)]:
        interval = WeightedCount(count * 7.0, count * 49.0, 7.0).interval()
        assert interval.low == pytest.approx(low * 7, abs=1e-4)
        assert interval.high == pytest.approx(high * 7, abs=1e-4)


def test_many_shares_have_the_normal_interval() -> None:
    interval = WeightedCount(1e8, 1e8, 1.0).interval()
    assert interval.low == pytest.approx(1e8 - Z95 * 1e4, abs=2)
    assert interval.high == pytest.approx(1e8 + Z95 * 1e4, abs=3)


def coverage(mean: float) -> float:
    """How often the interval of a Poisson count holds its mean, exactly."""
    reach = 8 * sqrt(mean) + 10
    return sum(
        exp(n * log(mean) - mean - lgamma(n + 1))
        for n in range(max(0, int(mean - reach)), int(mean + reach))
        if mean in WeightedCount(n, n, 1.0).interval()
    )


@pytest.mark.parametrize("mean", [1.5, 3.03, 7.7, 15.8, 12.9, 22.27, 29.5])
def test_below_30_expected_shares_94_to_99_percent_are_covered(mean: float) -> None:
    assert 0.94 <= coverage(mean) <= 0.99


@pytest.mark.parametrize("mean", [30.1, 31.57, 34.06, 40.99, 60.3, 109.0, 400.0, 3000.0])
def test_from_30_expected_shares_on_94_to_96_percent_are_covered(mean: float) -> None:
    # Counts are whole, so coverage jumps: 31.57 is the worst place of all, with 93.89 %.
    assert 0.9389 <= coverage(mean) <= 0.96


@given(st.floats(0, 1e6), st.floats(0.001, 1e6))
def test_the_unit_does_not_matter(count: float, share: float) -> None:
    one = WeightedCount(count, count, 1.0).interval()
    scaled = WeightedCount(count, count, 1.0).scaled(share).interval()
    assert scaled.low == pytest.approx(one.low * share, rel=1e-6)
    assert scaled.high == pytest.approx(one.high * share, rel=1e-6)
    assert one.low <= count <= one.high


def test_without_a_share_and_its_work_nothing_is_said() -> None:
    assert WeightedCount(0.0, 0.0, 0.0).interval() == Interval(0.0, 0.0)


def test_a_normal_error_adds_in_quadrature_on_each_side() -> None:
    assert widened(Interval(97.0, 104.0), 100.0, 4.0, 1.0) == (95.0, 100 + sqrt(32))
    assert widened(Interval(1.0, 3.0), 2.0, 100.0, 1.0).low == 0.0
