"""The databases that a pool of the torture keeps its books in, as the judge reads them."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

import psycopg

from tests.integration.postgres import PostgresCluster, PostgresDatabase, find_bin
from tests.torture.kill_judge import Books, read_books

PROGRESS = "SELECT source, sequence FROM source"


class TortureStore(Protocol):
    """One database; ``config`` is what the pool's config says of it."""

    name: str
    config: str

    def books(self) -> Books:
        """All of it; the pool is not running."""

    def progress(self) -> dict[str, int]:
        """By source, the last record that is counted in, after a death; empty before the first."""

    def live_progress(self) -> dict[str, int]:
        """The same while the pool is running."""


class SqliteStore:
    """The file in the pool's folder."""

    name = "sqlite"

    def __init__(self, folder: Path, save_interval_s: float = 10.0) -> None:
        self.config = f'[ledger]\nstore = "sqlite"\nsave_interval_s = {save_interval_s}\n'
        self.path = folder / "var" / "ledger.sqlite"

    def books(self) -> Books:
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            return read_books(connection)

    def progress(self) -> dict[str, int]:
        """Of a copy: to open a database after a death is to mend it, which is the pool's to do."""
        with tempfile.TemporaryDirectory(prefix="poolserver-look-") as folder:
            for path in (self.path, self.path.with_name(self.path.name + "-wal")):
                if path.exists():
                    shutil.copy(path, folder)
            copy = Path(folder) / self.path.name
            if not copy.exists():
                return {}
            try:
                with closing(sqlite3.connect(copy)) as connection:
                    return dict(connection.execute(PROGRESS))
            except sqlite3.OperationalError:  # there are no tables yet
                return {}

    def live_progress(self) -> dict[str, int]:
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            return dict(connection.execute(PROGRESS))


class PostgresStore:
    """A database on a server of its own."""

    name = "postgresql"

    def __init__(self, cluster: PostgresCluster, save_interval_s: float = 10.0) -> None:
        self.cluster = cluster
        self.database: PostgresDatabase = cluster.new_database()
        self.config = (
            f'[ledger]\nstore = "postgresql"\npostgresql = "{self.database.url}"\n'
            f"save_interval_s = {save_interval_s}\n"
        )

    def books(self) -> Books:
        with self.database.connect() as connection:
            return read_books(connection)

    def progress(self) -> dict[str, int]:
        try:
            return self.live_progress()
        except psycopg.errors.UndefinedTable:
            return {}

    def live_progress(self) -> dict[str, int]:
        with self.database.connect() as connection:
            rows = connection.execute(PROGRESS).fetchall()
        return {str(source): int(sequence) for source, sequence in rows}


class NoStore(RuntimeError):
    """There is no such database on this machine."""


@contextmanager
def torture_store(
    name: str, folder: Path, save_interval_s: float = 10.0
) -> Iterator[SqliteStore | PostgresStore]:
    """``sqlite`` or ``postgresql``, a real server that goes away again.

    Raises:
        NoStore: there is no PostgreSQL here.
    """
    if name == "sqlite":
        yield SqliteStore(folder, save_interval_s)
        return
    bin_dir = find_bin()
    if bin_dir is None:
        raise NoStore("no PostgreSQL: scripts/get-postgresql.sh fetches one")
    with PostgresCluster.running(bin_dir) as cluster:
        yield PostgresStore(cluster, save_interval_s)
