"""What README.md says is true: its examples run, its tables are those of the code."""

import asyncio
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from .. import TRANSITIONS, ErrorCode, Fault, Outcome, State, Submit, Subscribe

PACKAGE = __package__.rpartition(".")[0]
TEXT = (Path(__file__).parents[1] / "README.md").read_text()


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that the examples define."""
    monkeypatch.setitem(sys.modules, "asyncio_stratum", import_module(PACKAGE))
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(block, names)  # noqa: S102 - our own text
    return names


async def test_the_examples_talk_to_each_other(
    example: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    server = await example["serve"](0)
    await example["mine"](port=server.sockets[0].getsockname()[1])
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0.01)  # for the server's side of the socket to end
    said = capsys.readouterr().out.splitlines()
    assert said[1] == "accepted"
    assert [line.split()[0] for line in said] == ["hello", "accepted", "bye"]


def rows_of(heading: str) -> dict[str, list[str]]:
    """The first table below a heading, by its first column."""
    section = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return {row[0].strip(" `"): [cell.strip(" `") for cell in row[1:]] for row in rows[2:]}


@pytest.mark.parametrize("state", State)
def test_the_table_of_states_is_that_of_the_code(state: State) -> None:
    subscribe, _, submit, _, subscribed, authorized = rows_of("States")[state.name]
    row = TRANSITIONS[state]
    assert (subscribe == "legal") == (Subscribe in row)
    assert (submit == "legal") == (Submit in row)
    for cell, outcome in ((subscribed, Outcome.SUBSCRIBED), (authorized, Outcome.AUTHORIZED)):
        assert cell == (row[outcome].name if outcome in row else "")


def test_the_table_of_errors_is_that_of_the_code() -> None:
    rows = rows_of("Errors")
    assert set(rows) == {str(code.value) for code in ErrorCode}
    for fault in Fault:
        assert f"`{fault.value}`" in f"`{rows[str(fault.code.value)][1]}`"
