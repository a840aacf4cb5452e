from fractions import Fraction
from math import inf, sqrt
from random import Random

import pytest

from poolserver.power.estimate import share_of_rig_h_s, worker_estimate
from poolserver.power.rating import RIG_SIGMA, Rating, RatingSource, common_errors
from poolserver.stats import meter
from poolserver.stats.meter import WINDOWS_S

S21 = Rating(Fraction("17.5"), RatingSource.OPERATOR, "Antminer S21")
SHARE = 10**15


def test_one_rig_has_its_error_whole() -> None:
    estimate = worker_estimate(200e12, 0.1, 2e12, S21, "A")
    assert estimate.power_w.value == pytest.approx(3500)
    relative = estimate.power_w.sigma / 3500
    of_all = sum(sigma**2 for _, sigma in common_errors(S21, "A"))
    assert relative == pytest.approx(sqrt(0.1**2 + RIG_SIGMA**2 + of_all))
    assert estimate.effective_shares == pytest.approx(100)


def test_a_rig_without_a_share_may_be_one_that_had_bad_luck() -> None:
    estimate = worker_estimate(0.0, inf, 1e12, S21)
    assert estimate.hashrate_interval.high == pytest.approx(3.68888e12, rel=1e-5)
    assert worker_estimate(0.0, inf, 0.0, S21).interval == (0.0, 0.0)


def test_a_rig_that_has_sent_nothing_for_long_may_still_hash_as_one_with_bad_luck() -> None:
    # What is left of an old share is next to nothing; one that comes now would be a whole one.
    estimate = worker_estimate(1e6, 1.0, 1e12, S21)
    assert estimate.hashrate_interval.high == pytest.approx(3.68888e12, rel=1e-3)


@pytest.mark.parametrize("expected", [1, 5, 20])
def test_a_rig_that_just_came_has_an_honest_interval_in_a_long_window(expected: int) -> None:
    # A minute of an hour's window: one share more would be an hour's share of it.
    random, held, rigs, window = Random(4), 0, 600, 3
    assert WINDOWS_S[window] == 3600
    for _ in range(rigs):
        state, at_s = meter.begin(0.0), 0.0
        while (at_s := at_s + random.expovariate(expected / 60)) < 60:
            shares = meter.Judged()
            shares.work, shares.work_sq = float(SHARE), float(SHARE) ** 2
            state = meter.updated(state, meter.Moment(at_s), shares, 0)
        seen = meter.read(state, 60.0, 0)
        share_h_s = share_of_rig_h_s(SHARE, WINDOWS_S[window], seen.age_s)
        hashrate, sigma = seen.hashrates[window], seen.relative_sigmas[window]
        estimate = worker_estimate(hashrate, sigma, share_h_s, S21)
        held += SHARE * expected / 60 in estimate.hashrate_interval
    assert 0.93 <= held / rigs <= 1.0


def test_what_a_share_adds_is_over_twice_the_window_or_over_a_lesser_age() -> None:
    assert share_of_rig_h_s(1e12, 60.0, 1e6) == pytest.approx(1e12 / 120)
    assert share_of_rig_h_s(1e12, 3600.0, 10.0) == pytest.approx(1e12 / 10, rel=1e-5)
    assert share_of_rig_h_s(1e12, 3600.0, 0.0) == 0.0
