"""Vardiff against simulated rigs: time is an argument, so a day of rig time takes a moment."""

from collections.abc import Callable
from itertools import pairwise, permutations
from math import inf, nan
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.mining.rate_estimate import MAX_EASE
from poolserver.mining.vardiff import (
    HASHES_PER_DIFFICULTY,
    Vardiff,
    VardiffTerms,
    next_to,
    power_of_two_at_least,
)

TERMS = VardiffTerms(target_shares_per_minute=12, start=65536, minimum=1)
TICK_S = 10.0
YEAR_S = 365 * 86_400.0


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
    ("ideal", "power"),
    [
        (0.0, 2.0**-32),
        (1e-30, 2.0**-32),
        (0.3, 0.5),
        (1.0, 1.0),
        (1.01, 2.0),
        (2.0**64, 2.0**64),
        (1e300, 2.0**64),
        (inf, 2.0**64),
    ],
)
def test_powers_of_two_are_rounded_up_and_end_where_no_difficulty_is(
    ideal: float, power: float
) -> None:
    assert power_of_two_at_least(ideal) == power


@pytest.mark.parametrize("ideal", [0.7, 1.0, 1.15, 1.16, 1.9, 3.0, 1e6])
def test_a_new_difficulty_is_in_the_middle_of_the_band(ideal: float) -> None:
    assert 0.577 <= ideal / next_to(ideal) <= 1.155


# --- starts ----------------------------------------------------------------------------------

HASHRATE_OF_4096 = 4096 * HASHES_PER_DIFFICULTY * 12 / 60

# By rank, and what each alone leads to.
STARTS: list[tuple[Callable[[Vardiff], bool], float]] = [
    (lambda vardiff: vardiff.suggest(1000.0), 1000.0),
    (lambda vardiff: vardiff.start_at_hashrate(HASHRATE_OF_4096), 4096.0),
    (lambda vardiff: vardiff.start_at(7.0), 7.0),
]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_start_of_the_highest_rank_wins_in_any_order(order: tuple[int, ...]) -> None:
    vardiff = Vardiff(TERMS, 65536.0, 0.0)
    highest = -1
    for rank in order:
        start, _ = STARTS[rank]
        assert start(vardiff) == (rank > highest)
        highest = max(highest, rank)
        assert vardiff.difficulty == STARTS[highest][1]


@pytest.mark.parametrize(("start", "difficulty"), STARTS)
def test_a_start_of_the_same_rank_replaces_and_says_whether_it_changed_anything(
    start: Callable[[Vardiff], bool], difficulty: float
) -> None:
    vardiff = Vardiff(TERMS, 65536.0, 0.0)
    assert start(vardiff)
    assert not start(vardiff)
    assert vardiff.difficulty == difficulty
    twice = Vardiff(TERMS, 65536.0, 0.0)
    assert twice.suggest(5.0)
    assert twice.suggest(6.0)
    assert twice.difficulty == 6.0


@pytest.mark.parametrize(("start", "difficulty"), STARTS)
def test_after_the_first_share_no_start_has_any_effect(
    start: Callable[[Vardiff], bool], difficulty: float
) -> None:
    vardiff = Vardiff(TERMS, 65536.0, 0.0)
    vardiff.on_share(65536.0, 5.0)
    before = vardiff.hashrate(5.0)
    assert not start(vardiff)
    assert vardiff.difficulty == 65536.0 != difficulty
    assert vardiff.hashrate(5.0) == before


def test_every_start_is_kept_within_the_terms_the_floor_and_the_ceiling() -> None:
    terms = VardiffTerms(target_shares_per_minute=12, start=64, minimum=16, maximum=2048)
    vardiff = Vardiff(terms, 64.0, 0.0)
    vardiff.start_at(1.0)
    assert vardiff.difficulty == 16.0
    vardiff.start_at(1e9)
    assert vardiff.difficulty == 2048.0
    vardiff.start_at(1e9, ceiling=100.0)
    assert vardiff.difficulty == 100.0
    assert vardiff.raise_floor(512.0)
    vardiff.start_at(20.0)
    assert vardiff.difficulty == 512.0


def test_the_highest_of_several_floors_holds() -> None:
    vardiff = Vardiff(TERMS, 65536.0, 0.0)
    assert vardiff.raise_floor(524_288.0)
    assert vardiff.raise_floor(1000.0)
    assert vardiff.floor == vardiff.difficulty == 524_288.0
    for t in range(10, 3000, 10):
        assert vardiff.on_tick(float(t)) is None


