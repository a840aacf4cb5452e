"""Single rigs and the watch for silent ones: found when they hang, and not called silent before."""

import numpy as np

from poolserver.config.simulation import SimulationConfig
from poolserver.power.silence import RigState
from poolserver.sim.programme.watched import WatchedRigs


def run(rigs: WatchedRigs, hours: float) -> WatchedRigs:
    for tick in range(round(hours * 720)):
        rigs.step(tick * 5.0, tick * 5.0 + 5, warmth=0.0)
    return rigs


def watched(count: int, **settings: float) -> WatchedRigs:
    config = SimulationConfig(**settings)  # type: ignore[arg-type]
    return WatchedRigs(count, 12, config, np.random.default_rng(1), 0.0)


def test_rigs_that_hash_are_not_called_silent() -> None:
    rigs = run(watched(50, failures_per_year=0, restarts_per_day=24), hours=3)
    assert rigs.figures.false_alarms == 0
    assert rigs.figures.rig_days > 50 * 3 / 24 * 0.7  # the rest is restarting
    assert rigs.figures.found_s == []


def test_rigs_that_hang_are_found_within_minutes() -> None:
    rigs = run(watched(40, failures_per_year=4000, repair_h=1, restarts_per_day=0), hours=4)
    figures = rigs.figures
    assert len(figures.found_s) > 15
    assert figures.missed == 0
    assert figures.median_s is not None
    assert 60 < figures.median_s < 150  # 105 s by theory, for one of 10,000 rigs a day


def test_a_rig_that_dies_is_disconnected_and_not_silent() -> None:
    rigs = watched(1, failures_per_year=0, restarts_per_day=0)
    run(rigs, hours=0.1)
    rigs.watch.note(rigs.names[0], 1, 0, 360.0)
    rigs.watch.look(3600.0)
    assert rigs.watch.state_of(rigs.names[0]) is RigState.DISCONNECTED


def test_without_a_silent_rig_there_is_no_time_until_it_is_told() -> None:
    assert watched(0).figures.median_s is None
