"""Grafana's dashboards: what the program makes is what is committed, and what Grafana reads."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard as GrafanaDashboard

from scripts.dashboards.__main__ import ALL, FOLDER, rendered
from scripts.dashboards.model import Dashboard
from scripts.dashboards.panels import COLUMNS

ROOT = Path(__file__).parents[2]
METRIC = re.compile(r"\b(poolserver_\w+?)(?:_bucket|_sum|_count)?(?=[{\s)\[]|$)")
# What Grafana's data source for Prometheus adds to an annotation; the types do not know of it.
BESIDE_THE_TYPES = {"step", "titleFormat", "textFormat"}
# Families that the dashboards are ready for.
TO_COME = {
    "poolserver_disk_free_bytes",
    "poolserver_disk_size_bytes",
    "poolserver_energy_closed_timestamp_seconds",
    "poolserver_event_loop_lag_seconds",
    "poolserver_journal_held_records",
    "poolserver_journal_lag_seconds",
    "poolserver_journal_sync_seconds",
    "poolserver_new_tip_to_rigs_seconds",
    "poolserver_reloads_total",
    "poolserver_share_latency_seconds",
    "poolserver_submitblock_seconds",
    "poolserver_clock_wrong",
}

each = pytest.mark.parametrize("dashboard", ALL, ids=lambda dashboard: dashboard.name)


def panels_of(made: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in made["panels"] if panel["type"] != "row"]


@each
def test_a_file_is_what_the_program_makes(dashboard: Dashboard) -> None:
    assert (FOLDER / f"{dashboard.name}.json").read_text() == rendered(dashboard), (
        "run python -m scripts.dashboards"
    )


def test_there_is_no_other_file() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == {one.name for one in ALL}


def lost(before: Any, after: Any, where: str = "") -> Iterator[str]:
    """Whatever is not in ``after`` as it was; what was added by default is no loss."""
    match before, after:
        case dict(), dict():
            for key, value in before.items():
                if key not in after:
                    yield f"{where}/{key}"
                else:
                    yield from lost(value, after[key], f"{where}/{key}")
        case list(), list() if len(before) == len(after):
            for number, (one, other) in enumerate(zip(before, after, strict=True)):
                yield from lost(one, other, f"{where}/{number}")
        case _ if before != after:
            yield where


@each
def test_grafanas_own_types_read_it_and_lose_nothing(dashboard: Dashboard) -> None:
    register_default_plugins()
    made = json.loads(rendered(dashboard))
    read = GrafanaDashboard.from_json(made)
    again = json.loads(JSONEncoder(sort_keys=True).encode(read))
    assert [
        path
        for path in lost(made, again)
        if not (path.startswith("/annotations") and path.rpartition("/")[2] in BESIDE_THE_TYPES)
    ] == []


@each
def test_panels_neither_overlap_nor_stand_out(dashboard: Dashboard) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard.to_json()["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


@each
def test_every_panel_says_what_it_shows_and_in_what_unit(dashboard: Dashboard) -> None:
    made = dashboard.to_json()
    numbers = [panel["id"] for panel in made["panels"]]
    assert len(numbers) == len(set(numbers))
    for panel in panels_of(made):
        assert panel["description"].endswith((".", "transactions")), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]


@each
def test_the_first_row_says_whether_all_is_well(dashboard: Dashboard) -> None:
    assert dashboard.rows[0].title == "Is all well?"
    figures = [panel for panel in dashboard.rows[0].panels if panel.kind == "stat"]
    assert sum(panel.width for panel in figures) == COLUMNS


def exprs(dashboard: Dashboard) -> Iterator[str]:
    made = dashboard.to_json()
    for panel in panels_of(made):
        yield from (target["expr"] for target in panel["targets"])
    yield from (note["expr"] for note in made["annotations"]["list"])
    for variable in made["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


def rules() -> list[dict[str, Any]]:
    text = (ROOT / "configs/prometheus/poolserver.rules.yml").read_text()
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def test_every_metric_that_dashboards_and_rules_name_is_one_of_the_pools() -> None:
    documented = set(re.findall(r"`(poolserver_\w+)`", (ROOT / "docs/metrics.md").read_text()))
    records = {rule["record"] for rule in rules() if "record" in rule}
    asked = [*(expr for one in ALL for expr in exprs(one)), *(rule["expr"] for rule in rules())]
    named: set[str] = set()
    for expr in asked:
        for record in re.findall(r"\w+:poolserver_\w+(?::\w+)?", expr):
            assert record in records, record
        named |= set(METRIC.findall(re.sub(r"\w+:poolserver_\w+(?::\w+)?", "", expr)))
    assert named - documented - TO_COME == set()
    assert len(named) > 60


def test_runbooks_are_linked_where_the_docs_are_said_to_be() -> None:
    text = rendered(ALL[0], "https://pool.example/")
    assert "https://pool.example/" in text
    assert "docs.example" not in text


def test_a_histogram_that_begins_anew_with_the_coordinator_is_read_as_a_counter_that_does() -> None:
    """Only rate() and increase() know a reset, and of each series before it is added to others."""
    asked = [*(expr for one in ALL for expr in exprs(one)), *(rule["expr"] for rule in rules())]
    part = re.compile(r"(\w*\(?)\s*poolserver_\w+_seconds_(?:bucket|sum|count)\b")
    within = {before for expr in asked for before in part.findall(expr)}
    assert "rate(" in within
    assert within <= {"rate(", "increase("}
