"""What an energy counter did between two readings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.power.counter import SLACK_S, CounterMove, CounterStep, counter_step

KWH_J = 3_600_000
MODULUS_J = 2**32 * KWH_J
SET_BACK = CounterStep(CounterMove.SET_BACK)


@pytest.mark.parametrize(
    ("before_j", "after_j", "modulus_j", "expected"),
    [
        (0, 0, None, CounterStep(CounterMove.GREW, 0)),
        (100, 160, None, CounterStep(CounterMove.GREW, 60)),
        (100, 100 + 60 + int(SLACK_S), None, CounterStep(CounterMove.GREW, 90)),
        (100, 100 + 61 + int(SLACK_S), None, CounterStep(CounterMove.LEAPT)),
        (100, 99, None, SET_BACK),
        (990, 10, 1000, CounterStep(CounterMove.ROLLED_OVER, 20)),
        (500, 10, 1000, SET_BACK),
        (990, 10, None, SET_BACK),
        (2000, 10, 1000, SET_BACK),
    ],
)
def test_a_minute_of_a_counter_whose_node_carries_a_watt(
    before_j: int, after_j: int, modulus_j: int | None, expected: CounterStep
) -> None:
    assert counter_step(before_j, after_j, 60.0, 1.0, modulus_j) == expected


@given(start_kwh=st.integers(0, 2**32 - 1), gained_kwh=st.integers(0, 10))
def test_a_32_bit_counter_of_kilowatt_hours_loses_nothing_at_its_end(
    start_kwh: int, gained_kwh: int
) -> None:
    after_kwh = (start_kwh + gained_kwh) % 2**32
    step = counter_step(start_kwh * KWH_J, after_kwh * KWH_J, 60.0, 1e6, MODULUS_J)
    assert step.gained_j == gained_kwh * KWH_J


@given(
    before_j=st.integers(0, 10**30), after_j=st.integers(0, 10**30), elapsed_s=st.floats(-1e9, 1e9)
)
def test_energy_is_never_more_than_the_node_carries(
    before_j: int, after_j: int, elapsed_s: float
) -> None:
    step = counter_step(before_j, after_j, elapsed_s, 1e6, MODULUS_J)
    assert 0 <= step.gained_j <= 1e6 * (max(elapsed_s, 0.0) + SLACK_S)
