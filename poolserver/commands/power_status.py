"""``poolserver power status``: the tree of a running pool, asked of its HTTP server."""

import time
from collections.abc import Iterator
from contextlib import suppress

import click
from rich.live import Live
from rich.table import Table
from rich.text import Text

from poolserver.commands.client import AskError, Pool, asks_pool
from poolserver.commands.common import console, echo_json, json_option
from poolserver.commands.fitting import fitting_table
from poolserver.commands.sites import whose_text
from poolserver.commands.texts import clean, figure_text, hashrate_text, time_text, watts_text
from poolserver.control_room.view import NodeView, PowerView

WATCH_INTERVAL_S = 2.0
WIDE = 200
"""Columns of a terminal that has room for everything."""
# What a limit's colour is: beyond it, and within a fiftieth of it.
NEAR = 0.02

_COLUMNS = (
    *("node", "draws", "limit", "headroom", "AI", "residual", "rigs", "binds", "hashrate", "by"),
)
"""The most wanted first: a terminal that is too narrow for all lacks the last ones."""
_TEXTS = frozenset({"node", "by", "binds"})


@click.command()
@asks_pool
@click.option("--under", default="/", show_default=True, help="The node to begin at, by its path.")
@click.option("--depth", type=click.IntRange(min=0), help="So many levels below it.")
@click.option("--watch", is_flag=True, help="Show it anew every two seconds, until Ctrl-C.")
@json_option()
def status(pool: Pool, under: str, depth: int | None, watch: bool, as_json: bool) -> None:
    """Tell what each node of the running pool's tree draws and may draw, and what binds."""
    if watch:
        with suppress(KeyboardInterrupt):
            _watch(pool, under, depth)
        return
    view = pool.get("power", PowerView)
    if as_json:
        echo_json(view)
        return
    out = console()
    out.print(status_table(view, under, depth, width=out.width))
    for sentence in view.intended:
        out.print(Text(clean(sentence)))


def _watch(pool: Pool, under: str, depth: int | None) -> None:
    out = console()
    with Live(console=out, auto_refresh=False, screen=out.is_terminal) as live:
        while True:
            view = pool.get("power", PowerView)
            live.update(status_table(view, under, depth, width=out.width), refresh=True)
            time.sleep(WATCH_INTERVAL_S)


def status_table(
    view: PowerView, under: str = "/", depth: int | None = None, *, width: int = WIDE
) -> Table:
    """For people: a row for each node at ``under`` and below it, in ``width`` columns.

    Raises:
        AskError: there is no such node.
    """
    rows = list(_chosen(view.nodes, under, depth))
    if not rows:
        raise AskError(f"there is no node {under}")
    limits = "over a limit" if view.state == "over" else "within all limits"
    title = f"power at {time_text(view.at)} UTC, {view.mode}: {limits}"
    cells = [list(_cells(node, node.depth - rows[0].depth)) for node in rows]
    return fitting_table(_COLUMNS, cells, width, texts=_TEXTS, title=title)


def _chosen(nodes: tuple[NodeView, ...], under: str, depth: int | None) -> Iterator[NodeView]:
    top: NodeView | None = None
    for node in nodes:
        if node.path == under:
            top = node
        elif top is not None and node.depth <= top.depth:
            return
        if top is not None and (depth is None or node.depth - top.depth <= depth):
            yield node


def _cells(node: NodeView, indent: int) -> Iterator[str | Text]:
    """In the order of _COLUMNS."""
    # Names of racks are made up by whoever connects: they are no markup of ours.
    yield Text(f"{' ' * indent}{clean(node.name)}")
    yield figure_text(node.total_w)
    yield "" if node.limit_w is None else watts_text(node.limit_w)
    yield _headroom(node)
    yield _ai(node)
    yield "" if node.residual_w is None else figure_text(node.residual_w)
    yield f"{node.rigs}" + (f", {node.silent} silent" if node.silent else "")
    yield Text(clean("; ".join(_binds(node))))
    yield hashrate_text(node.hashrate_h_s.value)
    yield _by(node)


def _binds(node: NodeView) -> Iterator[str]:
    for binding in node.limits[:1]:
        yield whose_text(binding)
    for binding in node.mining_limits[:1]:
        yield f"mining {watts_text(binding.limit_w)} {whose_text(binding)}"


def _by(node: NodeView) -> str:
    if node.meter is None or node.meter.quality == "good":
        return node.method
    return f"{node.method}, meter {node.meter.quality}"


def _headroom(node: NodeView) -> Text:
    if node.limit_w is None or node.headroom_w is None:
        return Text("")
    style = "red" if node.headroom_w < 0 else "green"
    if 0 <= node.headroom_w < NEAR * node.limit_w:
        style = "yellow"
    return Text(watts_text(node.headroom_w), style=style)


def _ai(node: NodeView) -> str:
    if not node.ai_w and node.ai_known:
        return ""
    return watts_text(node.ai_w) + ("" if node.ai_known else " assumed")
