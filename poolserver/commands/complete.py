"""Names that a shell completes: a running pool is asked, shortly; its silence is no trouble."""

import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

if TYPE_CHECKING:
    from poolserver.commands.client import Pool

ASKED_FOR_S = 0.3
"""Whoever presses a key waits no longer than that."""
MOST = 100

Completer = Callable[[click.Context, click.Parameter, str], list[str]]


class _Site(msgspec.Struct):
    name: str


class _Node(msgspec.Struct):
    path: str


class _Tree(msgspec.Struct):
    nodes: list[_Node]


class _Rig(msgspec.Struct):
    worker: str


class _Rigs(msgspec.Struct):
    items: list[_Rig]


def _completer(names: "Callable[[Pool, str], Iterable[str]]") -> Completer:
    def complete(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
        with suppress(Exception, SystemExit):  # a name that is not completed is typed
            from poolserver.commands.client import find_pool

            path, url = context.params.get("path"), context.params.get("url")
            pool = find_pool(path if isinstance(path, Path) else None, url, None, ASKED_FOR_S)
            found = (name for name in names(pool, begun) if name.isprintable())
            return [_quoted(name) for name in found if name.startswith(begun)][:MOST]
        return []

    return complete


def _quoted(name: str) -> str:
    """As the shell wants it: bash takes what it is given as it is, others quote it themselves."""
    if not os.environ.get("_POOLSERVER_COMPLETE", "").startswith("bash"):
        return name
    return re.sub(r"([^\w./@%+:-])", r"\\\1", name)


SITES = _completer(lambda pool, _: [each.name for each in pool.get("sites", list[_Site])])
NODES = _completer(lambda pool, _: [each.path for each in pool.get("power", _Tree).nodes])
WORKERS = _completer(
    lambda pool, begun: [
        each.worker for each in pool.get("rigs", _Rigs, q=begun or None, limit=MOST).items
    ]
)
