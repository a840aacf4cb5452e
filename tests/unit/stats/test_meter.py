"""Hashrates, rejects and best shares against the sums that define them."""

import random
from collections.abc import Sequence
from itertools import pairwise
from math import exp, inf, sqrt
from struct import unpack

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from poolserver.ledger.totals import ShareTotals
from poolserver.mining.share import ShareOutcome
from poolserver.stats import meter
from poolserver.stats.meter import (
    NO_READING,
    STATE_SIZE,
    WINDOWS,
    WINDOWS_S,
    Judged,
    Moment,
    Reading,
    Rejects,
)
from tests.unit.share_counts import share_counts

TH_S = 10**12
WORK = 65_536 * 4_295_032_833  # one share of difficulty 65,536
HOUR_S, DAY_S = 3600.0, 86_400.0


def proven(work: float, count: int = 1, *, stale: int = 0, best: float = 0.0) -> Judged:
    shares = Judged()
    shares.work, shares.work_sq = count * work, count * work**2
    shares.judged, shares.stale, shares.best_difficulty = count, stale, best
    return shares


def rejected(count: int) -> Judged:
    shares = Judged()
    shares.judged = shares.rejected = count
    return shares


def after(
    news: Sequence[tuple[float, Judged]], began_s: float = 0.0, round_number: int = 0
) -> bytes:
    state = meter.begin(began_s)
    for at_s, shares in news:
        state = meter.updated(state, Moment(at_s), shares, round_number)
    return state


def steadily(until_s: float, every_s: float = 5.0, work: float = WORK) -> bytes:
    return after([(every_s * n, proven(work)) for n in range(1, int(until_s / every_s) + 1)])


# --- hashrates --------------------------------------------------------------------------------


def test_before_the_first_share_the_rate_is_zero_and_nothing_is_known() -> None:
    state = meter.begin(100.0)
    assert meter.read(state, 100.0, 0) == NO_READING
    assert meter.read(state, 160.0, 0) == NO_READING._replace(age_s=60.0)
    assert NO_READING.relative_sigmas.d7 == inf


@pytest.mark.parametrize("minutes", [1, 5, 60, 600])
def test_a_steady_rig_shows_its_rate_in_all_windows_from_the_first_minute_on(minutes: int) -> None:
    # A share each 5 s, read right after one: at most a share too much in the first minute.
    reading = meter.read(steadily(60.0 * minutes), 60.0 * minutes, 0)
    assert reading.hashrates == pytest.approx((WORK / 5.0,) * len(WINDOWS), rel=0.05)


def test_the_mean_over_many_poisson_rigs_is_unbiased_in_the_first_minute() -> None:
    chance = random.Random(1)
    total = 0.0
    for _ in range(2000):
        news, now_s = [], chance.expovariate(1 / 5)
        while now_s < 60.0:
            news.append((now_s, proven(5)))
            now_s += chance.expovariate(1 / 5)
        total += meter.read(after(news), 60.0, 0).hashrates.d7
    assert total / 2000 == pytest.approx(1.0, rel=0.03)  # 4 sigma: 24,000 shares are good to 0.65 %


def test_silence_lowers_the_rate_by_the_window_and_leaves_the_error() -> None:
    state = steadily(6000.0)
    before, later = meter.read(state, 6000.0, 0), meter.read(state, 6060.0, 0)
    assert later.hashrates.m1 == pytest.approx(before.hashrates.m1 * exp(-1), rel=1e-9)
    assert later.relative_sigmas == before.relative_sigmas


def test_after_a_very_long_silence_the_next_share_counts_alone() -> None:
    state = meter.updated(steadily(600.0), Moment(1e9), proven(WORK), 0)
    reading = meter.read(state, 1e9, 0)
    assert reading.hashrates.m1 == WORK / 60.0
    assert reading.relative_sigmas.m1 == 1.0


def test_shares_of_one_moment_count_as_one_by_one() -> None:
    at_once, singly = after([(10.0, proven(WORK, 6))]), after([(10.0, proven(WORK))] * 6)
    assert numbers(meter.read(at_once, 20.0, 0)) == pytest.approx(
        numbers(meter.read(singly, 20.0, 0)), rel=1e-12
    )


def test_the_error_is_one_over_root_n_for_fresh_shares_of_one_difficulty() -> None:
    reading = meter.read(after([(10.0, proven(WORK, 25))]), 10.0, 0)
    assert reading.relative_sigmas == pytest.approx((1 / 5,) * len(WINDOWS))


