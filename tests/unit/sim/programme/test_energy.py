"""Energy by work against the truth: its interval holds what it says."""

from collections.abc import Callable

import pytest

from poolserver.config import Config
from poolserver.sim.programme.energy import Held, WorkBook, coverage
from poolserver.sim.programme.run import Run

Programme = Callable[..., Config]
PLAIN = """failures_per_year = 0
restarts_per_day = 0
heat_percent = 0
pue_swing_percent = 0
"""

EXACT = """
model_sigma_percent = 0
nameplate_sigma_percent = 0
site_sigma_percent = 0
rig_sigma_percent = 0
"""


def held(config: Config, seed: int, path: str, hours: float = 2) -> Held:
    run = Run(config, seed, hours, tick_s=600)
    cohorts = run.world.fleets.cohorts
    book = WorkBook(run.world.tree, {(each.node, each.rating): each.rigs for each in cohorts})
    for tick in run.ticks():
        book.add(tick.work)
    return Held("shares", book.energy_j(path), float(tick.truth.node_j[run.world.row(path)]))


def test_with_nameplates_that_are_true_only_chance_is_left(programme: Programme) -> None:
    true = PLAIN + EXACT
    # F1 has no load but rigs; S21 and T21 are taken for what they are but for the T21s, which
    # are rated by the site's default of 17.5 J/TH and truly take 19.
    found = held(programme(true), 1, "North/F1")
    s21, t21 = 500 * 200 * 17.5, 300 * 190 * 19.0
    expected = (s21 + 300 * 190 * 17.5) / (s21 + t21) - 1
    assert found.error == pytest.approx(expected, abs=0.01)


def test_the_interval_holds_the_truth_19_times_of_20(programme: Programme) -> None:
    config = programme(PLAIN)
    inside = coverage(held(config, seed, "North/F1") for seed in range(120))
    assert 0.89 <= inside <= 0.99  # 0.95 of 120, and three sigmas


def test_nothing_is_told_of_a_truth_of_nothing() -> None:
    assert Held("shares", WorkBook, 0.0).error == 0.0  # type: ignore[arg-type]
