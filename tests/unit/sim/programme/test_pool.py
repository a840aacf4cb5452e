"""The pool's parts in simulated time: what they make of the truth."""

from collections.abc import Callable

import pytest

from poolserver.config import Config
from poolserver.control_room import desk
from poolserver.power.state import Method
from poolserver.sim.programme.pool import Pool, groups_of
from poolserver.sim.programme.run import Run, Tick

Programme = Callable[..., Config]
STEADY = """failures_per_year = 0
restarts_per_day = 0
heat_percent = 0
pue_swing_percent = 0
meter_outages_per_day = 0
"""

EXACT = """
model_sigma_percent = 0
nameplate_sigma_percent = 0
site_sigma_percent = 0
rig_sigma_percent = 0
"""


def last(config: Config, hold_out: tuple[str, ...] = ()) -> tuple[Run, Tick, desk.Tick]:
    """After five minutes."""
    run = Run(config, 1, hours=1 / 12, hold_out=hold_out)
    pool = Pool(config, run.world.fleets.cohorts, run.world.begin_s)
    for tick in run.ticks():
        seen = pool.take(tick)
    return run, tick, seen


def test_what_is_metered_is_known_to_the_meters_class(programme: Programme) -> None:
    run, tick, seen = last(programme(STEADY))
    for path in ("North", "North/F1", "North/F2"):
        power = seen.readings.nodes[path]
        assert power.method is Method.METER
        assert power.total_w.value == pytest.approx(
            tick.truth.node_w[run.world.row(path)], rel=6e-3
        )


def test_a_site_whose_meter_is_held_out_is_the_sum_of_its_feeders(programme: Programme) -> None:
    run, tick, seen = last(programme(STEADY), ("north",))
    power = seen.readings.nodes["North"]
    assert power.method is Method.SUM
    assert power.total_w.value == pytest.approx(tick.truth.node_w[run.world.row("North")], rel=6e-3)


def test_a_sites_meter_counts_above_it_while_nobody_tells_its_ai_load(programme: Programme) -> None:
    _, _, seen = last(programme(STEADY), ("north-ai",))
    nodes = seen.readings.nodes
    assert not nodes["North"].ai_known
    assert nodes["/"].total_w.value == pytest.approx(
        nodes["North"].total_w.value + nodes["South"].total_w.value
    )


def test_rigs_that_mine_elsewhere_are_in_the_residual(programme: Programme) -> None:
    exact = STEADY + EXACT
    leave = (
        '[[simulation.events]]\nat_h = 0.001\nkind = "rigs_leave"\nnode = "North/F1"\npercent = 30'
    )
    _, _, (before) = last(programme(exact))
    _, _, (after) = last(programme(exact, leave))
    found = [each.readings.nodes["North/F1"] for each in (before, after)]
    assert all(each.residual_w is not None for each in found)
    grown = [each.residual_w.value for each in found if each.residual_w is not None]
    assert grown[1] - grown[0] == pytest.approx(0.3 * (500 * 3500 + 300 * 3610), rel=0.15)
    assert found[1].by_shares_w < 0.75 * found[1].total_w.value


def test_meters_that_fall_silent_lose_no_energy_and_invent_none(programme: Programme) -> None:
    often = "meter_outages_per_day = 400\nmeter_outage_minutes = 3\n"
    config = programme(often)
    run = Run(config, 2, hours=2)
    pool = Pool(config, run.world.fleets.cohorts, run.world.begin_s)
    for tick in run.ticks():
        pool.take(tick)
    assert sum(meter.silent_s for meter in run.meters.values()) > 3600
    assert set(pool.books_off_j().values()) == {0}
    assert all(len(intervals) == 8 for intervals in pool.interval_j.values())


def test_groups_are_all_rigs_of_one_rating_at_one_node(programme: Programme) -> None:
    config = programme()
    groups = groups_of(Run(config, 1).world.fleets.cohorts)
    assert [(group.node, group.rigs) for group in groups] == [
        ("North/F1", 500),
        ("North/F1", 300),
        ("North/F2/T1", 200),
        ("South", 400),
    ]
    assert groups[0].power_w == 500 * 3500
