"""A configuration that is written is read back as just what was to be written."""

import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from poolserver.config import Config, parse_config
from poolserver.config.writing import COMMON, toml, write_config

ADDRESS = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"  # BIP173's first test vector
LEAST: dict[str, Any] = {
    "network": "main",
    "payout": {"address": ADDRESS},
    "nodes": [{"url": "http://127.0.0.1:8332", "cookie_file": "/node/.cookie"}],
    "listeners": [{"address": "0.0.0.0:3333"}],
    "sites": [{"name": "Hall", "accounts": ["hall"], "budget_mw": 1}],
}

words = st.text(min_size=1, max_size=20).filter(str.isprintable)
values = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(codec="utf-8")),
    ),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=6,
)


def parsed(text: str) -> Config:
    return parse_config(text, source="pool.toml", folder=Path("/"), environ={})


@given(values)
def test_any_value_is_read_back_as_it_was(value: Any) -> None:
    assert tomllib.loads(f"value = {toml(value)}") == {"value": value}


@given(
    st.lists(
        st.tuples(words, words, st.decimals(0, 10**6, places=6)),
        max_size=4,
        unique_by=lambda site: site[0],
    )
)
def test_what_is_written_is_read_back_and_nothing_else(
    sites: list[tuple[str, str, Decimal]],
) -> None:
    tree = LEAST | {
        "sites": [{"name": a, "accounts": [b], "budget_mw": mw} for a, b, mw in sites],
    }
    read = tomllib.loads(write_config(tree, "x"), parse_float=Decimal)
    # A section that has only comments in it is empty.
    assert {name: each for name, each in read.items() if each} == {
        name: each for name, each in tree.items() if each
    }


def test_every_comment_that_is_a_setting_can_be_taken() -> None:
    text = write_config(LEAST, "x")
    lines = re.findall(r"^#(\w+) = ", text, re.MULTILINE)
    assert sorted(lines) == sorted(name.rpartition(".")[2] for name in COMMON)
    taken = parsed(re.sub(r"^#(\w+ = )", r"\1", text, flags=re.MULTILINE))
    left = parsed(text)
    assert taken.nodes[0].zmq_hashblock == "tcp://127.0.0.1:28332"
    assert (taken.sites, taken.log, taken.http, taken.auth) == (
        left.sites,
        left.log,
        left.http,
        left.auth,
    )
    assert taken.listeners == left.listeners


def test_each_setting_has_its_meaning_above_it() -> None:
    text = write_config(LEAST, "Of a test.")
    assert text.startswith("# Of a test.\n\n")
    assert "# The power that the site may draw, in MW.\nbudget_mw = 1\n" in text
    assert max(map(len, text.splitlines())) <= 100
