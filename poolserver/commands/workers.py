"""``poolserver workers``: the rigs of a running pool, by their workers' names."""

import time
from collections.abc import Iterator, Sequence

import click
from rich.table import Table
from rich.text import Text

from poolserver.commands.client import Pool, asks_pool
from poolserver.commands.common import console, echo_json, json_option
from poolserver.commands.complete import NODES, SITES, WORKERS
from poolserver.commands.fitting import Cell, fitting_table
from poolserver.commands.texts import (
    ago_text,
    clean,
    count_text,
    hashrate_text,
    part_text,
    time_text,
    watts_text,
)
from poolserver.lookout.view import RigLine

STATES = ("hashing", "silent", "new", "away")
STYLES = {"silent": "red", "away": "dim", "new": "cyan"}
# As the API has them; a test compares the two.
SORTS = (
    *("worker", "account", "site", "node", "model", "address", "state"),
    *("hashrate_5m", "hashrate_1h", "hashrate_1d", "power", "j_per_th"),
    *("stale_1h", "rejected_1h", "best_difficulty", "sessions", "seen_at", "last_share_at"),
)

_COLUMNS = (
    *("worker", "state", "hashrate 1h", "last share", "rejected", "power", "J/TH", "node", "model"),
    *("hashrate 5m", "hashrate 1d", "stale", "best", "address", "came or went"),
)
_TEXTS = {"worker", "state", "node", "model", "address"}


@click.command()
@click.argument("find", default="", shell_complete=WORKERS)
@asks_pool
@click.option("--site", help="Of this site alone.", shell_complete=SITES)
@click.option("--node", help="At this power node and below it.", shell_complete=NODES)
@click.option("--state", type=click.Choice(STATES), help="In this state alone.")
@click.option(
    "--sort",
    default="-hashrate_1h",
    show_default=True,
    metavar="[-]COLUMN",
    help=f"One of {', '.join(SORTS)}; with - the highest first.",
)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=1))
@click.option("--all", "all_of_them", is_flag=True, help="All there are, however many.")
@json_option("For programs: a list.")
def workers(
    pool: Pool,
    find: str,
    site: str | None,
    node: str | None,
    state: str | None,
    sort: str,
    limit: int,
    all_of_them: bool,
    as_json: bool,
) -> None:
    """Tell of the running pool's rigs.

    FIND is text in a worker's name, model, address or node.
    """
    if sort.removeprefix("-") not in SORTS:
        raise click.UsageError(f"--sort: {sort} is none of {', '.join(SORTS)}")
    asked = {"q": find or None, "site": site, "node": node, "state": state, "sort": sort}
    found = pool.items("rigs", RigLine, None if all_of_them else limit, **asked)
    if as_json:
        echo_json(found.items)
        return
    out = console()
    out.print(workers_table(found.items, found.total, time.time(), out.width))


def workers_table(rigs: Sequence[RigLine], total: int | None, now: float, width: int) -> Table:
    """For people: a row for each rig, the first ones of ``total``, in ``width`` columns.

    ``now`` in Unix seconds.
    """
    more = (total or 0) - len(rigs)
    caption = f"{more:,} more: --limit, --all or FIND" if more > 0 else ""
    caption = caption or ("" if rigs else "there is no such rig")
    rows = [list(cells(each, now)) for each in rigs]
    return fitting_table(_COLUMNS, rows, width, texts=_TEXTS, caption=caption)


def cells(rig: RigLine, now: float) -> Iterator[Cell]:
    """In the order of _COLUMNS. Names and models are what rigs say: they are no markup of ours."""
    yield Text(clean(rig.worker))
    yield Text(rig.state, style=STYLES.get(rig.state, ""))
    yield hashrate_text(rig.hashrate_1h_h_s.value)
    yield "" if rig.last_share_at is None else ago_text(now - rig.last_share_at)
    yield part_text(rig.rejected_1h)
    yield "" if rig.power_w is None else watts_text(rig.power_w)
    yield "" if rig.j_per_th is None else f"{rig.j_per_th:.3g}"
    yield Text(clean(rig.node or rig.site))
    yield Text(clean(rig.model))
    yield hashrate_text(rig.hashrate_5m_h_s.value)
    yield hashrate_text(rig.hashrate_1d_h_s.value)
    yield part_text(rig.stale_1h)
    yield count_text(rig.best_difficulty)
    yield Text(clean(rig.address))
    yield time_text(rig.seen_at)
