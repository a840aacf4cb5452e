"""``poolserver token``, and its old name."""

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from poolserver.api.tokens import hash_of
from poolserver.cli import main
from poolserver.commands.token import SCOPES
from poolserver.config import parse_config
from tests.unit.pool_toml import POOL_TOML


def test_a_token_is_shown_once_and_only_its_hash_is_for_the_configuration() -> None:
    command = ["token", 'the "dispatcher"', "--scope", "budget", "--scope", "ai-load"]
    made = CliRunner().invoke(main, [*command, "--node", "Sahiwal", "--node", "Port Qasim"])
    assert made.exit_code == 0
    token = made.stderr.split()[-1]
    assert token not in made.stdout
    assert tomllib.loads(made.stdout) == {
        "api_tokens": [
            {
                "name": 'the "dispatcher"',
                "sha256": hash_of(token),
                "scopes": ["budget", "ai-load"],
                "nodes": ["Sahiwal", "Port Qasim"],
            }
        ]
    }


def test_its_lines_can_be_appended_to_a_file() -> None:
    made = CliRunner().invoke(main, ["token", "x", "--scope", "meter"])
    assert made.stdout.startswith("\n[[api_tokens]]\n")


def test_without_a_node_it_is_for_all() -> None:
    made = CliRunner().invoke(main, ["power", "token", "x", "--scope", "meter"])
    assert tomllib.loads(made.stdout)["api_tokens"][0]["nodes"] == ["/"]


@pytest.mark.parametrize("options", [[], ["--scope", "everything"]])
def test_what_it_is_for_must_be_told(options: list[str]) -> None:
    assert CliRunner().invoke(main, ["token", "x", *options]).exit_code == 2


@pytest.mark.parametrize("options", [[], ["--not-after", "2027-01-31"]])
def test_its_lines_are_good_in_a_configuration(options: list[str], tmp_path: Path) -> None:
    scopes = [word for scope in SCOPES for word in ("--scope", scope)]
    made = CliRunner().invoke(main, ["token", "x", *scopes, *options])
    text = POOL_TOML.rstrip("\n") + made.stdout  # as an editor may have left it
    (token,) = parse_config(text, source="pool.toml", folder=tmp_path, environ={}).api_tokens
    assert token.scopes == SCOPES
    assert (token.not_after is None) is (not options)


@pytest.mark.parametrize("command", [["h\udcff"], ["x", "--node", "h\udcff"]])
def test_what_is_no_text_is_refused_and_no_token_made(command: list[str]) -> None:
    made = CliRunner().invoke(main, ["token", *command, "--scope", "read"])
    assert (made.exit_code, made.stdout) == (2, "")
    assert "it must be UTF-8" in made.stderr.splitlines()[-1]
