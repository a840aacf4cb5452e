from collections import Counter
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from poolserver.power.energy_meter import MAX_GAPS, MeterEnergy, MeterPiece
from poolserver.power.readings import MeterSpec
from poolserver.power.state import MeterState, Quality

SPEC = MeterSpec("t1", rated_w=1_000_000, stale_after_s=60.0)
BEGIN = 1_800_000_000  # of an interval of 900 s


def state(
    at_s: float, power_w: float | None = None, energy_j: int | None = None, epoch: int = 0
) -> MeterState:
    return MeterState("t1", Quality.GOOD, "", power_w, energy_j, epoch, BEGIN + at_s)


def pieces(*states: MeterState, spec: MeterSpec = SPEC) -> list[MeterPiece]:
    meter = MeterEnergy(spec, 900)
    return [
        piece._replace(begin_s=piece.begin_s - BEGIN)
        for each in states
        for piece in meter.take(each)
    ]


def test_the_first_reading_measures_nothing_and_one_again_neither() -> None:
    assert pieces(state(0, 5.0, 10), state(0, 5.0, 10), MeterState("t1")) == []


def test_a_counter_is_the_energy_whatever_the_power_says() -> None:
    assert pieces(state(0, 1.0, 1000), state(5, 1.0, 1500)) == [MeterPiece(0, 500, 5000, 0)]


def test_a_step_over_the_end_of_an_interval_is_cut_there() -> None:
    assert pieces(state(890, None, 0), state(905, None, 100)) == [
        MeterPiece(0, 66, 10_000, 0),
        MeterPiece(900, 34, 5_000, 0),
    ]


def test_over_a_gap_a_counter_is_spread_in_time_and_marked() -> None:
    assert pieces(state(600, None, 0), state(2400, None, 1800)) == [
        MeterPiece(0, 300, 300_000, 300_000),
        MeterPiece(900, 900, 900_000, 900_000),
        MeterPiece(1800, 600, 600_000, 600_000),
    ]


def test_without_a_counter_power_is_integrated_by_trapezoids() -> None:
    assert pieces(state(0, 100.0), state(10, 200.0)) == [MeterPiece(0, 1500, 10_000, 0)]
    # From 100 W to 200 W in 10 s, cut in the middle: 625 J before and 875 J behind.
    assert pieces(state(895, 100.0), state(905, 200.0)) == [
        MeterPiece(0, 625, 5_000, 0),
        MeterPiece(900, 875, 5_000, 0),
    ]


def test_over_a_gap_without_a_counter_nothing_is_known() -> None:
    assert pieces(state(0, 100.0), state(61, 100.0)) == []
    assert pieces(state(0, 100.0), state(60, 100.0)) == [MeterPiece(0, 6000, 60_000, 0)]


def test_power_below_a_joule_a_reading_is_not_lost() -> None:
    found = pieces(*(state(second, 0.3) for second in range(101)))
    assert sum(piece.energy_j for piece in found) == 30


def test_a_counter_that_is_told_seldom_corrects_what_was_integrated_since() -> None:
    found = pieces(
        state(0, 100.0, 0),
        state(30, 100.0),
        state(60, 100.0),
        state(90, 100.0, 9_300),
    )
    assert [piece.energy_j for piece in found] == [3000, 3000, 3300]
    assert sum(piece.covered_ms for piece in found) == 90_000


def test_a_counter_tells_what_power_had_a_gap_for() -> None:
    found = pieces(
        state(0, 100.0, 0), state(30, 100.0), state(130, 100.0), state(140, 90.0, 14_000)
    )
    assert sum(piece.energy_j for piece in found) == 14_000
    assert sum(piece.covered_ms for piece in found) == 140_000


def test_a_counter_that_rolls_over_loses_nothing() -> None:
    spec = replace(SPEC, counter_modulus_j=10_000)
    assert pieces(state(0, None, 9_990), state(5, None, 20), spec=spec) == [
        MeterPiece(0, 30, 5000, 0)
    ]


