"""``poolserver sites``: the sites of a running pool."""

from collections.abc import Iterator, Sequence

import click
from rich.table import Table
from rich.text import Text

from poolserver.commands.client import Pool, asks_pool
from poolserver.commands.common import console, echo_json, json_option
from poolserver.commands.fitting import Cell, fitting_table
from poolserver.commands.texts import (
    clean,
    figure_text,
    hashrate_text,
    part_text,
    shortened,
    watts_text,
)
from poolserver.control_room.view import LimitView
from poolserver.lookout.view import PowerStatus, SiteStatus

BINDS_WIDTH = 24
"""Columns of who binds and why: a reason may be a sentence."""
NEAR = 0.02
"""Of a limit: what is as close to it is shown in another colour."""

_COLUMNS = (
    *("site", "draws", "limit", "headroom", "binds", "hashrate 1h", "rigs"),
    *("AI", "J/TH", "rejected 1h", "stale 1h", "hashrate 5m", "residual"),
)
"""The most wanted first: a terminal that is too narrow for all lacks the last ones."""


@click.command()
@asks_pool
@json_option()
def sites(pool: Pool, as_json: bool) -> None:
    """Tell of the running pool's sites.

    What each draws and may draw, what binds it, and what its rigs do.
    """
    found = pool.get("sites", list[SiteStatus])
    if as_json:
        echo_json(found)
        return
    out = console()
    out.print(sites_table(found, out.width))


def sites_table(found: Sequence[SiteStatus], width: int, title: str | None = None) -> Table:
    """For people: a row for each site, in ``width`` columns."""
    rows = [list(_cells(each)) for each in found]
    return fitting_table(_COLUMNS, rows, width, texts={"site", "binds"}, title=title)


def _cells(site: SiteStatus) -> Iterator[Cell]:
    """In the order of _COLUMNS."""
    power, rejects = site.power, site.rejects
    yield Text(clean(site.name))
    yield "" if power is None else figure_text(power.total_w)
    yield "" if power is None or power.limit_w is None else watts_text(power.limit_w)
    yield headroom_text(power)
    yield Text(shortened(clean(binding_text(power)), BINDS_WIDTH))
    yield hashrate_text(site.hashrate_h_s._1h.value)
    yield rigs_text(site.rigs, site.silent_rigs)
    yield "" if power is None or not power.ai_w else watts_text(power.ai_w)
    yield "" if power is None or power.j_per_th is None else f"{power.j_per_th:.3g}"
    yield "" if rejects is None else part_text(rejects.rejected_1h)
    yield "" if rejects is None else part_text(rejects.stale_1h)
    yield hashrate_text(site.hashrate_h_s._5m.value)
    yield "" if power is None or power.residual_w is None else figure_text(power.residual_w)


def headroom_text(power: PowerStatus | None) -> Text:
    """Green, yellow near the limit, red beyond it; a sign says it where there are no colours."""
    if power is None or power.limit_w is None or power.headroom_w is None:
        return Text("")
    style = "red" if power.headroom_w < 0 else "green"
    if 0 <= power.headroom_w < NEAR * power.limit_w:
        style = "yellow"
    return Text(watts_text(power.headroom_w), style=style)


def binding_text(power: PowerStatus | None) -> str:
    """Who says so, and why."""
    if power is None or power.binding is None:
        return ""
    return whose_text(power.binding)


def whose_text(limit: LimitView) -> str:
    """Who says a limit, and why: ``NTDC (evening peak)``."""
    return f"{limit.source} ({limit.reason})" if limit.reason else limit.source


def rigs_text(hashing: int, silent: int) -> str:
    """
    >>> rigs_text(1200, 3), rigs_text(5, 0)
    ('1,200, 3 silent', '5')
    """
    return f"{hashing:,}" + (f", {silent:,} silent" if silent else "")