def test_a_floor_above_the_ceiling_is_refused_and_changes_nothing() -> None:
    vardiff = Vardiff(TERMS, 1024.0, 0.0)
    assert not vardiff.raise_floor(4096.0, ceiling=2048.0)
    assert (vardiff.floor, vardiff.difficulty) == (TERMS.minimum, 1024.0)
    assert vardiff.raise_floor(2048.0, ceiling=2048.0)
    assert (vardiff.floor, vardiff.difficulty) == (2048.0, 2048.0)


@pytest.mark.parametrize("hashrate", [0.0, -1.0, 5e-324, 4e-310, 0.9, 1e29, 1e300, inf, nan])
def test_a_start_at_a_hashrate_that_no_rig_has_is_ignored(hashrate: float) -> None:
    vardiff = Vardiff(TERMS, 65536.0, 0.0)
    assert not vardiff.start_at_hashrate(hashrate)
    assert vardiff.difficulty == 65536.0
    assert vardiff.hashrate(0.0) == 0.0
    assert vardiff.suggest(1000.0)  # nor does it outrank what a rig asks for


def test_a_start_at_a_known_hashrate_begins_with_the_estimate() -> None:
    vardiff = Vardiff(TERMS, 65536.0, 0.0)
    vardiff.start_at_hashrate(200e12)
    assert vardiff.hashrate(0.0) == pytest.approx(200e12)
    for n in range(1, 4):  # three shares at once would move one that knows nothing
        assert vardiff.on_share(vardiff.difficulty, 3.5 + n * 0.1) is None


def test_a_password_start_is_not_undone_by_what_was_known() -> None:
    vardiff = Vardiff(TERMS, 65536.0, 0.0)
    vardiff.start_at_hashrate(200e12)
    vardiff.start_at(1_000_000.0)
    assert vardiff.on_share(1_000_000.0, 4.0) is None
    assert vardiff.difficulty == 1_000_000.0


def test_the_idle_time_before_the_first_share_is_not_held_against_a_rig() -> None:
    vardiff = Vardiff(TERMS, 65536.0, 0.0)
    for t in range(10, 110, 10):
        vardiff.on_tick(float(t))
    assert vardiff.difficulty == 1.0
    for n in range(1, 40):
        vardiff.on_share(1.0, 100.0 + n * 5)
    assert vardiff.hashrate(295.0) == pytest.approx(HASHES_PER_DIFFICULTY / 5, rel=0.1)


# --- many workers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("workers", "per_minute"), [(0, 12), (1, 12), (3, 36), (50, 600), (51, 600), (4096, 600)]
)
def test_the_target_is_times_the_workers_up_to_the_most(workers: int, per_minute: float) -> None:
    vardiff = Vardiff(TERMS, 65536.0, 0.0)
    vardiff.aim_for(workers)
    vardiff.start_at_hashrate(1e15)
    expected = rate_per_minute(1e15, vardiff.difficulty)
    assert 0.577 * per_minute <= expected <= 1.155 * per_minute


def test_a_proxy_of_fifty_that_is_back_starts_right_and_stays_while_they_come_back() -> None:
    vardiff = Vardiff(TERMS, TERMS.start, 0.0)
    vardiff.aim_for(50)
    assert vardiff.start_at_hashrate(10e15)
    start = vardiff.difficulty
    assert 346 <= rate_per_minute(10e15, start) <= 693  # 600 a minute is the target
    for workers in range(1, 51):
        vardiff.aim_for(workers)
    random, now = Random(50), 0.0
    while now < 60:
        now += random.expovariate(rate_per_minute(10e15, start) / 60)
        assert vardiff.on_share(start, now) is None


def test_a_target_above_the_most_is_kept() -> None:
    terms = VardiffTerms(target_shares_per_minute=100, start=1, minimum=1, max_shares_per_minute=50)
    vardiff = Vardiff(terms, 1.0, 0.0)
    vardiff.aim_for(7)
    vardiff.start_at_hashrate(1e15)
    assert 57 <= rate_per_minute(1e15, vardiff.difficulty) <= 116


def test_more_workers_take_effect_at_the_next_decision_and_the_estimate_stays() -> None:
    vardiff = Vardiff(TERMS, 4096.0, 0.0)
    for n in range(1, 61):
        assert vardiff.on_share(4096.0, n * 5.0) is None
    before = vardiff.hashrate(300.0)
    vardiff.aim_for(50)
    assert vardiff.difficulty == 4096.0
    assert vardiff.hashrate(300.0) == before
    assert vardiff.on_share(4096.0, 305.0) == 256.0  # 16-fold at most
    assert vardiff.hashrate(305.0) == pytest.approx(before, rel=0.05)


