"""``poolserver ledger stats``: hashrates, rejects and best shares, as the pool saved them last."""

import time
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from poolserver.commands.common import config_option, console, echo_json, fail, json_option, load
from poolserver.commands.texts import count_text
from poolserver.ledger.database import Database, StoreError
from poolserver.outfit import StartError, ledger_database
from poolserver.stats.meter import WINDOWS
from poolserver.stats.meters import Level
from poolserver.stats.report import EVER, Figures, RejectRatios, Report, report

WIDE = 150
"""Columns of a terminal that all figures fit into, with a worker's name beside them."""
_COLUMNS = (
    *WINDOWS,
    "± 1h",
    "stale 1d",
    "rejected 1d",
    "rejected ever",
    "best in round",
    "best ever",
)
_NARROW = ("1m", "1h", "1d", "rejected 1d", "best ever")


@click.command()
@config_option
@click.option(
    "--level",
    default=Level.POOL.value,
    show_default=True,
    type=click.Choice([level.value for level in Level]),
)
@click.option("--top", type=click.IntRange(min=1), help="So many, the highest hashrates first.")
@json_option()
def stats(path: Path, level: str, top: int | None, as_json: bool) -> None:
    """Tell hashrates, rejects and best shares, as they were saved last."""
    config = load(path)
    try:
        found = _read(ledger_database(config), Level(level), top)
    except (StartError, StoreError) as error:
        fail(str(error))
    if as_json:
        echo_json(found)
    else:
        out = console()
        out.print(stats_table(found, time.time(), is_wide=out.width >= WIDE))


def _read(database: Database, level: Level, top: int | None) -> Report:
    try:
        connection = database.reader()
        try:
            return report(connection, level, top)
        finally:
            connection.close()
    except database.errors as error:
        raise database.error(error) from error


def stats_table(found: Report, now_unix_s: float, *, is_wide: bool) -> Table:
    """For people: a row for each name, in hashes a second; the most wanted columns if not wide."""
    table = Table(title=_title(found, now_unix_s), caption=_caption(found))
    table.add_column(found.level, overflow="fold")
    columns = [column for column in _COLUMNS if is_wide or column in _NARROW]
    for column in columns:
        table.add_column(column, justify="right")
    for each in found.figures:
        cells = _cells(each)
        # Whoever connects makes names up: they are no markup of ours.
        table.add_row(
            Text(each.name or each.account or "all"), *(cells[column] for column in columns)
        )
    return table


def _title(found: Report, now_unix_s: float) -> str:
    if found.saved_at_unix_ms is None:
        return "No statistics are saved yet"
    saved_at_s = found.saved_at_unix_ms / 1000
    when = datetime.fromtimestamp(saved_at_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"Statistics of {when} UTC, {max(0, round(now_unix_s - saved_at_s))} s ago"


def _caption(found: Report) -> str | None:
    left_out = found.count - len(found.figures)
    return f"and {left_out:,} more" if left_out else None


def _cells(each: Figures) -> dict[str, str]:
    sigma = each.relative_sigma["1h"]
    day, ever = each.reject_ratio["1d"], each.reject_ratio[EVER]
    return {window: count_text(each.hashrate_h_s[window]) for window in WINDOWS} | {
        "± 1h": "" if sigma is None else f"{sigma:.1%}",
        "stale 1d": _part(day, "stale"),
        "rejected 1d": _part(day, "rejected"),
        "rejected ever": _part(ever, "rejected"),
        "best in round": count_text(each.best_difficulty_in_round),
        "best ever": count_text(each.best_difficulty_ever),
    }


def _part(ratios: RejectRatios | None, kind: str) -> str:
    return "" if ratios is None else f"{getattr(ratios, kind):.2%}"
