"""``poolserver power status``: the tree of a running pool, asked of its HTTP server."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import aiohttp
import click
import msgspec
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from poolserver.api.problem import PROBLEM_JSON, Problem
from poolserver.commands.common import config_option, fail, load, run_async
from poolserver.commands.fitting import fitting_table
from poolserver.config import Config, Endpoint
from poolserver.control_room.view import Figure, NodeView, PowerView

ANSWER_TIMEOUT_S = 5.0
WATCH_INTERVAL_S = 2.0
WIDE = 200
"""Columns of a terminal that has room for everything."""
# What a limit's colour is: beyond it, and within a fiftieth of it.
NEAR = 0.02

_UNITS = ((1e9, "GW"), (1e6, "MW"), (1e3, "kW"))
_HASH_UNITS = ((1e18, "EH/s"), (1e15, "PH/s"), (1e12, "TH/s"), (1e9, "GH/s"))


_COLUMNS = (
    *("node", "draws", "limit", "headroom", "AI", "residual", "rigs", "binds", "hashrate", "by"),
)
"""The most wanted first: a terminal that is too narrow for all lacks the last ones."""
_TEXTS = frozenset({"node", "by", "binds"})


T = TypeVar("T")
NO_PARAMETERS: Mapping[str, str] = {}


class StatusError(Exception):
    """The pool does not tell; the text says why, for people."""


@click.command()
@config_option
@click.option("--url", help="Of the pool's HTTP server; otherwise as the configuration has it.")
@click.option("--under", default="/", show_default=True, help="The node to begin at, by its path.")
@click.option("--depth", type=click.IntRange(min=0), help="So many levels below it.")
@click.option("--watch", is_flag=True, help="Show it anew every two seconds, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(
    path: Path, url: str | None, under: str, depth: int | None, watch: bool, as_json: bool
) -> None:
    """Tell what each node of the running pool's tree draws and may draw, and what binds."""
    base = url or base_url(load(path))
    try:
        if watch:
            run_async(_watch(base, under, depth))
        else:
            view = run_async(read_view(base))
            if as_json:
                click.echo(msgspec.json.format(msgspec.json.encode(view), indent=2).decode())
            else:
                console = Console()
                console.print(status_table(view, under, depth, width=console.width))
                for sentence in view.intended:
                    click.echo(sentence)
    except StatusError as error:
        fail(str(error))
    except KeyboardInterrupt:
        pass


def base_url(config: Config) -> str:
    """Of the pool's own HTTP server, as it is reached from this machine."""
    host, port = config.http.address
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{Endpoint(here, port)}"


async def read_view(url: str) -> PowerView:
    """What the pool at ``url`` tells of its tree.

    Raises:
        StatusError: it does not answer, or not so.
    """
    return await asked(url, "power", PowerView)


async def asked(
    url: str, what: str, kind: type[T], parameters: Mapping[str, str] = NO_PARAMETERS
) -> T:
    """What the pool at ``url`` answers to a call of its API.

    Raises:
        StatusError: it does not answer, or something else.
    """
    timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
    call = f"{url.rstrip('/')}/api/v1/{what}"
    try:
        async with (
            aiohttp.ClientSession(trust_env=False, timeout=timeout) as session,
            session.get(call, params=parameters) as reply,
        ):
            body = await reply.read()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        reason = str(error) or "no answer in time"
        raise StatusError(f"no pool answers at {call}: is it running? ({reason})") from error
    if reply.content_type == PROBLEM_JSON:
        problem = msgspec.json.decode(body, type=Problem)
        raise StatusError(f"{problem.title}: {problem.detail}")
    if reply.status != 200:
        raise StatusError(f"{call} answers {reply.status} {reply.reason}")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise StatusError(f"{call} gives something else: {error}") from error


async def _watch(base_url: str, under: str, depth: int | None) -> None:
    console = Console()
    with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
        while True:
            view = await read_view(base_url)
            live.update(status_table(view, under, depth, width=console.width), refresh=True)
            await asyncio.sleep(WATCH_INTERVAL_S)


def status_table(
    view: PowerView, under: str = "/", depth: int | None = None, *, width: int = WIDE
) -> Table:
    """For people: a row for each node at ``under`` and below it, in ``width`` columns.

    Raises:
        StatusError: there is no such node.
    """
    rows = list(_chosen(view.nodes, under, depth))
    if not rows:
        raise StatusError(f"there is no node {under}")
    at = datetime.fromtimestamp(view.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    limits = "over a limit" if view.state == "over" else "within all limits"
    title = f"power at {at} UTC, {view.mode}: {limits}"
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
    yield Text(f"{' ' * indent}{node.name}")
    yield figure_text(node.total_w)
    yield "" if node.limit_w is None else watts_text(node.limit_w)
    yield _headroom(node)
    yield _ai(node)
    yield "" if node.residual_w is None else figure_text(node.residual_w)
    yield f"{node.rigs}" + (f", {node.silent} silent" if node.silent else "")
    yield Text("; ".join(_binds(node)))
    yield hashrate_text(node.hashrate_h_s.value)
    yield _by(node)


def _binds(node: NodeView) -> Iterator[str]:
    for binding in node.limits[:1]:
        yield f"{binding.source} {binding.reason}".strip()
    for binding in node.mining_limits[:1]:
        whose = f"{binding.source} {binding.reason}".strip()
        yield f"mining {watts_text(binding.limit_w)} {whose}"


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


def figure_text(figure: Figure) -> str:
    """Watts with their error, as people read them."""
    largest = max(abs(figure.value), figure.sigma)
    size, unit = _unit(largest, _UNITS, "W")
    digits = 0 if unit == "W" else _digits(largest / size)
    return f"{figure.value / size:.{digits}f} ±{figure.sigma / size:.{digits}f} {unit}"


def watts_text(power_w: float) -> str:
    """As people read it.

    >>> watts_text(1320e6), watts_text(-1500), watts_text(12)
    ('1.32 GW', '-1.50 kW', '12 W')
    """
    size, unit = _unit(power_w, _UNITS, "W")
    digits = 0 if unit == "W" else _digits(power_w / size)
    return f"{power_w / size:.{digits}f} {unit}"


def _digits(value: float) -> int:
    """After the point: three in all, or more before it."""
    return 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2


def hashrate_text(hashrate_h_s: float) -> str:
    """As people read it.

    >>> hashrate_text(1.234e15), hashrate_text(0)
    ('1.23 PH/s', '0 H/s')
    """
    if not hashrate_h_s:
        return "0 H/s"
    size, unit = _unit(hashrate_h_s, _HASH_UNITS, "H/s")
    return f"{hashrate_h_s / size:.3g} {unit}"


def _unit(value: float, units: tuple[tuple[float, str], ...], plain: str) -> tuple[float, str]:
    return next(((size, unit) for size, unit in units if abs(value) >= size), (1.0, plain))
