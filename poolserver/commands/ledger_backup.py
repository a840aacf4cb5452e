"""``poolserver ledger backup``."""

from pathlib import Path

import click

from poolserver.commands.common import config_option, fail, load, quiet_option
from poolserver.commands.progress import Progress, progress_bar
from poolserver.config import Config
from poolserver.ledger.backup import BackupError, backup_postgresql, backup_sqlite
from poolserver.ledger.database import StoreError
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.outfit import StartError, ledger_database


@click.command()
@config_option
@click.argument("dest", type=click.Path(path_type=Path))
@quiet_option
def backup(path: Path, dest: Path, quiet: bool) -> None:
    """Copy the ledger to the new file DEST, whether the pool runs or not."""
    config = load(path)
    try:
        with progress_bar("pages", quiet=quiet) as progress:
            _back_up(config, dest, progress)
    except (BackupError, StartError, StoreError) as error:
        fail(str(error))
    click.echo(f"{dest}: {dest.stat().st_size:,} bytes, looked through and good")


def _back_up(config: Config, dest: Path, progress: Progress | None) -> None:
    database = ledger_database(config)
    if isinstance(database, SqliteDatabase):
        backup_sqlite(database, dest, progress)
    else:
        from poolserver.ledger.postgresql import PostgresDatabase

        assert isinstance(database, PostgresDatabase)
        backup_postgresql(database.conninfo, database.environ, dest)