# --- silence, backlogs and surprises -------------------------------------------------------------


def steady(until: float = 600.0, difficulty: float = 4096.0) -> Vardiff:
    """A rig with a share each five seconds, at which its difficulty fits."""
    vardiff = Vardiff(TERMS, difficulty, 0.0)
    for n in range(1, int(until / 5) + 1):
        assert vardiff.on_share(difficulty, n * 5.0) is None
    return vardiff


def ease(vardiff: Vardiff, start: float, end: float) -> list[float]:
    ticks = range(int(start), int(end), 10)
    return [c for t in ticks if (c := vardiff.on_tick(float(t))) is not None]


def test_a_silence_eases_in_steps_and_leaves_the_estimate() -> None:
    vardiff = steady()
    before = vardiff.hashrate(600.0)
    assert ease(vardiff, 600, 650) == []
    changes = ease(vardiff, 650, 8000)
    assert changes[0] == 4096 / 8
    assert changes[-1] == vardiff.difficulty == 4096 / MAX_EASE
    assert vardiff.hashrate(8000.0) == before


def test_the_first_share_after_a_silence_brings_the_difficulty_back() -> None:
    vardiff = steady()
    ease(vardiff, 600, 8000)
    assert vardiff.on_share(16.0, 8000.0) == 128.0
    assert vardiff.on_share(16.0, 8000.5) == 1024.0
    assert vardiff.on_share(128.0, 8003.5) == 4096.0


def test_a_backlog_that_comes_in_one_burst_changes_nothing() -> None:
    vardiff = steady()
    before = vardiff.hashrate(600.0)
    ease(vardiff, 600, 900)
    for _ in range(60):
        vardiff.on_share(4096.0, 900.0)
    assert vardiff.hashrate(900.0) == before
    for n in range(8):
        vardiff.on_share(vardiff.difficulty, 901.0 + n)
    assert vardiff.difficulty == 4096.0


def test_a_burst_of_more_than_the_silence_owes_is_counted() -> None:
    vardiff = steady()
    for n in range(1000):  # ten times what was due
        vardiff.on_share(4096.0, 1100.0 + n * 0.01)
    assert vardiff.difficulty > 4096.0


def test_a_rig_that_sends_all_in_bursts_cannot_hide_its_rate() -> None:
    vardiff = steady()
    for minute in range(11, 40):  # ten times the rate that is known, once in two minutes
        for _ in range(240):
            vardiff.on_share(4096.0, minute * 120.0)
        ease(vardiff, minute * 120, minute * 120 + 120)
    assert vardiff.hashrate(39 * 120.0) >= 5 * HASHES_PER_DIFFICULTY * 4096 / 5


def test_a_second_silence_in_a_row_tells_that_the_rig_is_slower() -> None:
    vardiff = steady()
    for n in range(1, 12):  # a share each two minutes, a twenty-fourth
        ease(vardiff, 480 + n * 120, 600 + n * 120)
        vardiff.on_share(vardiff.difficulty, 600.0 + n * 120)
    assert vardiff.hashrate(1920.0) < HASHES_PER_DIFFICULTY * 4096 / 5 / 10


