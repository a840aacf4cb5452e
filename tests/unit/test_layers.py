"""Imports go one way. See docs/architecture.md."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import poolserver

PACKAGE = Path(poolserver.__file__).parent

# Each place may import those of the rows above it, and of its own row if it is the same place.
FLOORS = [
    {"poolserver", "histogram", "collector", "process_watch"},
    {"_native", "_vendor.asyncio_stratum"},
    {"bitcoin"},
    {"mining", "log", "log_event", "event_loop"},
    {"ledger.records", "ledger.payout_records", "power", "config"},
    {"ledger"},
    {"stats"},
    {"pool", "judge"},
    {"node", "cluster", "sim", "power.signals"},
    {"server"},
    {"handover"},
    {"crew", "paymaster", "control_room", "sites"},
    {"coordinator"},
    {"lookout"},
    {"metrics", "api"},
    {"outfit", "node_outfit", "signal_outfit", "lookout_outfit", "api_outfit"},
    {"app", "process"},
    {"demo", "sim.programme"},
    {"commands"},
    {"cli"},
    {"__main__", "commands.__main__"},
]


def floor_of(module: str) -> int:
    """The floor of the longest name in FLOORS that ``module`` is or lies in."""
    inside = module.removeprefix("poolserver.")
    found = [
        (len(place), number)
        for number, places in enumerate(FLOORS)
        for place in places
        if inside == place or inside.startswith(place + ".")
    ]
    assert found, f"{module} has no floor: give it one, here and in docs/architecture.md"
    return max(found)[1]


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if "tests" in parts:
            continue
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=str)
def test_imports_go_one_way(module: str, path: Path) -> None:
    own = floor_of(module) if module != "poolserver._vendor" else 1
    for imported in imports_of(path):
        if imported.split(".")[0] == "poolserver":
            assert floor_of(imported) <= own, f"{module} imports {imported} from above"


def test_the_stratum_library_imports_nothing_of_ours() -> None:
    for module, path in modules():
        if module.startswith("poolserver._vendor.asyncio_stratum"):
            assert not [name for name in imports_of(path) if name.startswith("poolserver")], module
