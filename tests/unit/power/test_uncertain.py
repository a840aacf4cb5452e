from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.power.uncertain import NOTHING, Interval, Uncertain, total

values = st.floats(-1e9, 1e9)
sigmas = st.floats(0, 1e6)
quantities = st.builds(
    Uncertain, values, sigmas, st.dictionaries(st.sampled_from("abc"), sigmas, max_size=3)
)


def test_independent_errors_add_in_squares() -> None:
    assert total([Uncertain(100.0, 9.0), Uncertain(50.0, 16.0)]).sigma == 5.0


def test_errors_of_one_source_add_up_linearly() -> None:
    rigs = [Uncertain(3500.0, common={"model:S21": 140.0})] * 1000
    assert total(rigs).sigma == pytest.approx(140_000.0)


def test_errors_of_two_sources_do_not_know_of_each_other() -> None:
    assert (Uncertain(1.0, common={"a": 3.0}) + Uncertain(1.0, common={"b": 4.0})).sigma == 5.0


def test_a_difference_is_free_of_what_both_have_in_common() -> None:
    left = Uncertain(10.0, 1.0, {"a": 3.0}) - Uncertain(4.0, 3.0, {"a": 3.0})
    assert left.value == 6.0
    assert left.sigma == 2.0


def test_the_interval_is_the_normal_one() -> None:
    interval = Uncertain(100.0, 25.0).interval()
    assert interval == pytest.approx(Interval(90.20018, 109.79982))
    assert 95 in interval
    assert 110.0 not in interval
    assert "100" not in interval


@given(st.lists(quantities, max_size=8))
def test_a_sum_is_the_same_however_it_is_added_up(parts: list[Uncertain]) -> None:
    one_by_one = NOTHING
    for part in parts:
        one_by_one = one_by_one + part
    at_once = total(parts)
    assert one_by_one.value == pytest.approx(at_once.value, abs=1e-3)
    assert one_by_one.sigma == pytest.approx(at_once.sigma)


@given(quantities, st.floats(-1e3, 1e3))
def test_scaling_scales_value_and_sigma(quantity: Uncertain, factor: float) -> None:
    scaled = quantity.scaled(factor)
    assert scaled.value == quantity.value * factor
    assert scaled.sigma == pytest.approx(quantity.sigma * abs(factor))


@given(st.lists(quantities, min_size=1, max_size=8))
def test_no_sum_is_more_certain_than_chance_alone_or_less_than_all_in_step(
    parts: list[Uncertain],
) -> None:
    sigma = total(parts).sigma
    assert sigma >= sqrt(sum(part.variance for part in parts)) * (1 - 1e-9)
    assert sigma <= sum(part.sigma for part in parts) * (1 + 1e-9)


@given(quantities)
def test_a_quantity_less_itself_keeps_only_its_chance(quantity: Uncertain) -> None:
    nothing = quantity - quantity
    assert nothing.value == 0.0
    assert nothing.sigma == pytest.approx(sqrt(2 * quantity.variance))
