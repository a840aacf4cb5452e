"""The ledger's database on a PostgreSQL server, version 13 or newer, by psycopg 3.

One session writes, and holds an advisory lock for as long: a second pool is refused. A session that
is lost is told by ``broken``, and whoever uses it connects anew. No call hangs: a machine that is
gone is noticed by TCP, a statement that takes too long by the server, and a server that does not
answer at all by a watchdog.
"""

import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.string import TextLoader

from poolserver.ledger.database import Row, StoreError, Table, Value
from poolserver.ledger.migrate import (
    POSTGRESQL_STEPS,
    MigrationError,
    check_up_to_date,
    load_migrations,
    missing_steps,
)
from poolserver.ledger.watchdog import Watchdog

CONNECT_TIMEOUT_S = 10
LOCK_TIMEOUT_S = 5
"""How long another session's lock is waited for: that of a pool that was killed goes within it."""
STATEMENT_TIMEOUT_S = 30
"""A save of 10,000 rigs takes less than a second."""
HANG_TIMEOUT_S = 40.0
"""When the server does not even keep its own timeout."""
READ_TIMEOUT_S = 600.0
"""A reader may ask for a year."""

# A machine that is gone is noticed within 25 s, by us and by the server: until it does, its lock
# stays with a session that nobody has.
_KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
_DEAD_AFTER_MS = 25_000

# With the number of the schema: the key of the lock among all others' in this database.
_LOCK_CLASS = int.from_bytes(b"pool", "big") << 32

Session = psycopg.Connection[Row]


class PostgresDatabase:
    """The database that ``conninfo`` names; ``password`` is not in it."""

    errors: tuple[type[Exception], ...] = (psycopg.Error, MigrationError)

    def __init__(self, conninfo: str, password: str | None = None) -> None:
        """Raises ValueError where ``conninfo`` is none."""
        try:
            self._parameters = conninfo_to_dict(conninfo)
        except psycopg.ProgrammingError as error:
            raise ValueError(f"is no PostgreSQL connection string: {_line(error)}") from error
        self._password = password
        self._writer: PostgresConnection | None = None  # the last one; it may be lost

    def __str__(self) -> str:
        named = self._parameters
        name = named.get("dbname") or named.get("user") or ""
        host = named.get("host") or named.get("hostaddr") or os.environ.get("PGHOST") or "localhost"
        return f"PostgreSQL database {name} at {host}".replace("  ", " ")

    @property
    def conninfo(self) -> str:
        """Where it is, for PostgreSQL's own programs; without the password."""
        return make_conninfo("", **self._parameters)

    @property
    def environ(self) -> dict[str, str]:
        """What they need beside it."""
        return {} if self._password is None else {"PGPASSWORD": self._password}

    def connect(self) -> "PostgresConnection":
        """Open it to write, made or brought up to date, and keep others from it."""
        session = self._login()
        with _guarded(session):
            self._set_up(session)
            self._end_former(session)
            session.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'")
            self._lock(session)
            _migrate(session)
            session.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT_S}s'")
            # Stricter settings, as with a standby that must have it too, are left alone.
            if _one(session, "SHOW synchronous_commit") == "off":
                session.execute("SET synchronous_commit = on")
            self._writer = PostgresConnection(session, "BEGIN", HANG_TIMEOUT_S)
        return self._writer

    def reader(self) -> "PostgresConnection":
        """Open it to read only."""
        session = self._login()
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        with _guarded(session):
            self._set_up(session)
            check_up_to_date(*_schema(session), load_migrations(POSTGRESQL_STEPS))
            session.execute("SET default_transaction_read_only = on")
            return PostgresConnection(session, begin, READ_TIMEOUT_S)

    def error(self, error: Exception) -> StoreError:
        """What an error means to the operator."""
        state = getattr(error, "sqlstate", None)
        if isinstance(error, MigrationError):
            return StoreError(self, str(error))
        if state is None and isinstance(error, psycopg.OperationalError):
            reason, transient = "cannot be reached", True
        else:
            found = (_TROUBLE[key] for key in (state, (state or "")[:2]) if key in _TROUBLE)
            reason, transient = next(found, ("cannot be used", False))
        return StoreError(self, f"{reason} ({_line(error)})", transient=transient)

    def _login(self) -> Session:
        parameters: dict[str, Any] = {
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": "poolserver",
            "tcp_user_timeout": _DEAD_AFTER_MS,
            **_KEEPALIVES,
            **self._parameters,
        }
        if self._password is not None:
            parameters["password"] = self._password
        return psycopg.connect(**parameters, client_encoding="UTF8", autocommit=True)

    def _set_up(self, session: Session) -> None:
        if _one(session, "SHOW server_encoding") != "UTF8":
            raise StoreError(self, "does not have the encoding UTF8, which names of rigs need")
        session.adapters.register_loader("numeric", TextLoader)
        for name, value in _KEEPALIVES.items():  # the server's side of it
            session.execute(f"SET tcp_{name} = {value}")

    def _lock(self, session: Session) -> None:
        try:
            session.execute(
                "SELECT pg_advisory_lock(%s + current_schema()::regnamespace::oid::bigint)",
                (_LOCK_CLASS,),
            )
        except psycopg.errors.LockNotAvailable as error:
            raise StoreError(
                self, "is in use: another pool writes to it", transient=True
            ) from error

    def _end_former(self, session: Session) -> None:
        """A session that we have lost may be alive for the server, and hold the lock."""
        if self._writer is not None and self._writer.broken:
            session.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid = %s AND backend_start = %s::timestamptz",
                self._writer.backend,
            )


