"""A copy of the ledger, made while the pool runs. Blocking: not for the event loop.

The copy is of one moment. It is written under another name, forced to the disk and looked
through before it gets its own; what is there already is never overwritten.
"""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from poolserver.ledger.migrate import (
    MigrationError,
    load_migrations,
    missing_steps,
    sqlite_schema,
)
from poolserver.ledger.sqlite import SqliteDatabase

STEP_PAGES = 4096
"""16 MiB at a time, so that who waits is told how far it is, and Ctrl-C is heard."""


class BackupError(Exception):
    """No copy was made; the text says why."""


def backup_sqlite(
    database: SqliteDatabase, dest: Path, on_progress: Callable[[int, int], None] | None = None
) -> None:
    """Copy an SQLite database; ``on_progress`` is told the pages that are copied, and all.

    The pool writes on meanwhile: the copy reads from a snapshot, so its writes do not disturb
    it, and only the log (``-wal``) grows by them until the copy is done.

    Raises:
        BackupError: there is a file already, it cannot be written, or the copy is no good.
        StoreError: the database cannot be read.
    """
    with _new_file(dest) as partial:
        try:
            _copy_sqlite(database, partial, on_progress)
            _check_sqlite(partial)
        except (sqlite3.Error, MigrationError) as error:
            raise BackupError(f"{dest} cannot be made: {error}") from error


def backup_postgresql(conninfo: str, environ: Mapping[str, str], dest: Path) -> None:
    """Have ``pg_dump`` write a PostgreSQL database to a file for ``pg_restore``.

    Raises:
        BackupError: there is a file already, or no pg_dump, or it failed.
    """
    for program in ("pg_dump", "pg_restore"):
        if shutil.which(program) is None:
            raise BackupError(
                f"{program} is not on PATH: run, where it is, "
                f"pg_dump --format=custom --file={dest} --dbname='{conninfo}'"
            )
    with _new_file(dest) as partial:
        dump = ["pg_dump", "--format=custom", "--no-password", f"--file={partial}"]
        _run([*dump, f"--dbname={conninfo}"], environ)
        _run(["pg_restore", "--list", str(partial)], environ)


def _copy_sqlite(
    database: SqliteDatabase, partial: Path, on_progress: Callable[[int, int], None] | None
) -> None:
    def progress(_: int, remaining: int, total: int) -> None:
        if on_progress is not None:
            on_progress(total - remaining, total)

    with closing(sqlite3.connect(partial, isolation_level=None)) as copy:
        try:
            database.copy_to(copy, STEP_PAGES, progress)
        except sqlite3.Error as error:
            raise database.error(error) from error
        copy.execute("PRAGMA journal_mode = DELETE")  # so that the copy is one file


def _check_sqlite(path: Path) -> None:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as copy:
        missing_steps(*sqlite_schema(copy), load_migrations())  # raises if it is no ledger
        (found,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise BackupError(f"the copy is damaged, and so may be the database: {found}")


@contextmanager
def _new_file(dest: Path) -> Iterator[Path]:
    """A name to write to, which becomes ``dest`` at the end; on an exception it is gone."""
    partial = dest.with_name(f".{dest.name}.{os.getpid()}.partial")
    try:
        if dest.exists():
            raise BackupError(f"{dest} is there already")
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield partial
        _sync(partial)
        if dest.exists():
            raise BackupError(f"{dest} is there already")
        partial.rename(dest)
        _sync(dest.parent)
    except OSError as error:
        raise BackupError(f"{dest} cannot be written: {error.strerror or error}") from error
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            partial.with_name(partial.name + suffix).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _run(command: list[str], environ: Mapping[str, str]) -> None:
    done = subprocess.run(
        command,
        env=os.environ | dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise BackupError(f"{command[0]} failed: {' '.join(done.stderr.split())[:500]}")
