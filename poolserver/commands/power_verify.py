"""``poolserver power verify``: the energy ledger's chain, and its rows made again."""

import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from poolserver.commands.audit import EXIT_DIFFERENCES, EXIT_NOT_CHECKED
from poolserver.commands.common import config_option, echo_json, json_option, load, quiet_option
from poolserver.commands.progress import progress_bar
from poolserver.ledger.energy_verify import EnergyCheck, verify_energy
from poolserver.ledger.records import LedgerError
from poolserver.outfit import StartError, ledger_database


class _KeptHead(click.ParamType[tuple[int, bytes]]):
    name = "row with its head"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, bytes]:
        if isinstance(value, tuple):
            return value
        try:
            number, _, head = value.partition(":")
            kept = int(number), bytes.fromhex(head)
        except ValueError:
            kept = 0, b""
        if len(kept[1]) != 32:
            self.fail(f"{value!r} is no row with its head, as 96:64 hex digits", param, ctx)
        return kept


@click.command("verify")
@config_option
@click.option(
    "--head",
    "heads",
    type=_KeptHead(),
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
        click.echo(f"poolserver: {error}", err=True)
        sys.exit(EXIT_NOT_CHECKED)
    if as_json:
        echo_json(check)
    else:
        _show(check)
    sys.exit(0 if check.good else EXIT_DIFFERENCES)


def _show(check: EnergyCheck) -> None:
    for difference in check.differences:
        click.echo(f"DIFFERS {difference}")
    left_out = check.difference_count - len(check.differences)
    if left_out:
        click.echo(f"and {left_out} more differences")
    click.echo(f"{check.rows} row(s) of {check.intervals} interval(s)")
    if check.rows:
        click.echo(f"head of row {check.last_number}: {check.last_head}")
    found = f"{check.difference_count} difference(s): the ledger is not as it must be"
    click.echo("all is good" if check.good else found)
