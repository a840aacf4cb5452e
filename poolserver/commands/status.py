"""``poolserver status``: a running pool on one screen, what is wrong with it first."""

from collections.abc import Iterator

import click
import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from poolserver.commands.client import Pool, asks_pool
from poolserver.commands.common import console, echo_json, json_option
from poolserver.commands.sites import binding_text, rigs_text, sites_table
from poolserver.commands.texts import (
    btc,
    clean,
    figure_text,
    hashrate_text,
    part_text,
    span_text,
    time_text,
    watts_text,
)
from poolserver.lookout.view import NodeStatus, SiteStatus, Status, Trouble


class Screen(msgspec.Struct, frozen=True):
    """What the screen is made of, and what ``--json`` prints."""

    status: Status
    sites: list[SiteStatus]
    nodes: list[NodeStatus]


@click.command()
@asks_pool
@json_option()
def status(pool: Pool, as_json: bool) -> None:
    """Tell how the running pool is, troubles first.

    Each trouble with what to do about it. Then power against budget, hashrate, nodes, blocks.
    """
    found = read_screen(pool)
    if as_json:
        echo_json(found)
        return
    out = console()
    out.print(screen_of(found, out.width))


def read_screen(pool: Pool) -> Screen:
    """All of it, by three calls.

    Raises:
        AskError: the pool does not tell.
    """
    return Screen(
        pool.get("status", Status),
        pool.get("sites", list[SiteStatus]),
        pool.get("nodes", list[NodeStatus]),
    )


def screen_of(found: Screen, width: int) -> RenderableType:
    """For people."""
    return Group(
        headline(found.status),
        *troubles(found.status.troubles),
        "",
        sites_table(found.sites, width),
        _facts(found),
        *(Text(clean(sentence)) for sentence in found.status.intended),
    )


def headline(status: Status) -> Text:
    """Which pool it is, since when, and what time it is there."""
    up = span_text(status.at - status.started_at)
    text = Text(f"{clean(status.instance_id)} on {status.network}", style="bold")
    rest = f", version {status.version}, up {up}, {time_text(status.at)} UTC"
    return text.append(rest, style="not bold")


def troubles(found: tuple[Trouble, ...]) -> Iterator[RenderableType]:
    """A line for each, the urgent ones first; or that there is none."""
    if not found:
        yield Text("all is well", style="green")
        return
    table = Table.grid(padding=(0, 1, 0, 0))
    for each in sorted(found, key=lambda trouble: not trouble.is_urgent):
        mark, style = ("!!", "bold red") if each.is_urgent else ("!", "yellow")
        table.add_row(
            Text(mark, style=style), Text(clean(each.code), style=style), Text(clean(each.text))
        )
    yield table
    yield Text("each is told of in docs/runbooks/ by its name", style="dim")


def _facts(found: Screen) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, text in _rows(found):
        table.add_row(name, text if isinstance(text, Text) else Text(text))
    return table


def _rows(found: Screen) -> Iterator[tuple[str, str | Text]]:
    status = found.status
    rates = status.hashrate_h_s
    yield "power", power_text(status)
    spans = (("1m", rates._1m), ("5m", rates._5m), ("1h", rates._1h), ("1d", rates._1d))
    yield "hashrate", "   ".join(f"{name} {hashrate_text(each.value)}" for name, each in spans)
    yield "shares", _shares(status)
    yield "template", _template(status)
    processes = f"{status.worker_processes} process{'es' * (status.worker_processes != 1)}"
    connections = f"{status.connections:,} connection{'s' * (status.connections != 1)}"
    rigs = rigs_text(status.rigs, status.silent_rigs)
    yield "rigs", f"{rigs}; {connections}, {processes}"
    yield "blocks", _blocks(status)
    for number, node in enumerate(found.nodes):
        yield "" if number else "nodes", node_text(node)
    yield "reload", _reload(status)


def power_text(status: Status) -> Text:
    """What is drawn, what may be, and what binds it."""
    power = status.power
    if power is None:
        return Text("not known yet")
    text = Text(figure_text(power.total_w))
    if power.limit_w is not None:
        text.append(f" of {watts_text(power.limit_w)}")
    if power.headroom_w is not None:
        is_over = power.headroom_w < 0
        text.append(", ").append(
            f"{watts_text(abs(power.headroom_w))} {'OVER' if is_over else 'free'}",
            style="bold red" if is_over else "green",
        )
    binding = clean(binding_text(power))
    text.append(f"; {binding} binds" if binding else "")
    text.append(f"; of it AI {watts_text(power.ai_w)}" if power.ai_w else "")
    text.append("" if power.j_per_th is None else f"; {power.j_per_th:.3g} J/TH")
    return text.append(f" ({status.power_mode})")


def _shares(status: Status) -> str:
    shares, ratios = status.shares, status.rejects
    text = f"{shares.accepted:,} accepted, {shares.stale:,} stale, {shares.rejected:,} rejected"
    if ratios is None:
        return text
    rejected, stale = part_text(ratios.rejected_1h), part_text(ratios.stale_1h)
    return f"{text}; in the last hour {rejected} rejected, {stale} stale"


def _template(status: Status) -> Text:
    template = status.template
    if template is None:
        return Text("none", style="bold red")
    text = Text(
        f"height {template.height:,}, {template.transactions:,} transactions, "
        f"{btc(template.value_sat)} BTC, confirmed {span_text(template.age_s)} ago"
    )
    return text.append(", OUTDATED", style="bold red") if template.is_outdated else text


def _blocks(status: Status) -> str:
    states = ", ".join(f"{count:,} {state}" for state, count in status.blocks.items() if count)
    luck = "" if status.luck is None else f", luck {status.luck:.1%}"
    return f"{states or 'none yet'}; this round's effort {status.round_effort:.1%}{luck}"


def node_text(node: NodeStatus) -> Text:
    """How a node is, what is wrong with it in colour."""
    text = Text(f"{clean(node.name)}: ")
    if not node.is_up:
        return text.append("down", style="bold red")
    text.append("mined on" if node.is_active else "stands by")
    text.append(f", height {node.height:,}")
    if not node.on_mined_chain:
        text.append(", on ANOTHER CHAIN", style="bold red")
    if node.blocks_behind:
        text.append(f", {node.blocks_behind} behind", style="yellow")
    return text.append(f", {node.peers} peers, {node.latency_s * 1000:.0f} ms")


def _reload(status: Status) -> Text:
    last = status.last_reload
    if last is None:
        return Text("none since the start")
    when = f"{time_text(last.at)} UTC"
    if last.is_good:
        return Text(f"{when}, good")
    return Text(f"{when}, FAILED: {clean(last.reason)}; the old one holds", style="red")
