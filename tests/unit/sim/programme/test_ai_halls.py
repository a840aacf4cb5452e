"""An AI hall's load: jobs, ramps, energy."""

import numpy as np
import pytest

from poolserver.config.simulation import AiHallConfig
from poolserver.sim.programme.ai_halls import AiHall, hall_named


def hall(**settings: float) -> AiHall:
    given = {"base_mw": 10, "job_mw": 5, "jobs_per_hour": 0.0, **settings}
    config = AiHallConfig(site="A", name="hall", **given)  # type: ignore[arg-type]
    return AiHall("A", config, np.random.default_rng(1))


def test_a_step_of_load_is_a_ramp_and_its_energy_the_area_below_it() -> None:
    ai = hall(ramp_mw_per_s=2)
    ai.added_w = 10e6
    assert ai.step(4.0) == pytest.approx(4 * (10e6 + 18e6) / 2)
    assert ai.power_w == pytest.approx(18e6)
    assert ai.step(4.0) == pytest.approx(1 * 19e6 + 3 * 20e6)
    assert ai.power_w == pytest.approx(20e6)


def test_it_never_draws_less_than_nothing() -> None:
    ai = hall()
    ai.added_w = -50e6
    ai.step(3600.0)
    assert ai.power_w == 0


def test_as_many_jobs_run_as_come_times_how_long_they_last() -> None:
    ai = hall(jobs_per_hour=20, job_hours=2)
    jobs = []
    for _ in range(4000):
        ai.step(600.0)
        jobs.append(ai.jobs)
    assert np.mean(jobs) == pytest.approx(40, rel=0.05)
    assert np.var(jobs) == pytest.approx(40, rel=0.25)  # Poisson


def test_a_hall_is_found_by_its_name() -> None:
    ai = hall()
    assert hall_named([ai], "hall") is ai
    with pytest.raises(ValueError, match="no AI hall"):
        hall_named([ai], "other")
