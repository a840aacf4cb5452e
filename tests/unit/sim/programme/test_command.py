"""A whole run, small: the pool's figures against the truth, the drawing, the command."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from poolserver.commands.simulate import simulate
from poolserver.config import Config, load_config
from poolserver.sim.programme.command import simulate_programme
from poolserver.sim.programme.world import World

ROOT = Path(__file__).parents[4]
EXAMPLE = ROOT / "configs" / "programme-2000mw.toml"
Programme = Callable[..., Config]
STEADY = """failures_per_year = 0
restarts_per_day = 0
heat_percent = 0
pue_swing_percent = 0
meter_outages_per_day = 0
"""
STEP = """
[[simulation.events]]
at_h = 0.31234
kind = "ai"
name = "hall"
mw = 1
minutes = 10
"""


def test_with_meters_below_a_sites_energy_is_within_half_a_percent(programme: Programme) -> None:
    report, _ = simulate_programme(programme(STEADY), 1.0, 1, hold_out=["north"])
    rows = {(row.node, row.how): row for row in report.energies}
    assert ("North", "all, by its own meter") not in rows
    assert abs(rows["North", "all, by meters below"].error_percent) < 0.5
    assert rows["North", "mining, by shares"].sigma_percent is not None
    assert report.not_believed == {}


def test_an_overrun_by_ai_shows_in_a_tick_or_the_next(programme: Programme) -> None:
    report, _ = simulate_programme(programme(STEADY, STEP), 0.6, 1)
    found = {overrun.node: overrun for overrun in report.overruns}
    assert "/" in found
    assert found["/"].shown_s["meters"] <= 10
    assert found["/"].began_s == pytest.approx(report.begin_s + 0.31234 * 3600, abs=6)


def test_a_meter_that_tells_another_unit_is_not_believed(programme: Programme) -> None:
    event = '[[simulation.events]]\nat_h = 0.2\nkind = "meter_kw"\nname = "north"\nminutes = 3'
    report, _ = simulate_programme(programme(STEADY, event), 0.3, 1)
    assert report.not_believed == {"wrong_unit": 36}
    assert "meters" not in report.false_s


def test_the_same_seed_is_the_same_report(programme: Programme) -> None:
    first, again = (simulate_programme(programme(), 0.1, 3, watched=5)[0] for _ in range(2))
    assert first.plain() | {"took_s": 0, "times_real": 0} == again.plain() | {
        "took_s": 0,
        "times_real": 0,
    }


def test_a_day_is_drawn_and_written_out(programme: Programme, tmp_path: Path) -> None:
    programme(STEADY)
    files = ["--plot", str(tmp_path / "day.svg"), "--out", str(tmp_path / "out")]
    config = ["--config", str(tmp_path / "programme.toml")]
    options = ["--hours", "0.2", "--watched", "3", "--json"]
    done = CliRunner().invoke(simulate, ["programme", *config, *options, *files])
    assert done.exit_code == 0, done.output
    report = json.loads(done.output)
    assert report == json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["rigs"] == 1400
    lines = (tmp_path / "out" / "day.csv").read_text().splitlines()
    assert lines[0].startswith("hour,true_mw,believed_mw,")
    assert len(lines) == 145
    ElementTree.fromstring((tmp_path / "day.svg").read_text())


def test_what_cannot_be_simulated_is_told_in_a_line(programme: Programme, tmp_path: Path) -> None:
    programme("", '[[simulation.fleets]]\nnode = "West"\nmodel = "S21"\nrigs = 1')
    config = ["--config", str(tmp_path / "programme.toml")]
    done = CliRunner().invoke(simulate, ["programme", *config])
    assert done.exit_code == 1
    assert "no node is named West" in done.output
    with pytest.raises(ValueError, match="no node"):
        simulate_programme(programme(), 1, 1, node="East")


def test_without_numpy_it_says_what_to_install(
    programme: Programme, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programme()
    monkeypatch.setitem(sys.modules, "poolserver.sim.programme.command", None)
    done = CliRunner().invoke(simulate, ["programme", "--config", str(tmp_path / "programme.toml")])
    assert done.exit_code == 1
    assert 'pip install "poolserver[simulation]"' in done.output


def test_the_example_is_the_programme_of_2000_mw() -> None:
    config = load_config(EXAMPLE)
    assert config.programme.limit_mw == 2000
    assert [(site.name, site.budget_mw) for site in config.sites] == [
        ("Sahiwal", 1320),
        ("China Hub", 1320),
        ("Port Qasim", 1320),
    ]
    world = World(config, 1)
    assert world.fleets.rigs.sum() == 543_840
    installed_h_s = (world.fleets.rigs * world.fleets.rig_h_s).sum()
    assert 105e18 < installed_h_s < 113e18


def test_the_drawing_in_the_docs_asks_nobody_for_anything() -> None:
    svg = (ROOT / "docs" / "images" / "power-day.svg").read_text()
    assert re.findall(r"https?://[^\s\"]+", svg) == ["http://www.w3.org/2000/svg"]  # a name only
    assert "@font-face" not in svg


def test_the_report_is_shown_as_tables(programme: Programme, tmp_path: Path) -> None:
    programme(STEADY, STEP)
    config = ["--config", str(tmp_path / "programme.toml")]
    done = CliRunner().invoke(simulate, ["programme", *config, "--hours", "0.5"])
    assert done.exit_code == 0, done.output
    for part in ("Energy", "Overruns", "times real time", "false alarms", "not believed: "):
        assert part in done.output
