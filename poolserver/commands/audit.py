"""``poolserver ledger verify``, ``export``, ``proof`` and ``check-proof``."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from poolserver.commands.common import (
    config_option,
    echo_json,
    fail,
    json_option,
    load,
    quiet_option,
)
from poolserver.commands.progress import progress_bar
from poolserver.commands.verifying import (
    EXIT_DIFFERENCES,
    EXIT_NOT_CHECKED,
    Parsed,
    read_hash,
    tell_differences,
)
from poolserver.ledger.audit import day_of
from poolserver.ledger.export import ALL_DAYS, EXPORTS, Days
from poolserver.ledger.export_files import export_table
from poolserver.ledger.proof import Proof, check_proof, make_proof
from poolserver.ledger.records import LedgerError
from poolserver.ledger.totals import DAY_S, INTERVAL_S
from poolserver.ledger.verify import Report, VerifyTerms, verify
from poolserver.outfit import StartError, ledger_database


def _kept_head(text: str) -> tuple[int, bytes]:
    day, _, head = text.partition(":")
    return day_of(day), read_hash(head)


def _interval(text: str) -> int:
    begin = datetime.fromisoformat(text)
    begin_s = int((begin if begin.tzinfo else begin.replace(tzinfo=UTC)).timestamp())
    return begin_s - begin_s % INTERVAL_S


DAY = Parsed("day (such as 2026-12-01, in UTC)", day_of)
HEX32 = Parsed("hash of 64 hex digits", read_hash)
KEPT_HEAD = Parsed("day with its head (such as 2026-12-01:64 hex digits)", _kept_head)
INTERVAL = Parsed("time (such as 2026-12-01T00:15, in UTC)", _interval)

public_key_option = click.option(
    "--public-key", type=HEX32, metavar="HEX", help="Days must be signed with this key."
)


@click.command("verify")
@config_option
@click.option("--day", type=DAY, metavar="DAY", help="This day's rows alone.")
@click.option("--all", "all_days", is_flag=True, help="All days: so it is without --day.")
@click.option(
    "--head",
    "heads",
    type=KEPT_HEAD,
    multiple=True,
    metavar="DAY:HEX",
    help="A head that was kept elsewhere; more than one may be given.",
)
@public_key_option
@click.option("--journal/--no-journal", default=True, help="Fold the journal again and compare.")
@json_option("The report for programs.")
@quiet_option
def verify_command(
    path: Path,
    day: int | None,
    all_days: bool,
    heads: tuple[tuple[int, bytes], ...],
    public_key: bytes | None,
    journal: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Check the ledger: the signed days, the sums, and all of it by the journal.

    May run beside the pool. Ends with 0 if all is good, with 1 if there are differences, and
    with 2 if it could not be checked.
    """
    if all_days and day is not None:
        raise click.UsageError("--all and --day exclude each other")
    config = load(path)
    terms = VerifyTerms(day, dict(heads), public_key, journal)
    try:
        with progress_bar("verify", quiet=quiet) as progress:
            report = verify(ledger_database(config), config.data_dir / "journal", terms, progress)
    except (LedgerError, StartError, OSError) as error:
        fail(str(error), EXIT_NOT_CHECKED)
    if as_json:
        echo_json(report)
    else:
        _show(report)
    sys.exit(0 if report.good else EXIT_DIFFERENCES)


def _show(report: Report) -> None:
    told = [f"({each.kind}) {each.text}" for each in report.differences]
    tell_differences(told, report.difference_count)
    for note in report.notes:
        click.echo(f"note: {note}")
    click.echo(
        f"{report.days_signed} signed day(s), {report.rows} rows, {report.records} records of the"
        f" journal, {report.journal_intervals} intervals compared with it"
    )
    if report.last_head:
        click.echo(f"head of {report.last_day}: {report.last_head}")
    for key in report.public_keys:
        click.echo(f"signed with: {key}")
    found = f"{report.difference_count} difference(s)"
    click.echo("all is good" if report.good else f"{found}: the ledger is not as it must be")


@click.command("export")
@config_option
@click.option("--what", required=True, type=click.Choice(list(EXPORTS)))
@click.option(
    "--from", "first", type=DAY, metavar="DAY", default=ALL_DAYS.first, help="From it on."
)
@click.option("--to", "last", type=DAY, metavar="DAY", default=ALL_DAYS.last, help="With this day.")
@click.option("--format", "kind", type=click.Choice(["csv", "parquet"]), default="csv")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@quiet_option
def export_command(
    path: Path, what: str, first: int, last: int, kind: str, out: Path | None, quiet: bool
) -> None:
    """Write a table of the ledger, as CSV to standard output or to FILE.

    May run beside the pool, and shows the ledger at one moment. Integers of any size are text.
    """
    if out is None and kind == "parquet":
        raise click.UsageError("Parquet needs --out FILE")
    config = load(path)
    try:
        # A bar among the rows of a terminal would be in their way.
        with progress_bar("rows", quiet=quiet or out is None) as progress:
            days = Days(first, last)
            export_table(ledger_database(config), EXPORTS[what], days, kind, out, progress)
    except BrokenPipeError:
        raise  # whoever reads has had enough, as `head` does: click ends it without a word
    except (LedgerError, StartError, OSError) as error:
        fail(str(error))


@click.command("proof")
@config_option
@click.option("--worker", required=True, help="The full name, such as account.rig1.")
@click.option(
    "--interval", "begin_s", required=True, type=INTERVAL, metavar="TIME", help="Any time in it."
)
@click.option("--day", type=DAY, metavar="DAY", help="If it is told: TIME must be in it.")
@click.option("--site", help="Where the worker had rows at several.")
@click.option("--account", help="Whose, where several had a worker of this name.")
def proof_command(
    path: Path, worker: str, begin_s: int, day: int | None, site: str | None, account: str | None
) -> None:
    """Prove that a worker's row is one of those that were signed: as JSON, for anybody.

    `poolserver ledger check-proof` checks it, and needs nothing of the pool.
    """
    if day is not None and begin_s // DAY_S != day:
        raise click.UsageError("the interval is not of that day")
    config = load(path)
    try:
        proof = make_proof(ledger_database(config), begin_s, worker, site=site, account=account)
    except (LedgerError, StartError) as error:
        fail(str(error))
    echo_json(proof)


@click.command("check-proof")
@click.argument("file", type=click.File("rb"), metavar="FILE")
@click.option("--head", type=HEX32, metavar="HEX", help="One that was kept, of its day or later.")
@public_key_option
def check_proof_command(file: Any, head: bytes | None, public_key: bytes | None) -> None:
    """Check a proof.

    Without a head that you have kept it proves no more than who signed it.
    """
    try:
        proof = msgspec.json.decode(file.read(), type=Proof)
        click.echo(check_proof(proof, head, public_key))
    except (msgspec.DecodeError, LedgerError) as error:
        fail(str(error))
