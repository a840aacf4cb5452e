"""Every setting is documented, in the words of its definition; every example is good."""

from pathlib import Path

import msgspec
import pytest
from msgspec import inspect

from poolserver.config import Config, load_config, settings_reference
from poolserver.config.rigs import WORKED_OUT
from poolserver.config.walk import unwrap

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "configs").glob("*.toml"))


def settings(node: inspect.Type, path: str = "") -> list[str]:
    """The names of all settings under a section; a section's own is its whole path."""
    bare, _ = unwrap(node)
    if isinstance(bare, inspect.VarTupleType):
        return settings(bare.item_type, path)
    if not isinstance(bare, inspect.StructType):
        return []
    names = []
    for field in bare.fields:
        below = settings(field.type, f"{path}{field.name}.")
        names += [f"{path}{field.name}" if below else field.name, *below]
    return names


def test_every_setting_is_in_the_reference() -> None:
    reference = settings_reference()
    names = settings(inspect.type_info(Config))
    assert len(names) > 40
    missing = [name for name in names if not {f"`{name}`", f"`[{name}]`"} & set(words(reference))]
    assert missing == []


def words(reference: str) -> list[str]:
    return reference.replace("`[[", "`[").replace("]]`", "]`").split()


def test_the_documentation_holds_the_reference() -> None:
    documentation = (ROOT / "docs" / "configuration.md").read_text()
    assert settings_reference() in documentation, "write it anew: python -m poolserver.config"


def test_the_reference_says_how_a_default_is_written() -> None:
    rows = {line.split(" | ")[0]: line.split(" | ")[2] for line in table_rows()}
    assert rows["| `pue`"] == "`1.05`"
    assert rows["| `network`"] == "required"
    assert rows["| `trusted`"] == "`false`"
    assert rows["| `data_dir`"] == '`"var"`'
    assert rows["| `version_mask`"] == '`"1fffe000"`'
    assert str(WORKED_OUT) not in settings_reference()


def test_the_reference_is_well_formed_tables() -> None:
    assert {line.count(" | ") for line in table_rows()} == {3}


def table_rows() -> list[str]:
    return [line for line in settings_reference().splitlines() if line.startswith("| `")]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_a_good_configuration(path: Path) -> None:
    assert isinstance(load_config(path, environ={}), Config)


def test_there_are_examples() -> None:
    assert {"poolserver.toml", "regtest.toml", "demo.toml"} <= {path.name for path in EXAMPLES}


def test_the_example_in_the_documentation_is_good(tmp_path: Path) -> None:
    documentation = (ROOT / "docs" / "configuration.md").read_text()
    (example,) = documentation.split("```toml\n")[1:]
    (tmp_path / "pool.toml").write_text(example.split("```")[0])
    assert isinstance(load_config(tmp_path / "pool.toml"), Config)


def test_the_demonstration_pays_to_a_key_that_nobody_has() -> None:
    config = load_config(ROOT / "configs" / "demo.toml")
    # BIP341, "Constructing and spending Taproot outputs": the point H.
    point_h = "50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0"
    assert config.payout_plan.operator.hex() == f"5120{point_h}"
    assert config.sites[0].budget_w == 200_000
    assert config.uses_work_scale


def test_a_configuration_cannot_be_changed() -> None:
    config = load_config(ROOT / "configs" / "regtest.toml")
    with pytest.raises(AttributeError):
        config.network = "main"  # type: ignore[misc]
    assert msgspec.structs.replace(config, network="main").network == "main"
