"""``poolserver power token``."""

import tomllib

import pytest
from click.testing import CliRunner

from poolserver.api.tokens import hash_of
from poolserver.commands.power import power


def test_a_token_is_shown_once_and_only_its_hash_is_for_the_configuration() -> None:
    command = ["token", 'the "dispatcher"', "--scope", "budget", "--scope", "ai-load"]
    made = CliRunner().invoke(power, [*command, "--node", "Sahiwal", "--node", "Port Qasim"])
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


def test_without_a_node_it_is_for_all() -> None:
    made = CliRunner().invoke(power, ["token", "x", "--scope", "meter"])
    assert tomllib.loads(made.stdout)["api_tokens"][0]["nodes"] == ["/"]


@pytest.mark.parametrize("options", [[], ["--scope", "everything"]])
def test_what_it_is_for_must_be_told(options: list[str]) -> None:
    assert CliRunner().invoke(power, ["token", "x", *options]).exit_code == 2
