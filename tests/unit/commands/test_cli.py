"""All commands alike: their lists, their help, --json, and what is imported for them."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from poolserver.cli import main
from poolserver.commands.__main__ import commands, reference
from poolserver.commands.lazy import Lazy

ROOT = Path(__file__).parents[3]
COMMANDS = list(commands(main))

WITHOUT_JSON = {
    "init": "it writes a file",
    "run": "it is the pool: log.format is for programs",
    "top": "it is for a terminal; status and workers tell the same",
    "demo": "it is for a look",
    "ledger backup": "it writes a file",
    "ledger export": "it writes CSV, for programs",
    "ledger proof": "what it prints is JSON",
    "ledger check-proof": "its exit code says it",
    "power report": "it has --format json",
    "power token": "it prints TOML, for the configuration",
    "token": "it prints TOML, for the configuration",
    "simulate": "it is for a look",
    "schema": "what it prints is JSON",
    "completion": "it prints what a shell reads",
}


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_each_command_has_json_or_a_reason(name: str, command: click.Command) -> None:
    has_json = any("--json" in parameter.opts for parameter in command.params)
    assert has_json != (name in WITHOUT_JSON), name


def lists(group: click.Group) -> list[Lazy]:
    found = []
    for command in group.commands.values():
        if isinstance(command, Lazy):
            found.append(command)
            if isinstance(command.real, click.Group):
                found += lists(command.real)
    return found


@pytest.mark.parametrize("lazy", lists(main), ids=lambda lazy: lazy.name)
def test_a_list_says_of_a_command_what_it_says_of_itself(lazy: Lazy) -> None:
    said = (lazy.real.help or "").split("\n\n")[0].replace("\n", " ")
    assert lazy.short_help == said
    assert lazy.real.name == lazy.name


def test_the_documentation_holds_the_reference() -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    assert reference() in text, "write it anew: python -m poolserver.commands docs/cli.md"


def imported_for(*arguments: str) -> set[str]:
    code = (
        "import sys, json, contextlib\n"
        "from poolserver.cli import main\n"
        "with contextlib.suppress(SystemExit):\n"
        f"    main({list(arguments)!r})\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_a_command_imports_what_it_needs() -> None:
    heavy = {"aiohttp", "uvloop", "structlog", "sqlite3", "poolserver.app", "poolserver.server"}
    assert not heavy & imported_for("--help")
    assert not heavy & imported_for("status", "--url", "http://127.0.0.1:1")


def test_completion_lists_commands_without_importing_them() -> None:
    code = "from poolserver.cli import main; main(prog_name='poolserver')"
    environment = {
        "_POOLSERVER_COMPLETE": "bash_complete",
        "COMP_WORDS": "poolserver s",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=environment,
    )
    names = [line.partition(",")[2] for line in done.stdout.splitlines()]
    assert names == ["schema", "simulate", "sites", "status"]
    assert "rich" not in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_completion_for_each_shell(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert "_POOLSERVER_COMPLETE" in result.stdout


def test_check_config_for_programs(tmp_path: Path) -> None:
    (tmp_path / "pool.toml").write_text('network = "moon"\nlisteners = []\n')
    result = CliRunner().invoke(main, ["check-config", "--json", str(tmp_path / "pool.toml")])
    assert result.exit_code == 2
    found = json.loads(result.stdout)
    assert not found["good"]
    assert {"network", "listeners", "nodes", "payout.address"} <= {
        each["path"] for each in found["problems"]
    }


def test_the_schema_is_printed() -> None:
    text = CliRunner().invoke(main, ["schema"]).stdout
    assert text == (ROOT / "docs" / "poolserver.schema.json").read_text()
