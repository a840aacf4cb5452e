"""``poolserver power verify``: the energy ledger's chain, and its rows made again."""

import sys
from contextlib import closing
from pathlib import Path

import click

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
from poolserver.ledger.energy_verify import EnergyCheck, verify_energy
from poolserver.ledger.records import LedgerError
from poolserver.outfit import StartError, ledger_database


def _kept_head(text: str) -> tuple[int, bytes]:
    number, _, head = text.partition(":")
    return int(number), read_hash(head)


@click.command("verify")
@config_option
@click.option(
    "--head",
    "heads",
    type=Parsed("row with its head, as 96:64 hex digits", _kept_head),
    multiple=True,
    metavar="NUMBER:HEX",
    help="A row's head that was kept elsewhere; more than one may be given.",
)
@json_option()
@quiet_option
def verify_command(
    path: Path, heads: tuple[tuple[int, bytes], ...], as_json: bool, quiet: bool
) -> None:
    """Check the energy ledger: its chain, and each row by the facts it was made of.

    May run beside the pool. Ends with 0 if all is good, with 1 if there are differences, and
    with 2 if it could not be checked.
    """
    config = load(path)
    try:
        database = ledger_database(config)
        try:
            with (
                progress_bar("rows", quiet=quiet) as progress,
                closing(database.reader()) as connection,
                connection.transaction(),
            ):
                check = verify_energy(connection, dict(heads), progress)
        except database.errors as error:
            raise database.error(error) from error
    except (LedgerError, StartError, OSError) as error:
        fail(str(error), EXIT_NOT_CHECKED)
    if as_json:
        echo_json(check)
    else:
        _show(check)
    sys.exit(0 if check.good else EXIT_DIFFERENCES)


def _show(check: EnergyCheck) -> None:
    tell_differences(check.differences, check.difference_count)
    click.echo(f"{check.rows} row(s) of {check.intervals} interval(s)")
    if check.rows:
        click.echo(f"head of row {check.last_number}: {check.last_head}")
    found = f"{check.difference_count} difference(s): the ledger is not as it must be"
    click.echo("all is good" if check.good else found)
