"""The JSON Schema says of a file what the walker says of it, as far as a schema can."""

import json
import re
import tomllib
from copy import deepcopy
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from poolserver.config import Config, config_schema
from poolserver.config.errors import Problem
from poolserver.config.walk import walk

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads(config_schema())
VALIDATOR = Draft202012Validator(SCHEMA)
FILES = sorted((ROOT / "configs").glob("*.toml"))
EXAMPLES = [
    pytest.param(text, id=f"{path.name}-{number}")
    for path in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    for number, text in enumerate(re.findall(r"```toml\n(.*?)```", path.read_text(), re.DOTALL))
    if "[[listeners]]" in text and "network" in text  # whole files, not pieces of one
]

# What a schema can say; all other words of the walker are on what text means.
BY_TYPE = re.compile(
    r"must be (text in quotes|true or false|a whole number|a number|a section|a list|at least|"
    r"above|at most)|is missing|unknown setting|needs at least one|must be \"\w+\"(,| or)"
)


def plain(value: Any) -> Any:
    """TOML's values as JSON has them."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value if isinstance(value, str | int | float) else value.isoformat()


def refused(table: dict[str, Any]) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(plain(table))]


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_the_published_one_is_up_to_date() -> None:
    published = (ROOT / "docs" / "poolserver.schema.json").read_text()
    assert published == config_schema() + "\n", (
        "write it anew: python -m poolserver.config --schema > docs/poolserver.schema.json"
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_example_passes_it(path: Path) -> None:
    assert refused(tomllib.loads(path.read_text())) == []


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_of_the_documents_passes_it(text: str) -> None:
    assert refused(tomllib.loads(text)) == []


def test_every_setting_has_its_description_and_every_section_is_closed() -> None:
    def look(node: dict[str, Any], path: str) -> None:
        if node.get("type") == "object":
            assert node["additionalProperties"] is False, path
            for name, each in node["properties"].items():
                inner = each.get("items", {}).get("type") == "object"
                assert inner or each["description"], f"{path}.{name}"
                look(each, f"{path}.{name}")
        if "items" in node:
            look(node["items"], path)

    look(SCHEMA, "")


def test_defaults_pass_their_own_schema() -> None:
    def look(node: dict[str, Any], path: str) -> None:
        if "default" in node:
            assert list(Draft202012Validator(node).iter_errors(node["default"])) == [], path
        for name, each in node.get("properties", {}).items():
            look(each, f"{path}.{name}")
        if "items" in node:
            look(node["items"], path)

    look(SCHEMA, "")


GOOD = tomllib.loads((ROOT / "configs" / "programme-2000mw.toml").read_text())
ODD = st.one_of(
    st.integers(-(2**64), 2**64),
    # A whole one is an integer to JSON.
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: number % 1 != 0),
    st.booleans(),
    st.text(max_size=5),
    st.sampled_from(["", "solo", "main", "127.0.0.1:3333", "a.b", "tcp://h:1", "ab" * 32]),
    st.just([]),
    st.just({}),
    st.lists(st.one_of(st.integers(0, 3), st.text(max_size=3)), min_size=1, max_size=2),
)


def places(node: dict[str, Any], path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every setting there could be, by the first item of each list."""
    found = [path] if path else []
    for name, each in node.get("properties", {}).items():
        found += places(each, (*path, name))
    if "properties" in node.get("items", {}):
        found += places(node["items"], (*path, 0))
    return found


PLACES = places(SCHEMA)


def put(table: Any, path: tuple[Any, ...], value: Any) -> None:
    """Set it, with empty sections on the way where there are none."""
    for key, following in pairwise(path):
        empty: Any = [] if following == 0 else {}
        if isinstance(table, list):
            if not table:
                table.append(empty)
            table = table[0]
        else:
            table = table.setdefault(key, empty)
    if isinstance(table, list):
        table[:] = [value, *table[1:]]
    else:
        table[path[-1]] = value


@given(st.lists(st.tuples(st.sampled_from(PLACES), ODD), min_size=1, max_size=3), st.data())
def test_the_walker_and_the_schema_refuse_the_same_types(
    changes: list[tuple[tuple[Any, ...], Any]], data: st.DataObject
) -> None:
    table = deepcopy(GOOD)
    for path, value in changes:
        if path[-1] == 0:
            continue
        try:
            put(table, path, value)
        except (TypeError, AttributeError):
            continue  # an earlier change has made it no section
    if data.draw(st.booleans()):
        table.pop(data.draw(st.sampled_from(sorted(table))))
    if data.draw(st.booleans()):
        table[data.draw(st.text(min_size=1, max_size=4))] = 1
    problems: list[Problem] = []
    walk(Config, decimals(table), problems)
    if not problems:
        assert refused(table) == []
    elif any(BY_TYPE.search(problem.text) for problem in problems):
        assert refused(table), problems


def decimals(value: Any) -> Any:
    """As the TOML parser gives them."""
    if isinstance(value, dict):
        return {key: decimals(each) for key, each in value.items()}
    if isinstance(value, list):
        return [decimals(each) for each in value]
    return Decimal(repr(value)) if isinstance(value, float) else value
