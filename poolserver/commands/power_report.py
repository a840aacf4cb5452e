"""``poolserver power report``: energy by node and span, what it was worth and what it cost."""

import io
from contextlib import closing
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, get_args
from zoneinfo import ZoneInfo

import click
import msgspec
from rich.console import Console
from rich.table import Table

from poolserver.commands.common import config_option, fail, load
from poolserver.commands.fitting import fitting_table
from poolserver.config import Config
from poolserver.control_room.tariff_outfit import power_tariff
from poolserver.ledger.energy_report import By, Spans, Sum, Terms, report
from poolserver.ledger.export import Column, Export
from poolserver.ledger.export_files import write_csv, write_parquet
from poolserver.ledger.records import LedgerError
from poolserver.outfit import StartError, ledger_database
from poolserver.power.tariff import J_PER_MWH

_PJ_PER_J = 10**12


class Line(NamedTuple):
    """A row of a report for programs. Energy in joules; what there is none of is None."""

    span: str
    node: str
    begin_s: int
    end_s: int
    closed_s: int
    metered_j: int | None
    estimated_j: int
    sigma_j: int
    mining_j: int
    ai_j: int
    auxiliary_j: int
    residual_j: int | None
    allocated_j: int | None
    excess_j: int
    curtailed_j: int
    proven_work: str
    accepted_work: str
    hashrate_h_s: int
    mj_per_th: int | None
    """Thousandths of a joule, at the meter."""
    expected_sat: int | None
    found_sat: int | None
    paid_sat: int | None
    sat_per_mwh: int | None
    metered_part_ppm: int
    """How much of the time its meter told, in millionths."""
    gap_part_ppm: int
    """Of that, in gaps: the sum is right, the shape is not known."""
    observed_part_ppm: int
    ai_share_ppm: int | None
    baseline_j: int | None
    incremental_j: int | None
    cost: str | None
    """In the tariff's currency, to a hundredth."""
    currency: str | None


# Text, and integers that a test network may make larger than 63 bits.
_AS_TEXT = frozenset(
    {
        "span",
        "node",
        "proven_work",
        "accepted_work",
        "hashrate_h_s",
        "expected_sat",
        "sat_per_mwh",
        "cost",
        "currency",
    }
)
_COLUMNS = tuple(Column(name, "text" if name in _AS_TEXT else "integer") for name in Line._fields)


class _Moment(click.ParamType[datetime]):
    """A day or a time, by the clock of the report if it has no offset."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time such as 2026-07-01 or 2026-07-01T06:00", param, ctx)


@click.command("report")
@config_option
@click.option("--from", "first", type=_Moment(), required=True, metavar="TIME")
@click.option("--to", "last", type=_Moment(), required=True, metavar="TIME", help="Not with it.")
@click.option("--node", "nodes", multiple=True, metavar="PATH", help="Otherwise all.")
@click.option("--by", type=click.Choice(get_args(By)), default="total", show_default=True)
@click.option(
    "--format", "kind", type=click.Choice(["table", "csv", "json", "parquet"]), default="table"
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@click.option("--time-zone", metavar="NAME", help="Otherwise that of the site, if there is one.")
def report_command(
    path: Path,
    first: datetime,
    last: datetime,
    nodes: tuple[str, ...],
    by: By,
    kind: str,
    out: Path | None,
    time_zone: str | None,
) -> None:
    """Tell what nodes have drawn, by meters and by proven work, and what that was worth.

    Of intervals that are closed. Times are those of the site's clock. May run beside the pool.
    """
    if kind == "parquet" and out is None:
        raise click.UsageError("Parquet needs --out FILE")
    config = load(path)
    zone = _zone(config, time_zone, nodes)
    terms = Terms(
        _unix_s(first, zone),
        _unix_s(last, zone),
        Spans(by, zone),
        frozenset(nodes) or None,
        power_tariff(config) if config.tariff.components else None,
        {account: site.name for site in config.sites for account in site.accounts},
    )
    currency = config.tariff.currency if terms.tariff is not None else None
    try:
        found = _read(config, terms)
        if kind == "table" and not found:
            click.echo("no interval of that time is closed")
        elif kind == "table":
            console = Console()
            console.print(_table(found, zone, currency, console.width))
        else:
            _write([_line(each, currency) for each in found], kind, out)
    except BrokenPipeError:
        raise
    except (LedgerError, StartError, OSError) as error:
        fail(str(error))


def _zone(config: Config, asked: str | None, nodes: tuple[str, ...]) -> str:
    """The zone that is asked for; else that of the one site, or of the sites' that are asked."""
    if asked is not None:
        try:
            return ZoneInfo(asked).key
        except (ValueError, KeyError, OSError) as error:
            raise click.UsageError(f"there is no time zone {asked!r}") from error
    sites = {node.partition("/")[0] for node in nodes}
    zones = {site.time_zone for site in config.sites if not sites or site.name in sites}
    return zones.pop() if len(zones) == 1 else "UTC"


def _unix_s(moment: datetime, zone: str) -> int:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(zone))
    return int(aware.timestamp())


