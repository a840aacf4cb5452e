"""Bring a database to the schema that this program knows, step by step.

The steps are the numbered files in ``migrations/``, a folder for each kind of database. They go
forward only, each in a transaction of its own.
"""

import re
import sqlite3
from importlib.resources import files
from typing import NamedTuple

SQLITE_STEPS = "poolserver.ledger.migrations.sqlite"
POSTGRESQL_STEPS = "poolserver.ledger.migrations.postgresql"

_FILE_NAME = re.compile(r"(\d{4})_\w+\.sql")


class MigrationError(Exception):
    """The database is not one that this program can bring up to date."""


class Migration(NamedTuple):
    """One step: its number (1 is the first) and the SQL that takes it."""

    number: int
    sql: str


def load_migrations(package: str = SQLITE_STEPS) -> list[Migration]:
    """The steps in order.

    Raises:
        ValueError: the numbers are not 1, 2, 3, ...: a file is missing or has a double.
    """
    found = sorted(
        Migration(int(name[1]), file.read_text(encoding="utf-8"))
        for file in files(package).iterdir()
        if (name := _FILE_NAME.fullmatch(file.name))
    )
    if [step.number for step in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"the migrations are numbered {[step.number for step in found]}")
    return found


def missing_steps(version: int, has_tables: bool, steps: list[Migration]) -> list[Migration]:
    """The steps that a database lacks whose last one was ``version``; 0 is none.

    Raises:
        MigrationError: it is from a newer program, or is not a ledger at all.
    """
    if version > len(steps):
        raise MigrationError(
            f"has schema {version}, this program knows schemas up to {len(steps)}: "
            "a newer version has written it"
        )
    if version == 0 and has_tables:
        raise MigrationError("has tables, but none that this program made")
    return steps[version:]


def check_up_to_date(version: int, has_tables: bool, steps: list[Migration]) -> None:
    """For those who only read.

    Raises:
        MigrationError: steps are missing, or as missing_steps().
    """
    if missing_steps(version, has_tables, steps):
        raise MigrationError(
            f"has schema {version}, this program reads schema {len(steps)}: "
            "the pool's next start brings it up to date"
        )


def migrate(connection: sqlite3.Connection, migrations: list[Migration]) -> int:
    """Take the steps that ``connection``'s SQLite database lacks; their number.

    ``PRAGMA user_version`` is the number of the last one that was taken.
    ``connection`` must be in autocommit mode (``isolation_level=None``).

    Raises:
        MigrationError: the database is from a newer program, or is not a ledger at all.
        sqlite3.Error: a step failed and was rolled back; those before it are taken.
    """
    missing = missing_steps(*sqlite_schema(connection), migrations)
    connection.create_function("unhexed", 1, _unhexed, deterministic=True)  # for step 3
    for step in missing:
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{step.sql}\nPRAGMA user_version = {step.number};\nCOMMIT;"
            )
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return len(missing)


def sqlite_schema(connection: sqlite3.Connection) -> tuple[int, bool]:
    """The last step that an SQLite database took, and whether it has tables."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version), connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None


def _unhexed(digits: str | None) -> bytes | None:
    return None if digits is None else bytes.fromhex(digits)
