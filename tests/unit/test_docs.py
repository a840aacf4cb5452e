"""The documents say what there is: metrics, reasons, log events; and no link is dead."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from poolserver._vendor.asyncio_stratum import Fault
from poolserver.api.problem import PROBLEMS
from poolserver.cli import main
from poolserver.config import Config, load_config
from poolserver.metrics.reference import metrics_reference
from poolserver.mining.share import ShareOutcome

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])

LOG_CALL = re.compile(r"\b_?log\.(?:debug|info|warning|error)\(\s*\"(\w+)\"")
ALARM_CALL = re.compile(r"\bAlarm\(\s*\"(\w+)\",\s*\"(\w+)\"")
TROUBLE_CALL = re.compile(r"_trouble\.(?:failed|restored)\(\"(\w+)\"")
# In a line of a shell, or in backticks.
COMMAND = re.compile(r"(?:`|^(?:\$ )?(?:\.venv/bin/)?)poolserver((?: [a-z][a-z-]+)+)", re.MULTILINE)
HASHED = " energy"  # begins what rows of the energy ledger are hashed with
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def test_every_metric_is_documented_as_it_is_declared() -> None:
    assert metrics_reference() in (DOCS / "metrics.md").read_text(), "python -m poolserver.metrics"


def test_every_reason_of_a_share_is_documented_with_its_code() -> None:
    text = (DOCS / "stratum.md").read_text()
    for outcome in ShareOutcome:
        code = f" {outcome.code}" if outcome.code else ""
        assert f"| `{outcome.reason}` |{code} |" in text, outcome


def test_every_fault_of_the_stratum_library_is_documented_with_its_code() -> None:
    text = (DOCS / "stratum.md").read_text()
    for fault in Fault:
        assert f"| `{fault.value}` | {fault.code.value} |" in text, fault


def test_every_log_event_is_documented() -> None:
    text = (DOCS / "operations.md").read_text()
    sources = [path.read_text() for path in (ROOT / "poolserver").rglob("*.py")]
    events = {
        event
        for source in sources
        for pattern in (LOG_CALL, TROUBLE_CALL)
        for event in pattern.findall(source)
    }
    events |= {event for source in sources for pair in ALARM_CALL.findall(source) for event in pair}
    assert {"running", "block_found", "no_template", "templates_again", "nodes_lost"} <= events
    assert sorted(event for event in events if f"`{event}`" not in text) == []


def test_every_code_of_the_api_s_problems_is_documented_with_its_status() -> None:
    text = (DOCS / "api.md").read_text()
    for code, (status, _) in PROBLEMS.items():
        assert re.search(rf"^\| `{code}` \| {status} \|", text, re.MULTILINE), code


def test_every_decision_is_in_the_list_of_decisions() -> None:
    listed = LINK.findall((DOCS / "adr/README.md").read_text())
    assert sorted(listed) == sorted(path.name for path in (DOCS / "adr").glob("[0-9]*.md"))


def test_the_way_of_a_share_names_files_and_functions_that_are_there() -> None:
    text = (DOCS / "share.md").read_text()
    files = set(re.findall(r"`([\w/]+\.(?:py|c))`", text))
    assert len(files) > 12
    sources = "".join((ROOT / "poolserver" / name).read_text() for name in files)
    for name in re.findall(r"`(?:[A-Z]\w+\.)?([a-z_]+)`", text):
        assert re.search(rf"\bdef {name}\b", sources), name
    for name in re.findall(r"`([A-Z]\w+)\.", text):
        assert re.search(rf"\bclass {name}\b", sources), name


@pytest.mark.parametrize("name", ["share", "architecture"])
def test_a_picture_is_the_one_that_the_program_draws(name: str, tmp_path: Path) -> None:
    program = ROOT / "scripts/draw_pictures.py"
    subprocess.run([sys.executable, program, tmp_path], check=True)
    drawn = (tmp_path / f"{name}.svg").read_text()
    assert (DOCS / "images" / f"{name}.svg").read_text() == drawn, program
    code = {path.name for path in (ROOT / "poolserver").rglob("*.*")}
    for line in re.findall(r'class="file"[^>]*>([^<]+)<', drawn):
        for file in re.findall(r"[\w/]+\.(?:py|c)\b", line):
            assert file.rpartition("/")[2] in code, file


@pytest.mark.parametrize("name", ["rules.md", "templates.md", "blocks.md"])
def test_every_rule_is_proved_by_tests_that_exist(name: str) -> None:
    text = (DOCS / name).read_text()
    text = text[text.index("| rule |") :]
    rows = [row for row in text.splitlines() if row.startswith("| ") and "| ---" not in row]
    sources = "".join(
        path.read_text()
        for folder in (ROOT / "tests", ROOT / "poolserver" / "_vendor")
        for path in folder.rglob("test_*.py")
    )
    for row in rows:
        named = re.findall(r"`(test_\w+|Test\w+)`", row)
        assert named or row.startswith("| rule |"), f"no test proves {row}"
        missing = [name for name in named if not re.search(rf"\b{name}\b", sources)]
        assert not missing, row


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_relative_link_is_dead(path: Path) -> None:
    links = [link for link in LINK.findall(path.read_text()) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_a_document_names_is_there(path: Path) -> None:
    for words in COMMAND.findall(path.read_text()):
        if words.split()[0] == "energy":
            continue  # what hashes of the energy ledger begin with is named after us, too
        command: click.Command | None = main
        for word in words.split():
            if not isinstance(command, click.Group):
                break
            command = command.get_command(click.Context(command), word)
            assert command is not None or words.startswith(HASHED), words


def test_the_example_in_the_readme_is_good(tmp_path: Path) -> None:
    (example,) = (ROOT / "README.md").read_text().split("```toml\n")[1:]
    address = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"  # BIP173's first test vector
    (tmp_path / "pool.toml").write_text(example.split("```")[0].replace("bc1q...", address))
    assert isinstance(load_config(tmp_path / "pool.toml"), Config)


def test_the_picture_of_the_demo_asks_nobody_for_anything() -> None:
    svg = (DOCS / "images" / "demo.svg").read_text()
    assert re.findall(r"https?://[^\s\"]+", svg) == ["http://www.w3.org/2000/svg"]  # a name only
    assert "@font-face" not in svg
