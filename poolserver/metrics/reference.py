"""The reference of all metrics, for docs/metrics.md: made of their declarations."""

from collections.abc import Iterator
from types import ModuleType

from poolserver.metrics import (
    audit,
    blocks,
    books,
    crew,
    http,
    nodes,
    pool,
    power,
    process,
    reloads,
    rigs,
    signals,
    statistics,
    timings,
    workers,
)
from poolserver.metrics.families import Family

SECTIONS: tuple[tuple[str, ModuleType], ...] = (
    ("The pool and its sites", pool),
    ("Hashrate", statistics),
    ("Single workers and accounts", workers),
    ("Power", power),
    ("Meters and signals", signals),
    ("Blocks", blocks),
    ("Rigs", rigs),
    ("How long it takes", timings),
    ("Nodes", nodes),
    ("Journal and books", books),
    ("Signed days", audit),
    ("Worker processes", crew),
    ("Processes and disk", process),
    ("Configuration", reloads),
    ("HTTP", http),
)

WORDS = "a few words of the program"
LABELS = {
    "account": ("an account, of those that are asked for", "`metrics.top`, or 100,000"),
    "about": (WORDS, "5"),
    "day": ("the last signed day", "1"),
    "endpoint": ("a method and a path of the API, or `none`", "60"),
    "generation": ("`0`, `1`, `2`", "3"),
    "head": ("a hash in hex", "1"),
    "kind": (WORDS, "10"),
    "meter": ("a meter of the config", "as many as there are"),
    "method": ("an RPC of Bitcoin Core's that the pool calls", "20"),
    "network": ("the pool's", "1"),
    "node": (
        "a Bitcoin node of the config by its name, or a node of the power tree that is in the "
        "config by its path; what only rigs' names speak of has no series",
        "as many as there are",
    ),
    "outcome": (WORDS, "10"),
    "process": (
        "`coordinator`, or the number of a worker process; a pool in one process is its own "
        "worker `0` in what is told of workers, and `coordinator` in what is told of processes",
        "`workers` + 1",
    ),
    "quality": (WORDS, "10"),
    "reason": (WORDS, "20"),
    "result": (WORDS, "5"),
    "scope": ("`ever`, `round`", "2"),
    "sha256": ("a hash in hex", "1"),
    "site": ("a site of the config, or `unassigned`", "sites + 1"),
    "source": ("who sets the limit that binds", "one at a time for each power node"),
    "state": (WORDS, "10"),
    "status": ("a status of HTTP", "15"),
    "version": ("the pool's", "1"),
    "worker": ("a worker's whole name, of those that are asked for", "`metrics.top`, or 100,000"),
    "window": ("`1m` to `7d`", "7"),
}
"""What each label may be, and of how many values at most."""


def declared() -> dict[str, Family]:
    """All families by their names, in the order of the reference.

    Raises:
        ValueError: one name is declared twice.
    """
    found: dict[str, Family] = {}
    for _, module in SECTIONS:
        for family in _of(module):
            if family.name in found:
                raise ValueError(f"{family.name} is declared twice")
            found[family.name] = family
    return found


def metrics_reference() -> str:
    """Markdown: a heading and a table for each section, and one of all labels."""
    return "\n".join(_lines()).rstrip()


def _of(module: ModuleType) -> Iterator[Family]:
    yield from (each for each in vars(module).values() if isinstance(each, Family))


def _lines() -> Iterator[str]:
    for title, module in SECTIONS:
        yield f"### {title}\n"
        yield "| metric | type | labels | meaning |"
        yield "| --- | --- | --- | --- |"
        yield from map(_row, _of(module))
        yield ""
    yield "### Labels\n"
    yield "| label | what it may be | values at most |"
    yield "| --- | --- | --- |"
    yield from (f"| `{label}` | {what} | {most} |" for label, (what, most) in LABELS.items())


def _row(family: Family) -> str:
    labels = ", ".join(f"`{label}`" for label in family.labels)
    meaning = (family.meaning or family.help).rstrip(".")
    if family.left_out:
        meaning += f". Left out {family.left_out}"
    return f"| `{family.name}` | {family.kind} | {labels} | {meaning} |".replace("|  |", "| |")