@pytest.mark.parametrize(
    ("window", "sigma"), [("m1", 0.204), ("m5", 0.0913), ("h1", 0.0264), ("h6", 0.01076)]
)
def test_at_12_shares_a_minute_the_error_is_that_of_twice_the_window(
    window: str, sigma: float
) -> None:
    # Of an exponential window: 1/sqrt(2 * tau * rate).
    reading = meter.read(steadily(5 * 6 * HOUR_S), 5 * 6 * HOUR_S, 0)
    assert getattr(reading.relative_sigmas, window) == pytest.approx(sigma, rel=0.03)


# --- rejects and best shares ------------------------------------------------------------------


def test_rejects_are_parts_of_all_judged_shares() -> None:
    state = after([(1.0, proven(WORK, 8, stale=1)), (1.0, rejected(2))])
    assert meter.read(state, 1.0, 0).rejects == (Rejects(0.1, 0.2), Rejects(0.1, 0.2))


def test_old_rejects_leave_the_hour_before_the_day() -> None:
    state = after([(0.0, rejected(100)), (4 * HOUR_S, proven(WORK, 100))])
    hour, day = meter.read(state, 4 * HOUR_S, 0).rejects
    assert hour is not None
    assert hour.rejected == pytest.approx(exp(-4) / (1 + exp(-4)))
    assert day is not None
    assert day.rejected == pytest.approx(exp(-1 / 6) / (1 + exp(-1 / 6)))


def test_the_best_share_is_that_of_the_round_only() -> None:
    state = after([(1.0, proven(WORK, best=700.0)), (2.0, proven(WORK, best=500.0))])
    assert meter.read(state, 2.0, 0).best_in_round == 700.0
    assert meter.read(state, 2.0, 1).best_in_round == 0.0
    state = meter.updated(state, Moment(3.0), proven(WORK, best=20.0), 1)
    assert meter.read(state, 3.0, 1).best_in_round == 20.0
    assert meter.round_of(state) == 1


def test_what_shares_were_is_read_from_their_sums() -> None:
    counts = {
        ShareOutcome.ACCEPTED: 5,
        ShareOutcome.STALE: 2,
        ShareOutcome.JOB_NOT_FOUND: 1,
        ShareOutcome.MALFORMED: 3,
    }
    totals = ShareTotals(10, 30, 500, share_counts(counts), best_hash=1 << 220)
    shares = Judged.of(totals, work_scale=10)
    assert (shares.work, shares.work_sq) == (300.0, 50_000.0)
    assert (shares.judged, shares.stale, shares.rejected) == (11, 2, 4)
    assert shares.best_difficulty == totals.best_difficulty
    assert Judged.of(ShareTotals()).best_difficulty == 0.0


# --- against a reference ----------------------------------------------------------------------


def reference(
    news: Sequence[tuple[float, Judged]], began_s: float, now_s: float, round_number: int
) -> Reading:
    """The sums that define the figures, made directly."""

    def over(tau_s: float, name: str) -> float:
        return sum(getattr(s, name) * exp((at_s - now_s) / tau_s) for at_s, s in news)

    def squares(tau_s: float) -> float:
        return sum(s.work_sq * exp((at_s - now_s) / tau_s) ** 2 for at_s, s in news)

    def observed_s(tau_s: float) -> float:
        return tau_s * (1 - exp((began_s - now_s) / tau_s))

    def rejects(tau_s: float) -> Rejects | None:
        return Rejects.of(*(over(tau_s, name) for name in ("judged", "stale", "rejected")))

    works = [over(tau_s, "work") for tau_s in WINDOWS_S]
    return Reading(
        meter.Hashrates(
            *(work / observed_s(tau_s) for work, tau_s in zip(works, WINDOWS_S, strict=True))
        ),
        meter.Hashrates(
            *(
                sqrt(squares(tau_s)) / work if work else inf
                for work, tau_s in zip(works, WINDOWS_S, strict=True)
            )
        ),
        (rejects(HOUR_S), rejects(DAY_S)),
        max(s.best_difficulty for _, s in news),
    )


def numbers(reading: Reading) -> list[float]:
    rejects = [each or Rejects(-1, -1) for each in reading.rejects]
    flat = [*reading.hashrates, *reading.relative_sigmas, *rejects[0], *rejects[1]]
    return [*flat, reading.best_in_round]


