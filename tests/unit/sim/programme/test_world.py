"""What nodes truly draw: sums over the tree, PUE, AI and what happens."""

from collections.abc import Callable

import pytest

from poolserver.config import Config
from poolserver.power.rating import RatingSource
from poolserver.sim.programme.world import World, paths_matching

Programme = Callable[..., Config]
STEADY = """failures_per_year = 0
restarts_per_day = 0
heat_percent = 0
pue_swing_percent = 0
"""


def drawn(world: World, path: str) -> float:
    return float(world.step(world.now_s + 5).node_w[world.row(path)])


def test_a_pattern_names_nodes_level_by_level(programme: Programme) -> None:
    tree = World(programme(), 1).tree
    assert paths_matching(tree, "North/F*") == ["North/F1", "North/F2"]
    assert paths_matching(tree, "North/*/T*") == ["North/F2/T1"]
    assert paths_matching(tree, "*") == ["North", "South"]
    assert paths_matching(tree, "/") == ["/"]
    assert paths_matching(tree, "North/F3") == []


def test_a_site_draws_its_rigs_times_pue_and_its_ai_and_what_else_is_there(
    programme: Programme,
) -> None:
    world = World(programme(STEADY), 1)
    truth = world.step(world.now_s + 5)
    node_w = dict(zip(world.paths, truth.node_w, strict=True))
    rigs_w = sum(
        watts
        for watts, cohort in zip(truth.rig_w, world.fleets.cohorts, strict=True)
        if cohort.site == "North"
    )
    assert node_w["North"] == pytest.approx(rigs_w * 1.1 + truth.ai_w["hall"] + 50_000)
    assert node_w["North/F1"] + node_w["North/F2"] == pytest.approx(
        rigs_w + truth.ai_w["hall"] + 50_000
    )
    assert node_w["/"] == pytest.approx(node_w["North"] + node_w["South"])


def test_energy_is_power_over_time(programme: Programme) -> None:
    world = World(programme(STEADY), 1)
    energies = [world.step(world.now_s + 60) for _ in range(60)]
    assert energies[-1].node_j[world.row("South")] == pytest.approx(
        3600 * drawn(world, "South"), rel=1e-9
    )


def test_the_same_seed_is_the_same_day_and_another_one_is_not(programme: Programme) -> None:
    config = programme()
    first, again, other = (drawn(World(config, seed), "/") for seed in (1, 1, 2))
    assert first == again != other


def test_a_bias_that_is_configured_holds_and_others_are_drawn(programme: Programme) -> None:
    cohorts = World(programme(), 1).fleets.cohorts
    biases = {each.model.model: each.bias for each in cohorts}
    assert cohorts[-1].bias == 0.07
    assert cohorts[0].bias == cohorts[2].bias != 0  # one model, one bias
    assert len(set(biases.values())) == 3


def test_a_rig_of_the_sites_default_is_rated_so(programme: Programme) -> None:
    cohorts = World(programme(), 1).fleets.cohorts
    assert (cohorts[1].rating.source, cohorts[1].rating.model) == (RatingSource.SITE_DEFAULT, "")
    assert cohorts[0].rating.source is RatingSource.IDENTITY


OFF_AND_ON = """
[[simulation.events]]
at_h = 1
kind = "rigs_off"
node = "South"
percent = 50
[[simulation.events]]
at_h = 2
kind = "rigs_on"
node = "South"
[[simulation.events]]
at_h = 1
kind = "ai"
name = "hall"
mw = 2
minutes = 30
"""


def test_events_happen_at_their_moment_and_end(programme: Programme) -> None:
    world = World(programme(STEADY, OFF_AND_ON), 1)
    before = drawn(world, "South")
    assert world.next_event_s() == world.begin_s + 3600
    world.step(world.next_event_s())
    world.happen()
    assert drawn(world, "South") == pytest.approx(before / 2)
    assert world.halls[0].added_w == 2e6
    assert world.next_event_s() == world.begin_s + 5400
    world.step(world.next_event_s())
    world.happen()
    assert world.halls[0].added_w == 0
    world.step(world.next_event_s())
    world.happen()
    assert drawn(world, "South") == pytest.approx(before * 0.7)  # starting, at 40 %
    world.step(world.now_s + 180)
    assert drawn(world, "South") == pytest.approx(before)


@pytest.mark.parametrize(
    ("more", "trouble"),
    [
        ('[[simulation.fleets]]\nnode = "West"\nmodel = "S21"\nrigs = 1', "West"),
        ('[[simulation.fleets]]\nnode = "/"\nmodel = "S21"\nrigs = 1', "programme"),
        (
            '[[simulation.ai_halls]]\nsite = "South"\nname = "x"\nbase_mw = 1\njob_mw = 1',
            "no AI load",
        ),
    ],
)
def test_what_is_not_there_is_told(programme: Programme, more: str, trouble: str) -> None:
    with pytest.raises(ValueError, match=trouble):
        World(programme("", more), 1)