def test_a_share_that_is_late_by_less_than_three_seconds_is_no_silence() -> None:
    vardiff = Vardiff(TERMS, 65536.0, 0.0)
    vardiff.aim_for(50)
    for n in range(1, 3000):
        assert vardiff.on_share(65536.0, n * 0.1 + (n // 100) * 2.5) is None


def test_a_sudden_rise_is_known_within_seconds() -> None:
    vardiff = steady()
    for n in range(1, 200):
        vardiff.on_share(4096.0, 600.0 + n * 0.05)
    assert vardiff.hashrate(610.0) == pytest.approx(HASHES_PER_DIFFICULTY * 4096 * 20, rel=0.35)


@pytest.mark.parametrize(
    ("shares", "most"), [(1, 500), (2, 50), (3, 50), (6, 50), (20, 20), (70, 20)]
)
def test_a_rig_that_mined_for_a_moment_and_is_back_after_an_hour_floods_for_a_moment(
    shares: int, most: int
) -> None:
    per_s = 200e12 / HASHES_PER_DIFFICULTY
    vardiff, now = Vardiff(TERMS, 65536.0, 0.0), 0.0
    for _ in range(shares):
        now += vardiff.difficulty / per_s
        vardiff.on_share(vardiff.difficulty, now)
    before = vardiff.difficulty
    for _ in range(360):
        now += 10.0
        vardiff.on_tick(now)
    assert vardiff.difficulty >= before / 512
    if shares == 1:  # one may have been luck
        assert 200e12 / MAX_EASE <= vardiff.hashrate(now) <= 200e12
    else:
        assert vardiff.hashrate(now) == pytest.approx(200e12, rel=0.02)
    sent, end = 0, now + 10.0
    while now < end:
        now += vardiff.difficulty / per_s
        vardiff.on_share(vardiff.difficulty, now)
        sent += 1
    assert sent <= most  # eased down to 1 it is 13,000
    assert vardiff.difficulty == 262_144.0


@pytest.mark.parametrize("silent_s", [120.0, 3600.0, 49.62 * 3600, 10 * YEAR_S])
def test_what_is_remembered_of_a_rig_that_mined_for_100_seconds_outlives_a_silence(
    silent_s: float,
) -> None:
    vardiff = Vardiff(TERMS, 65536.0, 0.0)
    for n in range(1, 61):
        vardiff.on_share(65536.0, n * 100 / 60)
    assert vardiff.hashrate(100.0 + silent_s) == pytest.approx(0.6 * 65536 * 2**32, rel=0.01)


def test_a_first_share_just_after_a_look_at_the_lowest_difficulty_is_no_flood() -> None:
    vardiff = Vardiff(TERMS, 1.0, 0.0)
    for t in range(10, 310, 10):
        assert vardiff.on_tick(float(t)) is None
    assert vardiff.on_share(1.0, 300.1) is None
    assert vardiff.hashrate(300.1) < HASHES_PER_DIFFICULTY / 100


def test_a_lucky_first_share_does_not_hold_the_difficulty_up() -> None:
    vardiff = Vardiff(TERMS, 65536.0, 0.0)
    vardiff.on_share(65536.0, 0.001)
    ease(vardiff, 10, 3600)
    assert vardiff.difficulty <= 2048.0


@given(
    st.floats(1e-300, 1e30),
    st.lists(
        st.tuples(
            st.floats(0, 1e-300) | st.floats(0, 1) | st.floats(0, 10 * YEAR_S),
            st.sampled_from(["share", "old share", "tick", "back"]),
            st.floats(2.0**-32, 2.0**64),
        ),
        max_size=40,
    ),
)
def test_no_rate_and_no_gap_is_too_small_or_too_big(
    remembered: float, events: list[tuple[float, str, float]]
) -> None:
    terms = VardiffTerms(target_shares_per_minute=12, start=2.0**-32, minimum=2.0**-32)
    vardiff, now = Vardiff(terms, terms.start, 0.0), 0.0
    vardiff.start_at_hashrate(remembered)
    for elapsed, event, old in events:
        now += elapsed
        match event:
            case "share":
                vardiff.on_share(vardiff.difficulty, now)
            case "old share":
                vardiff.on_share(old, now)
            case "tick":
                vardiff.on_tick(now)
            case _:
                hashrate = vardiff.hashrate(now)
                vardiff = Vardiff(terms, terms.start, now)
                vardiff.start_at_hashrate(hashrate)
        assert 2.0**-32 <= vardiff.difficulty <= 2.0**64
        last = vardiff.hashrate(now)
        for later in (1.0, 3600.0, 10 * YEAR_S):
            assert last / 257 <= vardiff.hashrate(now + later) < inf


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1e5),
            st.sampled_from(["share", "old share", "tick", "aim", "suggest", "cap"]),
            st.floats(2.0**-32, 2.0**64),
        ),
        max_size=60,
    )
)
def test_whatever_comes_the_difficulty_stays_one_within_bounds(
    events: list[tuple[float, str, float]],
) -> None:
    vardiff, now = Vardiff(TERMS, 65536.0, 0.0), 0.0
    for elapsed, event, number in events:
        now += elapsed
        before = vardiff.difficulty
        match event:
            case "share":
                changed = vardiff.on_share(before, now)
            case "old share":
                changed = vardiff.on_share(number, now)
            case "tick":
                changed = vardiff.on_tick(now)
            case "aim":
                changed = vardiff.aim_for(int(number) % 5000)
            case "suggest":
                changed = vardiff.difficulty if vardiff.suggest(number) else None
            case _:
                changed = vardiff.cap(max(1.0, number))
        assert 1.0 <= vardiff.difficulty <= 2.0**64
        if event in ("share", "old share", "tick"):
            assert (changed is not None) == (vardiff.difficulty != before)
            assert before / 256 <= vardiff.difficulty <= before * 8
        assert 0 <= vardiff.hashrate(now) < inf
