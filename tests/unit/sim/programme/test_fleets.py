"""Cohorts of rigs: no rig is lost, and what they do is what single rigs would do."""

from fractions import Fraction

import numpy as np
import pytest

from poolserver.config.simulation import SimulationConfig
from poolserver.power.models import MinerModel
from poolserver.power.rating import Rating, RatingSource
from poolserver.sim.programme.fleets import Cohort, Fleets

MODEL = MinerModel(
    "Bitmain", "Antminer S21", Fraction(200), Fraction(3500), Fraction(35, 2), "air", "a test"
)
RATING = Rating(MODEL.j_per_th, RatingSource.IDENTITY, str(MODEL))
ALL = np.array([True])
MILD = np.array([0.0])
STEADY = SimulationConfig(
    hashrate_sigma_percent=0, rig_sigma_percent=0, failures_per_year=0, restarts_per_day=0
)


def cohort(rigs: int = 10_000, **states: int) -> Cohort:
    return Cohort("A", "A", MODEL, RATING, rigs, bias=0.0, **states)


def fleets(config: SimulationConfig, *cohorts: Cohort, site_bias: float = 0.0) -> Fleets:
    return Fleets(cohorts, {"A": site_bias}, config, np.random.default_rng(1))


def count(rigs: Fleets) -> int:
    states = (rigs.hashing, rigs.off, rigs.elsewhere, rigs.idle, rigs.parked, rigs.dead)
    return int(sum(state.sum() for state in states) + rigs.starting.sum())


def test_rigs_without_tolerance_are_as_their_nameplate_says() -> None:
    rigs = fleets(STEADY, cohort())
    assert rigs.hashrate_h_s(MILD) == pytest.approx(10_000 * 200e12)
    assert rigs.power_w(MILD) == pytest.approx(10_000 * 3500)


def test_errors_of_model_and_site_are_in_common_and_those_of_rigs_average_out() -> None:
    spread = SimulationConfig(failures_per_year=0)
    rigs = fleets(spread, Cohort("A", "A", MODEL, RATING, 40_000, bias=0.07), site_bias=0.02)
    assert rigs.rig_w[0] == pytest.approx(3500 * 1.07 * 1.02, rel=4 * 0.032 / 200)


def test_no_rig_is_lost_whatever_happens() -> None:
    busy = SimulationConfig(failures_per_year=3000, repair_h=1, restarts_per_day=50)
    rigs = fleets(busy, cohort(off=500, elsewhere=300, parked=200), cohort(77))
    at = np.array([True, False])
    for minute in range(200):
        rigs.step(minute * 60.0, minute * 60.0 + 60)
        if minute % 20 == 7:
            rigs.switch_off(at, 0.5)
            rigs.leave(~at, 0.1)
        if minute % 20 == 15:
            rigs.switch_on(at, 0.7, minute * 60.0 + 60)
            rigs.fail(at, 0.05)
        assert count(rigs) == 10_077
        assert min(state.min() for state in (rigs.hashing, rigs.idle, rigs.starting)) >= 0


def test_a_rig_that_is_switched_on_draws_power_before_it_hashes() -> None:
    rigs = fleets(STEADY, cohort(off=10_000))
    rigs.switch_on(ALL, 1.0, now_s=0.0)
    rigs.step(0.0, 179.0)
    assert rigs.hashrate_h_s(MILD) == 0
    assert rigs.power_w(MILD) == pytest.approx(0.4 * 10_000 * 3500)
    rigs.step(180.0, 185.0)
    assert rigs.hashing == 10_000


def test_rigs_that_mine_elsewhere_draw_on_and_hash_nothing_for_the_pool() -> None:
    rigs = fleets(STEADY, cohort())
    rigs.leave(ALL, 0.25)
    assert rigs.hashrate_h_s(MILD) == pytest.approx(7500 * 200e12)
    assert rigs.power_w(MILD) == pytest.approx(10_000 * 3500)


def test_heat_takes_efficiency_and_hashrate() -> None:
    rigs = fleets(STEADY, cohort())
    hot, cold = np.array([1.0]), np.array([-1.0])
    per_hash = [rigs.power_w(each) / rigs.hashrate_h_s(each) for each in (cold, hot)]
    assert per_hash[1] / per_hash[0] == pytest.approx(1.015 / 0.985)
    assert rigs.hashrate_h_s(hot) < rigs.hashrate_h_s(cold)


def test_as_many_rigs_have_failed_as_fail_and_are_mended() -> None:
    config = SimulationConfig(failures_per_year=100, repair_h=24, restarts_per_day=0)
    rigs = fleets(config, cohort(100_000))
    before = int(rigs.idle.sum() + rigs.dead.sum())
    for hour in range(48):
        rigs.step(hour * 3600.0, hour * 3600.0 + 3600)
    after = int(rigs.idle.sum() + rigs.dead.sum())
    assert before == pytest.approx(100_000 * 0.274 / 1.274, rel=0.05)
    assert after == pytest.approx(before, rel=0.05)


def test_more_rigs_that_do_not_hash_than_there_are_is_an_error() -> None:
    with pytest.raises(ValueError, match="than there are"):
        fleets(STEADY, cohort(10, off=8, elsewhere=3))
