"""``poolserver power node``: one node of a running pool over all windows, and its rigs."""

from collections.abc import Callable
from datetime import UTC, datetime

import click
from rich import box
from rich.table import Table
from rich.text import Text

from poolserver.commands.client import Pool, asks_pool
from poolserver.commands.common import console, echo_json, json_option
from poolserver.commands.fitting import fitting_table
from poolserver.commands.texts import clean, figure_text, hashrate_text, watts_text
from poolserver.control_room.detail import NodeDetail, RigView, WindowView

WIDE = 100
"""Columns of a terminal that has room for all of it."""
_SHOWN_S = 900.0
"""The window of a rig that the table shows."""
_COLUMNS = ("rig", "state", "hashrate", "power", "J/TH", "rated by", "model")


@click.command()
@click.argument("node", metavar="[NODE]", default="/")
@asks_pool
@click.option("--rigs", default=20, show_default=True, type=click.IntRange(0, 500))
@json_option()
def node(pool: Pool, node: str, rigs: int, as_json: bool) -> None:
    """Tell of NODE, as Sahiwal/T2, over a minute to an hour, and of its rigs."""
    detail = pool.get("power/node", NodeDetail, path=node)
    if as_json:
        echo_json(detail)
        return
    out = console()
    out.print(windows_table(detail, is_wide=out.width >= WIDE))
    if detail.next_limit is not None:
        at = datetime.fromtimestamp(detail.next_limit.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        limit_w = detail.next_limit.limit_w
        limit = "no limit" if limit_w is None else watts_text(limit_w)
        out.print(Text(f"from {at} on: {limit} {detail.next_limit.source}".rstrip()))
    if detail.rigs and rigs:
        out.print(rigs_table(detail, rigs, out.width))


def windows_table(detail: NodeDetail, *, is_wide: bool) -> Table:
    """What is known over each window, with the 95% interval; credit too where it is wide."""
    title = Text(f"{detail.node.path}: mining by proven work")
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("over", "hashrate", "95%", "power", "95%", "shares", *(["credit"] * is_wide)):
        table.add_column(column, justify="right", no_wrap=True)
    for window in detail.windows:
        table.add_row(
            _duration(window.window_s),
            hashrate_text(window.hashrate_h_s.value),
            span_text(hashrate_text, window.hashrate_low_h_s, window.hashrate_high_h_s),
            watts_text(window.power_w.value),
            span_text(watts_text, window.power_low_w, window.power_high_w),
            f"{window.shares:,.0f}",
            *([hashrate_text(window.accepted_h_s or 0.0)] * is_wide),
        )
    return table


def rigs_table(detail: NodeDetail, most: int, width: int) -> Table:
    """The rigs right at the node, those first that are likeliest to hang."""
    left_out = detail.more + max(0, len(detail.rigs) - most)
    rows = [_cells(rig) for rig in detail.rigs[:most]]
    texts = ("rig", "state", "rated by", "model")
    caption = f"and {left_out:,} more" if left_out else ""
    return fitting_table(_COLUMNS, rows, width, texts=texts, caption=caption)


def _cells(rig: RigView) -> tuple[str | Text, ...]:
    """In the order of _COLUMNS. Names and models are what rigs say: they are no markup of ours."""
    window = _shown(rig)
    return (
        *(Text(clean(rig.worker)), rig.state, hashrate_text(window.hashrate_h_s.value)),
        *(figure_text(window.power_w), f"{rig.j_per_th:.3g}", rig.rated_by),
        Text(clean(rig.model)),
    )


def span_text(text: Callable[[float], str], low: float, high: float) -> str:
    """Both ends, the unit once where it is the same.

    >>> span_text(watts_text, 9.1e3, 108e3), span_text(watts_text, 900, 1.1e3)
    ('9.10 to 108 kW', '900 W to 1.10 kW')
    """
    (number, unit), ends = text(low).rsplit(" ", 1), text(high)
    return f"{number} to {ends}" if ends.endswith(f" {unit}") else f"{number} {unit} to {ends}"


def _shown(rig: RigView) -> WindowView:
    return next(window for window in rig.windows if window.window_s == _SHOWN_S)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.0f} min"