def test_where_a_counter_was_set_back_power_tells() -> None:
    found = pieces(state(0, 100.0, 5000), state(10, 100.0, 3), state(20, 100.0, 1004))
    assert found == [MeterPiece(0, 1000, 10_000, 0), MeterPiece(0, 1001, 10_000, 0)]


def test_a_counter_set_back_between_two_looks_is_known_by_its_epoch() -> None:
    # It was set back to 0, and has counted beyond where it was since.
    assert pieces(state(0, None, 500), state(10, None, 600, epoch=1)) == []


def test_a_clock_set_back_books_what_a_counter_gained_once() -> None:
    found = pieces(state(1000, None, 0), state(5, None, 700), state(10, None, 1000))
    assert sum(piece.energy_j for piece in found) == 1000
    assert sum(piece.covered_ms for piece in found) == 5000


steps = st.lists(
    st.tuples(
        st.integers(1, 40_000),  # tenths of a second to the next reading
        st.integers(0, 1_000_000),  # watts meanwhile
        st.booleans(),  # whether it tells its counter
        st.booleans(),  # whether the pool is restarted
    ),
    min_size=1,
    max_size=40,
)


@given(steps, st.sampled_from([None, 10**9]), st.integers(0, 10**9 - 1))
def test_the_intervals_add_up_to_the_counters_difference_to_the_joule(
    steps: list[tuple[int, int, bool, bool]], modulus_j: int | None, counter_j: int
) -> None:
    spec = replace(SPEC, counter_modulus_j=modulus_j)
    meter = MeterEnergy(spec, 900)
    at_s, gained_j = float(BEGIN), 0
    meter.take(MeterState("t1", Quality.GOOD, "", 0.0, counter_j, 0, at_s))
    booked: Counter[int] = Counter()
    covered: Counter[int] = Counter()
    for number, (tenths, power_w, has_counter, restarts) in enumerate(steps):
        at_s += tenths / 10
        energy_j = power_w * tenths // 10
        counter_j += energy_j
        gained_j += energy_j
        if modulus_j is not None:
            # A counter that rolls over twice in a gap has nobody to tell: no such counter.
            if gained_j >= modulus_j:
                break
            counter_j %= modulus_j
        if restarts and meter.point is not None:
            meter = MeterEnergy(spec, 900, replace(meter.point, epoch=None))
        told_j = counter_j if has_counter or number == len(steps) - 1 else None
        for piece in meter.take(MeterState("t1", Quality.GOOD, "", power_w, told_j, 0, at_s)):
            booked[piece.begin_s] += piece.energy_j
            covered[piece.begin_s] += piece.covered_ms
            assert 0 <= piece.spread_ms <= piece.covered_ms
    else:
        assert sum(booked.values()) == gained_j
        if len(steps) <= MAX_GAPS:
            assert sum(covered.values()) == int(at_s * 1000) - BEGIN * 1000
    assert all(each <= 900_000 for each in covered.values())


@given(st.lists(st.tuples(st.integers(1, 60_000), st.integers(0, 10**6)), min_size=2, max_size=30))
def test_integrated_power_does_not_drift_by_its_rounding(
    readings: list[tuple[int, int]],
) -> None:
    meter = MeterEnergy(SPEC, 900)
    at_ms, booked_j = BEGIN * 1000, 0
    points = []
    for step_ms, power_mw in readings:
        at_ms += step_ms
        points.append((at_ms, power_mw))
        found = meter.take(
            MeterState("t1", Quality.GOOD, "", power_mw / 1000, None, 0, at_ms / 1000)
        )
        booked_j += sum(piece.energy_j for piece in found)
    exact_uj = sum((b_ms - a_ms) * (a + b) / 2 for (a_ms, a), (b_ms, b) in pairwise(points))
    assert abs(booked_j - exact_uj / 1e6) <= 1 + len(readings) / 1e6
