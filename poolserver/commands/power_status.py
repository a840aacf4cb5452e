"""``poolserver power status``: the tree of a running pool, asked of its HTTP server."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import click
import msgspec
from rich import box
from rich.console import Console, JustifyMethod
from rich.live import Live
from rich.table import Table
from rich.text import Text

from poolserver.commands.common import config_option, fail, load, run_async
from poolserver.config import Config, Endpoint
from poolserver.control_room.view import Figure, NodeView, PowerView

ANSWER_TIMEOUT_S = 5.0
WATCH_INTERVAL_S = 2.0
# Of the last column, which is wrapped where the terminal is narrow.
MIN_BINDS = 12
# What a limit's colour is: beyond it, and within a fiftieth of it.
NEAR = 0.02

_UNITS = ((1e9, "GW"), (1e6, "MW"), (1e3, "kW"))
_HASH_UNITS = ((1e18, "EH/s"), (1e15, "PH/s"), (1e12, "TH/s"), (1e9, "GH/s"))


_COLUMNS = (
    "node",
    "draws",
    "by",
    "limit",
    "headroom",
    "AI",
    "residual",
    "hashrate",
    "rigs",
    "binds",
)
_TEXTS = frozenset({"node", "by", "binds"})


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
    base = url or _base_url(load(path))
    try:
        if watch:
            run_async(_watch(base, under, depth))
        else:
            view = run_async(read_view(base))
            if as_json:
                click.echo(msgspec.json.format(msgspec.json.encode(view), indent=2).decode())
            else:
                Console().print(status_table(view, under, depth))
                for sentence in view.intended:
                    click.echo(sentence)
    except StatusError as error:
        fail(str(error))
    except KeyboardInterrupt:
        pass


def _base_url(config: Config) -> str:
    """Of the pool's own HTTP server, as it is reached from this machine."""
    host, port = config.http.address
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{Endpoint(here, port)}"


async def read_view(base_url: str) -> PowerView:
    """What the pool tells.

    Raises:
        StatusError: it does not answer, or not so.
    """
    timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
    url = f"{base_url.rstrip('/')}/api/v1/power"
    try:
        async with (
            aiohttp.ClientSession(trust_env=False, timeout=timeout) as session,
            session.get(url) as reply,
        ):
            body = await reply.read()
            if reply.status != 200:
                raise StatusError(f"{url} answers {reply.status} {reply.reason}")
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        reason = str(error) or "no answer in time"
        raise StatusError(f"no pool answers at {url}: is it running? ({reason})") from error
    try:
        return msgspec.json.decode(body, type=PowerView)
    except msgspec.DecodeError as error:
        raise StatusError(f"{url} gives something else: {error}") from error


async def _watch(base_url: str, under: str, depth: int | None) -> None:
    console = Console()
    with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
        while True:
            live.update(status_table(await read_view(base_url), under, depth), refresh=True)
            await asyncio.sleep(WATCH_INTERVAL_S)


def status_table(view: PowerView, under: str = "/", depth: int | None = None) -> Table:
    """For people: a row for each node at ``under`` and below it."""
    rows = list(_chosen(view.nodes, under, depth))
    if not rows:
        raise StatusError(f"there is no node {under}")
    at = datetime.fromtimestamp(view.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    limits = "over a limit" if view.state == "over" else "within all limits"
    title = f"power at {at} UTC, {view.mode}: {limits}"
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    cells = [list(_cells(node, node.depth - rows[0].depth)) for node in rows]
    # A column that nobody has anything in only takes room.
    shown = [index for index in range(len(_COLUMNS)) if any(str(row[index]) for row in cells)]
    for index in shown:
        name = _COLUMNS[index]
        is_text = name in _TEXTS
        width = MIN_BINDS if name == "binds" else None
        justify: JustifyMethod = "left" if is_text else "right"
        table.add_column(name, justify=justify, no_wrap=width is None, min_width=width)
    for row in cells:
        table.add_row(*(row[index] for index in shown))
    return table


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
    # Names of racks are made up by whoever connects: they are no markup of ours.
    yield Text(f"{' ' * indent}{node.name}")
    yield _watts(node.total_w)
    yield node.method if node.meter is None else f"{node.method} ({node.meter.quality})"
    yield "" if node.limit_w is None else watts_text(node.limit_w)
    yield _headroom(node)
    yield _ai(node)
    yield "" if node.residual_w is None else _watts(node.residual_w)
    yield hashrate_text(node.hashrate_h_s.value)
    yield f"{node.rigs}" + (f", {node.silent} silent" if node.silent else "")
    yield Text("; ".join(_binds(node)))


def _binds(node: NodeView) -> Iterator[str]:
    for binding in node.limits[:1]:
        yield f"{binding.source} {binding.reason}".strip()
    for binding in node.mining_limits[:1]:
        whose = f"{binding.source} {binding.reason}".strip()
        yield f"mining {watts_text(binding.limit_w)} {whose}"


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


def _watts(figure: Figure) -> str:
    size, unit = _unit(figure.value, _UNITS, "W")
    digits = 0 if unit == "W" else _digits(figure.value / size)
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
