"""What the notes for those who come from another pool say of our settings is so."""

import re
from pathlib import Path
from typing import Any

import pytest

from poolserver.config import Config, load_config
from poolserver.config.schema import schema_of

NOTES = Path(__file__).parents[2] / "docs/migration"
ROW = re.compile(r"^\| `[^|]+` \| ([^|]+) \|", re.MULTILINE)
EXAMPLE = re.compile(r"```toml\n(.*?)```", re.DOTALL)


def settings_of(schema: dict[str, Any], root: dict[str, Any], above: str = "") -> set[str]:
    """All settings by their dotted names; those of a list of tables as those of a table."""
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    names = set()
    for name, inner in schema.get("properties", {}).items():
        names.add(above + name)
        names |= settings_of(inner.get("items", inner), root, f"{above}{name}.")
    return names


@pytest.mark.parametrize("note", sorted(NOTES.glob("*.md")), ids=lambda note: note.name)
def test_every_setting_that_a_table_names_is_there(note: Path) -> None:
    schema = schema_of(Config)
    known = settings_of(schema, schema)
    assert "listeners.start_difficulty" in known
    cells = ROW.findall(note.read_text())
    named = {name for cell in cells for name in re.findall(r"`([a-z_0-9.]+)`", cell)}
    assert len(named) >= 10
    assert named - known == set()
    assert all(cell == "-" or "`" in cell for cell in cells)  # each key: what it is, or nothing


def test_the_example_for_those_from_ckpool_is_good(tmp_path: Path) -> None:
    (text,) = EXAMPLE.findall((NOTES / "ckpool.md").read_text())
    address = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"  # BIP173's first test vector
    (tmp_path / "pool.toml").write_text(text.replace("bc1q...", address))
    assert isinstance(load_config(tmp_path / "pool.toml"), Config)
