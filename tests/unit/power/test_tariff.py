from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from poolserver.power.schedule import Hours, ScheduleEntry
from poolserver.power.tariff import (
    J_PER_MWH,
    CapacityPrice,
    EnergyPrice,
    FixedPrice,
    Load,
    Part,
    Tariff,
    bill,
    month_begin_s,
)

JULY = int(datetime(2026, 7, 1, tzinfo=UTC).timestamp())
MWH = J_PER_MWH
EVENING = ScheduleEntry("", "", 0, hours=(Hours(18 * 60, 22 * 60),))
CENTS = Fraction(1, 100)


def loads(*energies_j: int, begin_s: int = JULY) -> list[Load]:
    return [
        Load(begin_s + 3600 * hour, begin_s + 3600 * (hour + 1), energy_j)
        for hour, energy_j in enumerate(energies_j)
    ]


def cost(tariff: Tariff, intervals: list[Load]) -> Fraction:
    return bill(tariff, intervals, 0, 2**40).total


def test_a_flat_price_is_of_all_energy() -> None:
    tariff = Tariff(components=(EnergyPrice("energy", 6 * CENTS),))
    assert cost(tariff, loads(MWH, 2 * MWH)) == 180


def test_a_time_of_use_is_a_price_that_holds_at_some_hours_by_the_clock_there() -> None:
    prices = (EnergyPrice("energy", 5 * CENTS), EnergyPrice("peak", 3 * CENTS, when=EVENING))
    day = loads(*[MWH] * 24)
    assert cost(Tariff(components=prices), day) == 24 * 50 + 4 * 30
    # 18:00 in Karachi is 13:00 UTC.
    there = Tariff(components=prices[1:], time_zone="Asia/Karachi")
    assert cost(there, day[13:17]) == 120
    assert cost(there, day[17:]) == 0


def test_what_is_above_the_baseline_has_its_own_price() -> None:
    prices = (
        EnergyPrice("usual", 8 * CENTS, Part.BASELINE),
        EnergyPrice("more", 5 * CENTS, Part.INCREMENTAL),
    )
    by_power = Tariff(components=prices, baseline_w=1_000_000)
    found = bill(by_power, loads(MWH // 2, 3 * MWH), 0, 2**40)
    assert found.baseline_j == MWH * 3 // 2
    assert found.incremental_j == 2 * MWH
    assert found.costs == {"usual": 120, "more": 100}
    by_month = Tariff(components=prices, baseline_j_month=2 * MWH)
    assert bill(by_month, loads(MWH, 3 * MWH, MWH), 0, 2**40).costs == {"usual": 160, "more": 150}


def test_without_a_baseline_all_is_baseline() -> None:
    found = bill(Tariff(), loads(MWH), 0, 2**40)
    assert found.baseline_j == MWH
    assert found.incremental_j == found.total == 0


def test_capacity_is_paid_for_the_highest_interval_of_each_month() -> None:
    tariff = Tariff(components=(CapacityPrice("capacity", Fraction(10)),))
    assert cost(tariff, loads(MWH, 5 * MWH, 2 * MWH)) == 5000 * 10
    last_hour = JULY + 31 * 86_400 - 3600
    assert cost(tariff, loads(MWH, 2 * MWH, begin_s=last_hour)) == 1000 * 10 + 2000 * 10


def test_a_fixed_price_is_paid_by_the_time_of_the_month() -> None:
    tariff = Tariff(components=(FixedPrice("line", Fraction(744)),))  # July has so many hours
    assert cost(tariff, loads(0, 0, 0)) == 3


def test_a_month_begins_at_midnight_there() -> None:
    assert month_begin_s(JULY + 5, "UTC") == JULY
    assert month_begin_s(JULY - 1, "Asia/Karachi") == JULY - 5 * 3600


WHOLE = Tariff(
    components=(
        EnergyPrice("usual", 8 * CENTS, Part.BASELINE),
        EnergyPrice("more", 5 * CENTS, Part.INCREMENTAL),
        EnergyPrice("peak", 3 * CENTS, when=EVENING),
        CapacityPrice("capacity", Fraction(10)),
        FixedPrice("line", Fraction(1000)),
    ),
    time_zone="America/New_York",
)


@given(
    st.lists(st.integers(0, 10**13), min_size=1, max_size=80),
    st.integers(0, 700),
    st.integers(0, 80),
    st.sampled_from([{}, {"baseline_w": 10**9}, {"baseline_j_month": 10**14}]),
)
def test_however_a_span_is_cut_its_parts_cost_what_it_costs(
    energies_j: list[int], first_hour: int, cut: int, baseline: dict[str, int]
) -> None:
    tariff = replace(WHOLE, **baseline)  # type: ignore[arg-type]
    intervals = loads(*energies_j, begin_s=JULY + 4 * 3600 + 3600 * first_hour)
    from_s, until_s = intervals[0].begin_s, intervals[-1].end_s
    cut_s = min(until_s, from_s + 3600 * cut)
    parts = bill(tariff, intervals, from_s, cut_s)
    parts.add(bill(tariff, intervals, cut_s, until_s))
    whole = bill(tariff, intervals, from_s, until_s)
    assert {name: cost for name, cost in parts.costs.items() if cost} == {
        name: cost for name, cost in whole.costs.items() if cost
    }
    assert whole.baseline_j + whole.incremental_j == sum(energies_j)
    assert parts.baseline_j == whole.baseline_j
