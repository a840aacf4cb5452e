"""Imports go one way. See docs/architecture.md."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import poolserver

PACKAGE = Path(poolserver.__file__).parent

# Each place may import those of the rows above it, and of its own row if it is the same place.
FLOORS = [
    {"poolserver"},
    {"_native", "_vendor.asyncio_stratum"},
    {"histogram"},
    {"collector", "process_watch"},
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

MAPPED_FROM = 10
"""A package of more modules has a map of them in its docstring, in an order to read them in."""
# Each module is named after its command, or after what its metrics are about.
SAID_BY_THEIR_NAMES = {"commands", "metrics"}


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


def packages() -> Iterator[Path]:
    """All folders of modules, but for libraries, data and the steps of the schema."""
    for path in sorted(PACKAGE.rglob("__init__.py")):
        inside = path.parent.relative_to(PACKAGE).parts
        if inside and not {"_vendor", "data", "migrations"} & set(inside):
            yield path.parent


def mapped(text: str) -> set[str]:
    """The modules in the map of a docstring: names at a line's begin, and two spaces behind them
    or a line that is set in."""
    found = re.findall(r"^(\w+(?:, \w+)*)(?=  +\S|\n  +\S)", text, re.MULTILINE)
    return {name for names in found for name in names.split(", ")}


@pytest.mark.parametrize("package", list(packages()), ids=lambda path: path.name)
def test_a_package_says_what_it_is_for_and_where_to_find_what(package: Path) -> None:
    modules = {path.stem for path in package.glob("*.py")} - {"__init__", "__main__"}
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text()))
    assert text, f"{package.name} does not say what it is for"
    assert mapped(text) <= modules, "modules that there are no more"
    if len(modules) > MAPPED_FROM and package.name not in SAID_BY_THEIR_NAMES:
        missing = sorted(modules - mapped(text))
        assert not missing, f"the docstring of {package.name} says nothing of {missing}"


def architecture() -> str:
    return (PACKAGE.parent / "docs" / "architecture.md").read_text()


def test_architecture_has_every_place_of_the_tree() -> None:
    table = architecture().split("| place |")[1].split("\n\n")[0]
    named = {name for name in re.findall(r"`([\w/.]+)`", table) if name.endswith(("/", ".py"))}
    there = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py", "__main__.py"}
    there |= {f"{path.relative_to(PACKAGE)}/" for path in packages()}
    assert sorted(there - named) == []
    assert [name for name in named if not (PACKAGE / name).exists()] == []


def test_architecture_has_the_floors_in_their_order() -> None:
    line = architecture().split("## Who may import whom")[1].split("```")[1]
    steps = [re.findall(r"\w+", step) for step in line.split("◄")]
    floors = [{floor_of(place) for place in step} for step in steps]
    assert all(max(below) < min(above) for below, above in pairwise(floors))


def test_no_test_imports_another() -> None:
    """What two files of tests need has a module of its own, and a name that says what it is."""
    tests = PACKAGE.parent / "tests"
    found = [
        f"{path.relative_to(tests)} imports {imported}"
        for path in sorted(tests.rglob("*.py"))
        for imported in imports_of(path)
        if re.search(r"^tests\..*\btest_\w+$", imported)
    ]
    assert found == []
