"""The arrival process of one rig: time is an argument, so hours of shares take a moment."""

from itertools import pairwise
from math import sqrt
from random import Random
from statistics import mean, variance

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolserver._vendor.asyncio_stratum import Notify
from poolserver.bitcoin.target import Difficulty
from poolserver.sim.rig import MAX_LAG_S, MAX_LAG_WAITS, Rig

HASHRATE = 20_000.0
DIFFICULTY = 2.0**-16  # 65,537 hashes, 3.3 s of such a rig
MEAN_WAIT_S = Difficulty.of(DIFFICULTY).work / HASHRATE
HOUR_S = 3600.0


def job(job_id: str = "1", *, version: int = 0x20000000, clean_jobs: bool = False) -> Notify:
    return Notify(job_id, bytes(32), b"", b"", (), version, 0x1D00FFFF, 1_763_942_400, clean_jobs)


def working_rig(seed: object = 1, now: float = 0.0, mask: int = 0) -> Rig:
    rig = Rig(HASHRATE, Random(str(seed)))
    rig.on_extranonce(b"\x01\x02\x03\x04", 8)
    rig.on_version_mask(mask)
    rig.on_difficulty(DIFFICULTY)
    rig.on_notify(job(), now)
    return rig


def due(rig: Rig) -> float:
    assert rig.due_at is not None
    return rig.due_at


def shares_until(rig: Rig, end: float) -> list[float]:
    """Find each share the moment it is due; when they were."""
    times = []
    while due(rig) <= end:
        times.append(due(rig))
        rig.on_found(due(rig))
    return times


def test_an_hour_has_a_poisson_number_of_shares() -> None:
    counts = [float(len(shares_until(working_rig(seed), HOUR_S))) for seed in range(400)]
    expected = HOUR_S / MEAN_WAIT_S  # 1,098
    assert mean(counts) == pytest.approx(expected, abs=4 * sqrt(expected / 400))
    # A sample variance of n counts is good to sqrt(2 / n): here 7%.
    assert variance(counts) == pytest.approx(expected, rel=4 * sqrt(2 / 400))


def test_waits_are_exponential() -> None:
    waits = sorted(b - a for a, b in pairwise(shares_until(working_rig(), 10 * HOUR_S)))
    for fraction, quantile in ((0.1, 0.10536), (0.5, 0.69315), (0.9, 2.30259)):
        measured = waits[int(fraction * len(waits))] / MEAN_WAIT_S
        assert measured == pytest.approx(quantile, rel=0.08)


def test_jobs_every_second_change_nothing_in_the_rate() -> None:
    expected = 10 * HOUR_S / MEAN_WAIT_S
    rig, found = working_rig(), 0
    for second in range(int(10 * HOUR_S)):
        rig.on_notify(job(str(second), clean_jobs=second % 30 == 0), float(second))
        found += len(shares_until(rig, second + 1.0))
    assert found == pytest.approx(expected, abs=4 * sqrt(expected))


def test_a_difficulty_holds_from_the_next_job_on() -> None:
    rig = working_rig()
    before = due(rig)
    rig.on_difficulty(2 * DIFFICULTY)
    assert due(rig) == before
    assert rig.work is not None
    assert rig.work.difficulty.value == DIFFICULTY
    rig.on_notify(job("2"), 0.0)
    assert rig.work.difficulty.value == 2 * DIFFICULTY
    assert due(rig) != before


@settings(max_examples=30)  # of 60 difficulties each
@given(st.lists(st.sampled_from([-20, -16, -12]), min_size=60, max_size=60))
def test_whatever_the_difficulty_does_the_work_of_the_shares_is_the_hashrate(
    exponents: list[int],
) -> None:
    rig, work, work_sq = working_rig("work"), 0, 0.0
    for minute, exponent in enumerate(exponents):
        rig.on_difficulty(2.0**exponent)
        rig.on_notify(job(str(minute)), minute * 60.0)
        share = Difficulty.of(2.0**exponent).work
        count = len(shares_until(rig, minute * 60.0 + 60.0))
        work += share * count
        work_sq += share * share * (60 * HASHRATE / share)
    assert work == pytest.approx(HOUR_S * HASHRATE, abs=5 * sqrt(work_sq))


def test_the_first_job_starts_the_work_and_a_lost_connection_ends_it() -> None:
    rig = Rig(HASHRATE, Random(1))
    assert not rig.is_hashing
    assert not rig.is_due(1e9)
    rig.on_notify(job(), 10.0)
    assert rig.is_hashing
    rig.on_disconnected(15.0)
    assert not rig.is_hashing
    assert not rig.is_due(1e9)
    assert rig.hashing_s(100.0) == 5.0


def test_before_the_pool_names_one_the_difficulty_is_1() -> None:
    rig = Rig(HASHRATE, Random(1))
    rig.on_notify(job(), 0.0)
    assert rig.work is not None
    assert rig.work.difficulty.value == 1.0


