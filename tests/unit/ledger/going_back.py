"""A database that is put back to what it was, under whoever has it open: of each kind."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

import psycopg

from poolserver.ledger.database import Database
from poolserver.ledger.postgresql import PostgresDatabase
from poolserver.ledger.sqlite import SqliteDatabase

_numbers = count()


def keep(database: Database) -> Callable[[], None]:
    """Note all that it has now; to call the answer is to put that in its place."""
    if isinstance(database, SqliteDatabase):
        return _keep_sqlite(database)
    assert isinstance(database, PostgresDatabase)
    return _keep_postgresql(database.conninfo)


def _keep_sqlite(database: SqliteDatabase) -> Callable[[], None]:
    path = database.path.with_name(f"kept-{next(_numbers)}")
    _copy(database.path, path)
    return lambda: _copy(path, database.path)


def _copy(old: Path, new: Path) -> None:
    with closing(sqlite3.connect(old)) as source, closing(sqlite3.connect(new)) as target:
        source.backup(target)


def _keep_postgresql(conninfo: str) -> Callable[[], None]:
    with psycopg.connect(conninfo, autocommit=True) as session:
        rows = session.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [table for (table,) in rows]
        session.execute("CREATE SCHEMA kept")
        for table in tables:
            session.execute(f"CREATE TABLE kept.{table} AS TABLE public.{table}")

    def put_back() -> None:
        with psycopg.connect(conninfo) as session:
            session.execute("SET session_replication_role = replica")  # no order of tables
            session.execute(f"TRUNCATE {', '.join(tables)}")
            for table in tables:
                session.execute(
                    f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM kept.{table}"
                )

    return put_back