@st.composite
def some_shares(draw: st.DrawFn) -> Judged:
    shares = Judged()
    works = draw(st.lists(st.integers(1, 10**20), max_size=3))
    shares.work, shares.work_sq = float(sum(works)), float(sum(work**2 for work in works))
    shares.stale = draw(st.integers(0, len(works)))
    shares.rejected = draw(st.integers(0, 5))
    shares.judged = len(works) + shares.rejected
    shares.best_difficulty = draw(st.floats(0, 1e15)) if works else 0.0
    return shares


histories = st.lists(
    st.tuples(st.floats(51.0, 17_000.0, allow_subnormal=False), some_shares()),
    min_size=1,
    max_size=20,
)


@given(histories, st.floats(0.0, 1000.0))
def test_all_figures_are_the_sums_that_define_them_in_whatever_order_shares_come(
    news: list[tuple[float, Judged]], silent_s: float
) -> None:
    now_s = max(at_s for at_s, _ in news) + silent_s
    expected = numbers(reference(news, 50.0, now_s, 0))
    in_order = sorted(news, key=lambda each: each[0])
    for order in (in_order, news, in_order[::-1]):
        reading = meter.read(after(order, began_s=50.0), now_s, 0)
        # Of squares that decayed over 300 windows a float has all its digits still.
        assert numbers(reading) == pytest.approx(expected, rel=1e-6, abs=1e-200)


@given(histories, st.floats(-1e9, 1e9))
def test_a_meter_may_move_to_another_clock(news: list[tuple[float, Judged]], by_s: float) -> None:
    state = after(sorted(news, key=lambda each: each[0]))
    here = meter.read(state, 60_000.0, 0)
    there = meter.read(meter.moved(state, by_s), 60_000.0 + by_s, 0)
    assert numbers(there) == pytest.approx(numbers(here), rel=1e-6, abs=1e-200)


def test_a_reading_does_not_go_back_before_the_last_share() -> None:
    state = steadily(600.0)
    assert meter.read(state, 1.0, 0) == meter.read(state, 600.0, 0)


def test_many_meters_share_what_has_passed() -> None:
    moment = Moment(60.0)
    assert moment.packed_decays(5.0) is moment.packed_decays(5.0)
    decays = unpack(f"<{2 * len(WINDOWS)}d", moment.packed_decays(0.0))
    halves, squares = decays[: len(WINDOWS)], decays[len(WINDOWS) :]
    assert halves[0] == pytest.approx(exp(-1))
    assert squares == pytest.approx([each**2 for each in halves])
    assert all(a < b for a, b in pairwise(halves))


def test_a_meter_takes_under_200_bytes() -> None:
    assert STATE_SIZE == len(meter.begin(0.0)) == 192


@example([(0.0, 1, 0)], 5e-324)  # no time that a float can divide by
@example([], 2.2e-311)  # and one over which is more than any
@given(
    st.lists(st.tuples(st.floats(0, 1e5), st.integers(0, 20), st.integers(0, 5)), max_size=8),
    st.floats(0, 1e6),
)
def test_a_glance_shows_what_a_reading_does(
    moments: list[tuple[float, int, int]], later_s: float
) -> None:
    state = meter.begin(0.0)
    for at_s, count, stale in moments:
        state = meter.updated(state, Moment(at_s), proven(WORK, count, stale=stale, best=7.0), 1)
    now_s = max((at_s for at_s, _, _ in moments), default=0.0) + later_s
    reading, glance = meter.read(state, now_s, 1), meter.glance(state, now_s, 1)
    for shown, sigma, window in (
        (glance.m5, glance.m5_sigma, "m5"),
        (glance.h1, glance.h1_sigma, "h1"),
        (glance.d1, glance.d1_sigma, "d1"),
    ):
        rate = getattr(reading.hashrates, window)
        assert shown == pytest.approx(rate)
        if rate:
            assert sigma == pytest.approx(getattr(reading.relative_sigmas, window) * rate)
    rejects = reading.rejects[0] or Rejects(-1.0, -1.0)
    assert (glance.stale, glance.rejected) == (rejects.stale, rejects.rejected)
    assert glance.best_in_round == reading.best_in_round
    has_shares = any(count for _, count, _ in moments)
    assert glance.last_s == (meter.last_s(state) if has_shares else -inf)