def _read(config: Config, terms: Terms) -> list[Sum]:
    database = ledger_database(config)
    try:
        with closing(database.reader()) as connection, connection.transaction():
            return report(connection, terms)
    except database.errors as error:
        raise database.error(error) from error


# --- for programs -----------------------------------------------------------------------------


def _line(each: Sum, currency: str | None) -> Line:
    bill, closed_ms = each.bill, each.closed_s * 1000
    milli_j_per_th = each.j_per_th
    sat_per_mwh = each.sat_per_mwh
    share = each.ai_share
    return Line(
        each.span,
        each.node,
        each.begin_s,
        each.end_s,
        each.closed_s,
        each.metered_j,
        int(each.estimated_pj // _PJ_PER_J),
        each.sigma_j,
        each.mining_j,
        each.ai_j,
        each.auxiliary_j,
        each.residual_j,
        each.allocated_j,
        each.excess_j,
        each.curtailed_j,
        str(each.proven_work),
        str(each.accepted_work),
        round(each.hashrate_h_s),
        None if milli_j_per_th is None else round(milli_j_per_th * 1000),
        None if each.expected_msat is None else each.expected_msat // 1000,
        each.found_sat,
        each.paid_sat,
        None if sat_per_mwh is None else round(sat_per_mwh),
        each.covered_ms * 1_000_000 // closed_ms,
        each.spread_ms * 1_000_000 // closed_ms,
        each.observed_ms * 1_000_000 // closed_ms,
        None if share is None else round(share * 1_000_000),
        None if bill is None else int(bill.baseline_j),
        None if bill is None else int(bill.incremental_j),
        None if bill is None else _money(bill.total),
        currency,
    )


def _money(amount: Fraction) -> str:
    """To a hundredth, half up."""
    hundredths = (amount * 100 + Fraction(1, 2)).__floor__()
    return f"{hundredths // 100}.{hundredths % 100:02}"


def _write(lines: list[Line], kind: str, out: Path | None) -> None:
    table = Export(_COLUMNS, lambda connection, days: iter(()))
    rows = [_row(line) for line in lines]
    if kind == "parquet" and out is not None:
        write_parquet(table, rows, out)
        return
    text = io.StringIO()
    if kind == "csv":
        write_csv(table, rows, text)
    else:
        plain = msgspec.json.encode([line._asdict() for line in lines])
        text.write(msgspec.json.format(plain, indent=2).decode() + "\n")
    if out is None:
        click.echo(text.getvalue(), nl=False)
    else:
        out.write_text(text.getvalue(), encoding="utf-8", newline="")


def _row(line: Line) -> list[str | int | None]:
    return [
        str(cell) if name in _AS_TEXT and cell is not None else cell
        for name, cell in zip(Line._fields, line, strict=True)
    ]


# --- for people -------------------------------------------------------------------------------


_HEADS = (
    *("span", "node", "metered", "mining", "AI", "estimated", "J/TH", "sats", "residual", "cost"),
    *("allocated", "over", "sats/MWh", "paid", "baseline", "incremental", "EH/s"),
    *("told by meter", "pool there"),
)
"""The most wanted first."""


def _table(found: list[Sum], zone: str, currency: str | None, width: int) -> Table:
    """Energy in MWh. A span that all rows are of stands in the caption."""
    spans = {each.span for each in found}
    span = f"{spans.pop()}, " if len(spans) == 1 else ""
    cost = f", cost in {currency}" if currency else ""
    rows = [_cells(each, with_span=not span) for each in found]
    caption = f"{span}MWh{cost}, by the clock of {zone}"
    return fitting_table(_HEADS, rows, width, texts=("span", "node"), caption=caption)


def _cells(each: Sum, *, with_span: bool) -> list[str]:
    """In the order of _HEADS."""
    closed_ms, bill = each.closed_s * 1000, each.bill
    return [
        each.span if with_span else "",
        each.node,
        _mwh(each.metered_j),
        _mwh(each.mining_j),
        _mwh(each.ai_j),
        f"{_mwh(int(each.estimated_pj // _PJ_PER_J))} ±{_mwh(each.sigma_j)}",
        "-" if each.j_per_th is None else f"{each.j_per_th:.2f}",
        "-" if each.expected_msat is None else f"{each.expected_msat // 1000:,}",
        _mwh(each.residual_j),
        "-" if bill is None else _money(bill.total),
        _mwh(each.allocated_j),
        _mwh(each.excess_j),
        "-" if each.sat_per_mwh is None else f"{each.sat_per_mwh:,.0f}",
        "-" if each.paid_sat is None else f"{each.paid_sat:,}",
        "-" if bill is None else _mwh(int(bill.baseline_j)),
        "-" if bill is None else _mwh(int(bill.incremental_j)),
        f"{each.hashrate_h_s / 1e18:.3g}",
        f"{each.covered_ms / closed_ms:.1%}",
        f"{each.observed_ms / closed_ms:.1%}",
    ]


def _mwh(energy_j: int | None) -> str:
    return "-" if energy_j is None else f"{energy_j / J_PER_MWH:,.3f}"