def test_a_difficulty_that_no_hash_meets_is_refused() -> None:
    with pytest.raises(ValueError, match="difficulty"):
        Rig(HASHRATE, Random(1)).on_difficulty(1e300)


def test_a_rig_without_work_has_nothing_to_try() -> None:
    with pytest.raises(RuntimeError):
        Rig(HASHRATE, Random(1)).attempt()


def test_a_share_that_is_found_late_delays_no_other() -> None:
    rig, punctual = working_rig(), working_rig()
    rig.on_found(due(rig) + MAX_LAG_S)
    punctual.on_found(due(punctual))
    assert rig.due_at == punctual.due_at


def test_a_lag_beyond_the_limit_is_given_up() -> None:
    rig, punctual = working_rig(), working_rig()
    limit = max(MAX_LAG_S, MAX_LAG_WAITS * MEAN_WAIT_S)
    rig.on_found(due(rig) + limit + 5.0)
    punctual.on_found(due(punctual))
    assert due(rig) == pytest.approx(due(punctual) + 5.0)
    assert rig.lost_s(due(rig)) == pytest.approx(5.0)


def test_the_lag_of_now_counts_as_lost_until_it_is_caught_up_with() -> None:
    rig = working_rig()
    wait, late = due(rig), due(rig) + 7.0
    assert rig.lost_s(wait + 0.01) == pytest.approx(0.02)
    assert rig.lost_s(late) == pytest.approx(7.0 + wait)
    while due(rig) <= late:
        rig.on_found(late)
    assert rig.lost_s(late) == 0.0


def test_a_due_share_goes_on_on_a_new_job_of_the_same_difficulty() -> None:
    rig = working_rig()
    now = due(rig) + 1.0
    rig.on_notify(job("2", clean_jobs=True), now)
    assert rig.is_due(now)
    assert rig.attempt().work.job.job_id == "2"


def test_a_due_share_is_given_up_when_the_difficulty_changes_under_it() -> None:
    rig = working_rig()
    now = due(rig) + 1.0
    rig.on_difficulty(1000 * DIFFICULTY)
    rig.on_notify(job("2"), now)
    assert not rig.is_due(now)
    assert rig.lost_s(now) == pytest.approx(2.0)


@pytest.mark.parametrize(("speed", "kept"), [(0.5, 0.5), (2.0, 1.0), (100.0, 1.0)])
def test_the_rate_kept_is_that_of_the_shares_found(speed: float, kept: float) -> None:
    rig, random, now, found = working_rig(), Random(2), 0.0, 0
    while now < 20 * HOUR_S:
        now = max(now, due(rig)) + random.expovariate(speed / MEAN_WAIT_S)
        rig.on_found(now)
        found += 1
    kept_rate = 1 - rig.lost_s(now) / rig.hashing_s(now)
    assert kept_rate == pytest.approx(found * MEAN_WAIT_S / now, abs=0.02)
    assert kept_rate == pytest.approx(kept, abs=0.08)


def test_no_extranonce2_comes_twice_over_jobs_and_connections() -> None:
    rig, seen = working_rig(), set()
    for connection in range(5):
        for number in range(5):
            rig.on_notify(job(str(number)), 0.0)
            seen |= {rig.attempt().extranonce2 for _ in range(4)}
        rig.on_disconnected(float(connection))
        rig.on_extranonce(b"\x01\x02\x03\x04", 8)
    assert len(seen) == 100
    assert {len(extranonce2) for extranonce2 in seen} == {8}


def test_the_pool_says_how_long_extranonce2_is() -> None:
    for size in (0, 2, 16):
        rig = working_rig()
        rig.on_extranonce(b"\x09", size)
        rig.on_notify(job("2"), 0.0)
        assert {len(rig.attempt().extranonce2) for _ in range(300)} == {size}


def test_half_of_the_attempts_roll_the_version_within_the_mask() -> None:
    mask, version = 0x1FFFE000, 0x20002000
    rig = working_rig(mask=mask)
    rig.on_notify(job("2", version=version), 0.0)
    rolled = [bits for _ in range(1000) if (bits := rig.attempt().version_bits) is not None]
    assert len(rolled) == pytest.approx(500, abs=80)
    assert all(bits & ~mask == 0 and bits & 0x2000 for bits in rolled)
    assert len(set(rolled)) > 400


def test_without_a_mask_no_version_is_rolled() -> None:
    rig = working_rig()
    assert {rig.attempt().version_bits for _ in range(50)} == {None}


def test_the_same_seed_gives_the_same_shares() -> None:
    one, same, other = working_rig(1), working_rig(1), working_rig(2)
    assert [one.attempt() for _ in range(3)] == [same.attempt() for _ in range(3)]
    times = shares_until(one, HOUR_S)
    assert times == shares_until(same, HOUR_S)
    assert times != shares_until(other, HOUR_S)
