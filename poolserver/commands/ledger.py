"""``poolserver ledger``: what is done with the books from the command line."""

from pathlib import Path

import click

from poolserver.commands.common import config_option, fail, load
from poolserver.config import Config
from poolserver.ledger.backup import BackupError, backup_postgresql, backup_sqlite
from poolserver.ledger.database import StoreError
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.outfit import StartError, ledger_database


@click.group()
def ledger() -> None:
    """Back up the ledger, and look after it."""


@ledger.command()
@config_option
@click.argument("dest", type=click.Path(path_type=Path))
def backup(path: Path, dest: Path) -> None:
    """Copy the ledger to the new file DEST, whether the pool runs or not."""
    config = load(path)
    try:
        _back_up(config, dest)
    except (BackupError, StartError, StoreError) as error:
        fail(str(error))
    click.echo(f"{dest}: {dest.stat().st_size:,} bytes, looked through and good")


def _back_up(config: Config, dest: Path) -> None:
    database = ledger_database(config)
    if isinstance(database, SqliteDatabase):
        with click.progressbar(length=1, label="pages") as bar:

            def show(done: int, total: int) -> None:
                bar.length = total
                bar.update(done - bar.pos)

            backup_sqlite(database, dest, show)
    else:
        from poolserver.ledger.postgresql import PostgresDatabase

        assert isinstance(database, PostgresDatabase)
        backup_postgresql(database.conninfo, database.environ, dest)
