"""Vardiff against simulated rigs: time is an argument, so a day of rig time takes a moment."""

from itertools import pairwise
from math import inf
from random import Random

import pytest

from poolserver.mining.vardiff import (
    HASHES_PER_DIFFICULTY,
    Vardiff,
    VardiffTerms,
    power_of_two_at_least,
)

TERMS = VardiffTerms(target_shares_per_minute=12, start=65536, minimum=1)
TICK_S = 10.0


def rate_per_minute(hashrate: float, difficulty: float) -> float:
    return hashrate / (difficulty * HASHES_PER_DIFFICULTY) * 60


def simulate(
    vardiff: Vardiff, hashrate: float, start: float, seconds: float, random: Random
) -> tuple[float, list[tuple[float, float]]]:
    """Run a rig; the seconds inside 6 to 16 a minute, and the changes as (time, difficulty)."""
    now, end, in_band = start, start + seconds, 0.0
    changes: list[tuple[float, float]] = []
    next_tick = start + TICK_S
    while now < end:
        expected = rate_per_minute(hashrate, vardiff.difficulty)
        wait = random.expovariate(expected / 60) if expected else inf
        event = min(now + wait, next_tick, end)
        in_band += (event - now) * (6 <= expected <= 16)
        is_share = event == now + wait
        now = event
        if is_share:
            change = vardiff.on_share(vardiff.difficulty, now)
        else:
            change = vardiff.on_tick(now)
            next_tick = now + TICK_S
        if change is not None:
            changes.append((now, change))
    return in_band, changes


@pytest.mark.parametrize("hashrate", [1e12, 13.5e12, 200e12, 234e12, 1e15, 10e15])
def test_the_expected_rate_stays_within_six_to_sixteen_a_minute_for_a_day(hashrate: float) -> None:
    vardiff = Vardiff(TERMS, TERMS.start, 0.0)
    random = Random(hashrate)
    simulate(vardiff, hashrate, 0.0, 180.0, random)
    assert 5 <= rate_per_minute(hashrate, vardiff.difficulty) <= 19  # settled within 3 minutes
    day = 86_400.0
    in_band, changes = simulate(vardiff, hashrate, 180.0, day, random)
    assert in_band / day >= 0.95
    assert len(changes) < 60  # a quiet rig is left alone


def test_a_rise_is_at_most_eightfold() -> None:
    vardiff = Vardiff(TERMS, 1.0, 0.0)
    _, changes = simulate(vardiff, 200e12, 0.0, 60.0, Random(1))
    steps = [1.0, *(difficulty for _, difficulty in changes)]
    assert all(b / a <= 8 for a, b in pairwise(steps))


def test_silence_from_the_start_eases_the_difficulty_by_up_to_256() -> None:
    vardiff = Vardiff(TERMS, 65536.0, 0.0)
    change = next(c for t in range(10, 600, 10) if (c := vardiff.on_tick(float(t))) is not None)
    assert change == 256.0


def test_silence_after_shares_eases_the_difficulty_by_at_most_16() -> None:
    vardiff = Vardiff(TERMS, 65536.0, 0.0)
    for n in range(60):
        vardiff.on_share(65536.0, n * 5.0)
    assert vardiff.difficulty == 65536.0
    changes = [c for t in range(310, 3000, 10) if (c := vardiff.on_tick(float(t))) is not None]
    assert changes
    steps = [65536.0, *changes]
    assert all(a / b <= 16 for a, b in pairwise(steps))


def test_a_flood_is_mended_within_two_seconds() -> None:
    vardiff = Vardiff(TERMS, 1.0, 0.0)
    changes = [c for n in range(4000) if (c := vardiff.on_share(vardiff.difficulty, n / 2000))]
    assert changes == [8.0, 64.0, 512.0]


def test_a_pinned_difficulty_never_changes() -> None:
    pinned = VardiffTerms(target_shares_per_minute=12, start=1e-9, minimum=1e-9, maximum=1e-9)
    vardiff = Vardiff(pinned, pinned.start, 0.0)
    assert all(vardiff.on_share(1e-9, n * 0.001) is None for n in range(10_000))
    assert vardiff.difficulty == 1e-9


@pytest.mark.parametrize("wish", [2.0**65, 1e200, 1.7e308])
def test_a_wish_beyond_all_difficulties_stays_a_difficulty(wish: float) -> None:
    vardiff = Vardiff(TERMS, TERMS.start, 0.0)
    assert not vardiff.raise_floor(wish)
    vardiff.suggest(wish)
    assert vardiff.difficulty == 2.0**64


def test_a_wish_above_the_ceiling_changes_nothing_the_second_time() -> None:
    vardiff = Vardiff(TERMS, 1.0, 0.0)
    assert vardiff.suggest(1e30, ceiling=100.0)
    assert not vardiff.suggest(1e30, ceiling=100.0)


def test_the_difficulty_never_rises_above_the_ceiling() -> None:
    vardiff = Vardiff(TERMS, 1.0, 0.0)
    for n in range(2000):
        vardiff.on_share(vardiff.difficulty, n * 0.1, ceiling=3.5)
    assert vardiff.difficulty == 3.5


def test_a_known_hashrate_gives_the_starting_difficulty() -> None:
    vardiff = Vardiff(TERMS, 65536.0, 0.0)
    vardiff.start_at_hashrate(200e12)
    assert 6 <= rate_per_minute(200e12, vardiff.difficulty) <= 12


def test_shares_of_older_jobs_at_a_lower_difficulty_do_not_hold_the_difficulty_down() -> None:
    vardiff = Vardiff(TERMS, 1.0, 0.0)
    for n in range(3000):  # ten a second, for ever judged by the old difficulty
        vardiff.on_share(1.0, n * 0.1)
    assert vardiff.difficulty == power_of_two_at_least(10 / (12 / 60))


@pytest.mark.parametrize(
    ("ideal", "power"), [(0.0, 2.0**-32), (1e-30, 2.0**-32), (0.3, 0.5), (1.0, 1.0), (1.01, 2.0)]
)
def test_powers_of_two_are_rounded_up(ideal: float, power: float) -> None:
    assert power_of_two_at_least(ideal) == power
