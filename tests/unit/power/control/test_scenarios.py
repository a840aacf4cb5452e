"""The scenarios of tests/unit/power/scenarios, each a story in ticks: see docs/control.md."""

import json
from pathlib import Path
from typing import Any

import pytest

from poolserver.power.control import Command, Decision
from tests.unit.power.control.world import MW, World

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("*.json"))


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 15


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_controller_does_what_the_scenario_says(path: Path) -> None:
    scenario = json.loads(path.read_text())
    world = World(scenario)
    tick_s = scenario.get("tick_s", 5)
    now_s, between = world.begin_s, list[str]()
    for number, step in enumerate(scenario["steps"]):
        while now_s < world.begin_s + step["at"]:
            between += world.tick(now_s).told
            now_s += tick_s
        assert now_s == world.begin_s + step["at"], "a step begins at a tick"
        world.apply(step, now_s)
        decision = world.tick(now_s)
        now_s += tick_s
        found = {key: outcome(world, decision)[key] for key in step["expect"] if key != "between"}
        found["between"] = between
        assert found == {"between": [], **step["expect"]}, f"step {number} of {path.stem}"
        between = []


def outcome(world: World, decision: Decision) -> dict[str, Any]:
    """What a step may expect."""
    return {
        "told": list(decision.told),
        "commands": [shown(command) for command in decision.commands],
        "intended": [shown(command) for command in decision.intended],
        "sites": {name: state.value for name, state in world.state.sites.items()},
        "over": {each.node: round(each.excess_w / MW, 3) for each in decision.overloads},
        "chance": {each.node: round(each.chance, 3) for each in decision.overloads},
        "blind": list(decision.blind),
        "off": sum(world._counts(group)[1] for group in world.groups),
        "short": {
            each.node: round(each.short_w / MW, 3) for each in decision.intentions if each.short_w
        },
    }


def shown(command: Command) -> str:
    return f"{command.action.value} {command.rigs} {command.node} {command.rating.model}"