@contextmanager
def _guarded(session: Session) -> Iterator[None]:
    """What is done inside prepares a session: it is cut where it hangs, and closed if it fails."""
    line = _line_of(session)
    watchdog = Watchdog(HANG_TIMEOUT_S, partial(_cut, line))
    try:
        with watchdog.watching():
            yield
    except BaseException:
        session.close()
        raise
    finally:
        watchdog.close()
        line.close()


def _line_of(session: Session) -> socket.socket:
    """A descriptor of its own of the session's connection, which any thread can cut it by."""
    return socket.socket(fileno=os.dup(session.fileno()))


def _cut(line: socket.socket) -> None:
    with suppress(OSError):  # it is gone
        line.shutdown(socket.SHUT_RDWR)


class PostgresConnection:
    """A Connection; see database.py."""

    def __init__(self, session: Session, begin: str, hang_timeout_s: float) -> None:
        started = "SELECT backend_start::text FROM pg_stat_activity WHERE pid = %s"
        pid = session.info.backend_pid
        self.backend = (pid, str(_one(session, started, (pid,))))
        """Its process at the server: the number, which may be another's later, and its start."""
        self._session = session
        self._begin = begin
        self._staging: set[str] = set()  # temporary tables that there are
        self._staged: set[str] = set()  # those that the transaction has put rows into
        self._socket = _line_of(session)
        self._watchdog = Watchdog(hang_timeout_s, partial(_cut, self._socket))

    @property
    def broken(self) -> bool:
        """Whether the session is lost."""
        return self._session.closed

    def execute(self, sql: str, values: Sequence[Value] = (), /) -> psycopg.Cursor[Row]:
        with self._watchdog.watching():
            return self._session.execute(_translated(sql), [_storable(each) for each in values])

    def executemany(self, sql: str, rows: Iterable[Sequence[Value]], /) -> None:
        with self._watchdog.watching():
            self._session.cursor().executemany(_translated(sql), rows)

    def upsert(self, table: Table, rows: Iterable[Sequence[Value]], /) -> None:
        """Put each row in, or combine it with the one that has its key.

        By way of a temporary table: COPY is the fastest way in by far (10,000 rows in 50 ms,
        one statement each in 180), and hardly slower with a single row.
        """
        with self._watchdog.watching():
            if self._session.info.transaction_status == pq.TransactionStatus.IDLE:
                with self.transaction():
                    self._upsert(table, rows)
            else:
                self._upsert(table, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is done inside, or on an exception none."""
        self.execute(self._begin)
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            self._staging.clear()  # those that were made in this transaction are gone
            with suppress(psycopg.Error):  # of a session that is lost the server does it
                self.execute("ROLLBACK")
            raise
        finally:
            self._staged.clear()

    def close(self) -> None:
        self._watchdog.close()
        self._session.close()
        self._socket.close()

    def _upsert(self, table: Table, rows: Iterable[Sequence[Value]]) -> None:
        staging = f"staging_{table.name}"
        if staging not in self._staging:
            self._session.execute(
                f"CREATE TEMPORARY TABLE IF NOT EXISTS {staging}"
                f" (LIKE {table.name}) ON COMMIT DELETE ROWS"
            )
            self._staging.add(staging)
        if staging in self._staged:
            self._session.execute(f"TRUNCATE {staging}")
        self._staged.add(staging)
        columns = ", ".join(table.columns)
        with self._session.cursor() as cursor:
            with cursor.copy(f"COPY {staging} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(_merge(table, staging))


def _migrate(session: Session) -> None:
    for step in missing_steps(*_schema(session), load_migrations(POSTGRESQL_STEPS)):
        with session.transaction():
            session.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
            session.execute(step.sql)
            session.execute("DELETE FROM schema_version")
            session.execute("INSERT INTO schema_version (version) VALUES (%s)", (step.number,))


def _schema(session: Session) -> tuple[int, bool]:
    """The last step that was taken, and whether there are tables."""
    if _one(session, "SELECT to_regclass('schema_version')::text") is not None:
        return int(_one(session, "SELECT max(version) FROM schema_version") or 0), True
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"
    return 0, _one(session, tables) > 0


def _one(session: Session, sql: str, values: Sequence[Value] = ()) -> Any:
    row = session.execute(sql, values).fetchone()
    return None if row is None else row[0]


@lru_cache(maxsize=256)
def _translated(sql: str) -> str:
    """With psycopg's marks for values. None of our statements has a question mark in a text."""
    return sql.replace("%", "%%").replace("?", "%s")


def _storable(value: Value) -> Value:
    """PostgreSQL's text has no NUL. Ours has none but what a node may say of a block."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


@lru_cache(maxsize=64)
def _merge(table: Table, staging: str) -> str:
    """Rows from the staging table into ``table``. LEAST and GREATEST leave NULLs out."""
    columns = ", ".join(table.columns)
    combined = [
        *(f"{each} = t.{each} + excluded.{each}" for each in (*table.exact, *table.counts)),
        *(f"{each} = LEAST(t.{each}, excluded.{each})" for each in table.least),
        *(f"{each} = GREATEST(t.{each}, excluded.{each})" for each in table.greatest),
        *(f"{each} = excluded.{each}" for each in table.replaced),
    ]
    return (
        f"INSERT INTO {table.name} AS t ({columns}) SELECT {columns} FROM {staging}"
        f" ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {', '.join(combined)}"
    )


def _line(error: Exception) -> str:
    """psycopg's words on one line, without the place in the statement."""
    return " ".join(str(error).split("\nLINE ")[0].split()) or type(error).__name__


_TROUBLE = {  # by the SQLSTATE or its class: what to tell, and whether it may pass
    "08": ("cannot be reached", True),
    "25006": ("is read-only: a standby?", True),
    "28": ("does not let us in", False),
    "3D000": ("does not exist", False),
    "40": ("is in use by another program", True),
    "42501": ("does not allow it", False),
    "53": ("has no room left", True),
    "55P03": ("is locked by another program", True),
    "57": ("does not answer in time or is shutting down", True),
    "58": ("cannot be read or written", True),
    "XX": ("is damaged", False),
}
