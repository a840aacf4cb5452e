"""Ticks: what comes to the pool and the truth beside it."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from poolserver.config import Config
from poolserver.sim.programme.run import Run

Programme = Callable[..., Config]
STEADY = "failures_per_year = 0\nrestarts_per_day = 0\nheat_percent = 0\npue_swing_percent = 0\n"


def test_ticks_are_as_far_apart_as_configured_whatever_happens_between(
    programme: Programme,
) -> None:
    event = '[[simulation.events]]\nat_h = 0.0108\nkind = "rigs_off"\nnode = "South"'
    run = Run(programme(STEADY, event), 1, hours=0.05)
    ticks = list(run.ticks())
    moments = [run.world.begin_s, *(tick.at_s for tick in ticks)]
    assert {later - earlier for earlier, later in pairwise(moments)} == {5.0}
    assert len(ticks) == 36
    row = run.world.row("South")
    assert ticks[6].truth.node_w[row] > ticks[7].truth.node_w[row] == 0  # at 38.88 s


def test_shares_are_of_the_true_hashrate(programme: Programme) -> None:
    run = Run(programme(STEADY), 1, hours=1)
    work = sum(each.proven_work for tick in run.ticks() for each in tick.work.values())
    true_h = float(run.world.hashrate_h_s.sum()) * 3600
    shares = 1370 * 12 * 60
    assert work == pytest.approx(true_h, rel=4 / shares**0.5)


def test_meters_tell_of_what_they_are_on_and_those_held_out_tell_nothing(
    programme: Programme,
) -> None:
    settings = STEADY + "meter_noise_percent = 0\nmeter_outages_per_day = 0\n"
    run = Run(programme(settings), 1, hours=0.01, hold_out=["north-f*"])
    tick = list(run.ticks())[-1]
    told = {reading.meter: reading.power_w for reading in tick.readings}
    assert told.keys() == {"north", "north-ai"}
    true_w = tick.truth.node_w[run.world.row("North")]
    assert told["north"] == pytest.approx(true_w, rel=0.006)
    assert told["north-ai"] == pytest.approx(tick.truth.ai_w["hall"], rel=0.006)
