"""Meters as they stand in the database: whole, and on the right time, or not taken up at all."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.ledger.meter_sql import MeterRow
from poolserver.stats import meter
from poolserver.stats.meter import Judged, Moment
from poolserver.stats.meters import Level
from poolserver.stats.saved import SIZE, NoMeter, meters_of, rows_of, seal, unseal

NAME = ("demo", "demo.rig")
SAVED_AT_MS = 1_750_000_000_000


def some_meter(until_s: float = 600.0) -> bytes:
    shares = Judged()
    shares.work, shares.work_sq, shares.judged, shares.best_difficulty = 1e12, 1e24, 1, 5.0
    state = meter.begin(0.0)
    for second in range(5, int(until_s) + 1, 5):
        state = meter.updated(state, Moment(float(second)), shares, 3)
    return state


def row(state: bytes, level: str = "worker") -> MeterRow:
    return MeterRow(level, *NAME, SAVED_AT_MS, state)


def taken_up(state: bytes, now_s: float, passed_ms: int) -> bytes:
    blob = seal(state, 650.0)
    meters, dropped = meters_of([row(blob)], now_s, SAVED_AT_MS + passed_ms)
    assert dropped == {}
    return meters[Level.WORKER][NAME]


def test_a_meter_comes_back_as_it_was() -> None:
    blob = seal(some_meter(), 650.0)
    assert len(blob) == SIZE == 205
    assert unseal(blob) == (some_meter(), 650.0)


@given(st.integers(0, 10**9), st.floats(0.0, 1e6))
def test_the_time_away_counts_as_observed_without_a_share(passed_ms: int, now_s: float) -> None:
    state = some_meter()
    there = meter.read(taken_up(state, now_s, passed_ms), now_s, 3)
    here = meter.read(state, 650.0 + passed_ms / 1000, 3)
    assert there.hashrates == pytest.approx(here.hashrates, rel=1e-6, abs=1e-200)
    assert there.relative_sigmas == pytest.approx(here.relative_sigmas)
    assert there.best_in_round == here.best_in_round == 5.0


def test_a_clock_that_went_back_decays_nothing() -> None:
    there = meter.read(taken_up(some_meter(), 7.0, -86_400_000), 7.0, 3)
    assert there.hashrates == pytest.approx(meter.read(some_meter(), 650.0, 3).hashrates)


def test_a_damaged_meter_is_left_out_whatever_the_damage() -> None:
    chance, blob = random.Random(1), seal(some_meter(), 650.0)
    for _ in range(200):
        spoiled = bytearray(blob)
        spoiled[chance.randrange(len(blob))] ^= 1 << chance.randrange(8)
        with pytest.raises(NoMeter):
            unseal(bytes(spoiled))
    for size in range(len(blob)):
        with pytest.raises(NoMeter):
            unseal(blob[:size])


def test_numbers_that_are_none_are_damage() -> None:
    with pytest.raises(NoMeter, match="damaged"):
        unseal(seal(meter.begin(float("nan")), 1.0))


def test_what_cannot_be_read_is_counted_by_its_reason_and_the_rest_taken_up() -> None:
    blob = seal(some_meter(), 650.0)
    newer = bytes([2]) + blob[1:]
    rows = [row(newer), row(newer), row(blob[:-1]), row(blob, "galaxy"), row(blob, "site")]
    meters, dropped = meters_of(rows, 0.0, SAVED_AT_MS)
    assert dropped == {"of another version": 2, "of a wrong length": 1, "of an unknown level": 1}
    assert {level: len(states) for level, states in meters.items() if states} == {Level.SITE: 1}


def test_rows_are_made_of_all_that_changed() -> None:
    changes = {level: {NAME: some_meter()} for level in Level}
    rows = list(rows_of(changes, 650.0, SAVED_AT_MS))
    assert [each.level for each in rows] == ["pool", "site", "account", "worker"]
    assert rows[3] == row(seal(some_meter(), 650.0))
