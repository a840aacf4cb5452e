"""The ledger's database in a file: SQLite with a write-ahead log.

``synchronous=FULL``: what is committed survives a power cut. One process writes; others may
read at the same time.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from poolserver.ledger.database import StoreError, Table, Value
from poolserver.ledger.migrate import (
    MigrationError,
    check_up_to_date,
    load_migrations,
    migrate,
    sqlite_schema,
)

LOCK_TIMEOUT_S = 5.0
"""How long a reader's or another program's lock is waited for: a checkpoint takes less."""


class SqliteDatabase:
    """The database at ``path``; the file beside it that ends in ``-lock`` is its writer's."""

    errors: tuple[type[Exception], ...] = (sqlite3.Error, MigrationError)

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def connect(self) -> "SqliteConnection":
        """Open it to write, made or brought up to date."""
        lock_fd = self._lock()
        try:
            connection = sqlite3.connect(self.path, timeout=LOCK_TIMEOUT_S, isolation_level=None)
        except self.errors:
            os.close(lock_fd)
            raise
        opened = SqliteConnection(connection, "BEGIN IMMEDIATE", lock_fd)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            migrate(connection, load_migrations())
        except self.errors:
            opened.close()
            raise
        return opened

    def reader(self) -> "SqliteConnection":
        """Open it to read only."""
        connection = self._read_only()
        try:
            check_up_to_date(*sqlite_schema(connection), load_migrations())
        except self.errors:
            connection.close()
            raise
        return SqliteConnection(connection, "BEGIN")

    def copy_to(
        self, copy: sqlite3.Connection, step_pages: int, progress: Callable[[int, int, int], None]
    ) -> None:
        """Copy all pages, of whatever schema, as they are at one moment.

        ``progress`` is told SQLite's status, the pages that remain, and all, after each step.
        """
        with closing(self._read_only()) as connection:
            # Without a snapshot each write of the pool's would begin the copy anew.
            connection.execute("BEGIN")
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            connection.backup(copy, pages=step_pages, progress=progress, sleep=0)

    def error(self, error: Exception) -> StoreError:
        """What an error means to the operator."""
        if isinstance(error, MigrationError):
            return StoreError(self, str(error))
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        reason, transient = _TROUBLE.get(code, ("cannot be used", False))
        return StoreError(self, f"{reason} ({error})", transient=transient)

    def _read_only(self) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=LOCK_TIMEOUT_S,
            isolation_level=None,
        )

    def _lock(self) -> int:
        """Be the one who writes. SQLite's own locks hold for a transaction only.

        The lock goes with the process, however it ends; the file stays, since to remove it
        would leave two who wait with a file each.
        """
        path = self.path.with_name(f"{self.path.name}-lock")
        try:
            lock_fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise StoreError(self, f"cannot be opened ({path}: {error.strerror})") from error
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(lock_fd, 20, 0).decode("ascii", "replace").strip()
            os.close(lock_fd)
            raise StoreError(
                self, f"is in use: another pool writes to it (process {holder or 'unknown'})"
            ) from error
        os.truncate(lock_fd, 0)
        os.pwrite(lock_fd, b"%d\n" % os.getpid(), 0)
        return lock_fd


class SqliteConnection:
    """A Connection; see database.py."""

    broken = False  # a file is there or it is not; what fails may work at the next try

    def __init__(
        self, connection: sqlite3.Connection, begin: str, lock_fd: int | None = None
    ) -> None:
        connection.create_function("int_sum", 2, _int_sum, deterministic=True)
        self._connection = connection
        self._begin = begin
        self._lock_fd = lock_fd
        self.execute = connection.execute

    def executemany(self, sql: str, rows: Iterable[Sequence[Value]], /) -> None:
        self._connection.executemany(sql, rows)

    def upsert(self, table: Table, rows: Iterable[Sequence[Value]], /) -> None:
        """Put each row in, or combine it with the one that has its key."""
        self._connection.executemany(_upsert(table), rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is done inside, or on an exception none."""
        self.execute(self._begin)
        try:
            yield
            self.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self.execute("ROLLBACK")

    def close(self) -> None:
        """Close it, and let another one write."""
        self._connection.close()
        lock_fd, self._lock_fd = self._lock_fd, None
        if lock_fd is not None:
            os.close(lock_fd)


def _int_sum(a: str, b: str) -> str:
    return str(int(a) + int(b))


def _upsert(table: Table) -> str:
    columns = table.columns
    combined = [
        *(f"{each} = int_sum({each}, excluded.{each})" for each in table.exact),
        *(f"{each} = {each} + excluded.{each}" for each in table.counts),
        *(_either("min", each) for each in table.least),
        *(_either("max", each) for each in table.greatest),
        *(f"{each} = excluded.{each}" for each in table.replaced),
    ]
    return (
        f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        f" ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {', '.join(combined)}"
    )


def _either(function: str, column: str) -> str:
    # SQLite's min() and max() of a NULL are NULL: a side without a value takes the other's.
    mine, new = column, f"excluded.{column}"
    return f"{column} = {function}(coalesce({mine}, {new}), coalesce({new}, {mine}))"


_TROUBLE = {  # by the primary error code: what to tell, and whether it may pass
    sqlite3.SQLITE_BUSY: ("is locked by another program", True),
    sqlite3.SQLITE_LOCKED: ("is locked by another program", True),
    sqlite3.SQLITE_FULL: ("cannot grow: the disk is full", True),
    sqlite3.SQLITE_IOERR: ("cannot be read or written", True),
    sqlite3.SQLITE_READONLY: ("is read-only", False),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", False),
    sqlite3.SQLITE_CORRUPT: ("is damaged: a backup must take its place", False),
    sqlite3.SQLITE_NOTADB: ("is not an SQLite database", False),
}
