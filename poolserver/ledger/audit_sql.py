"""The statements of the audit: rows to be signed and checked, and what was signed."""

from collections.abc import Iterator, Mapping
from typing import Any

from poolserver.ledger.audit import NUMBERS, SignedDay
from poolserver.ledger.database import Connection
from poolserver.ledger.totals import WorkerKey

_COLUMNS = ", ".join(NUMBERS)
_SIGNED = ", ".join(SignedDay._fields)


def next_interval(
    connection: Connection, from_s: int, before_s: int, table: str = "worker_interval"
) -> int | None:
    """When the first interval with rows begins that does not begin before ``from_s``."""
    ((begin_s,),) = connection.execute(
        f"SELECT min(begin_s) FROM {table} WHERE begin_s >= ? AND begin_s < ?", (from_s, before_s)
    )
    return None if begin_s is None else int(begin_s)


def worker_names(connection: Connection) -> Iterator[tuple[int, WorkerKey]]:
    """All workers that were ever booked, by number."""
    rows = connection.execute("SELECT id, site, account, worker FROM worker")
    return ((number, WorkerKey(*names)) for number, *names in rows)


def interval_rows(connection: Connection, begin_s: int) -> Iterator[tuple[Any, ...]]:
    """The rows of an interval in no particular order: the worker's number, then NUMBERS."""
    return iter(
        connection.execute(
            f"SELECT worker_id, {_COLUMNS} FROM worker_interval WHERE begin_s = ?", (begin_s,)
        )
    )


def sealed_through(connection: Connection) -> int:
    """The last day that is closed; -1: none is."""
    ((day,),) = connection.execute("SELECT max(through_day) FROM seal")
    return -1 if day is None else int(day)


def signed_days(connection: Connection) -> list[SignedDay]:
    """All days that are signed, the first one first."""
    rows = connection.execute(f"SELECT {_SIGNED} FROM audit_day ORDER BY day")
    return [SignedDay(*row) for row in rows]


def signed_day(connection: Connection, day: int) -> SignedDay | None:
    """What was signed of a day."""
    rows = connection.execute(f"SELECT {_SIGNED} FROM audit_day WHERE day = ?", (day,))
    row = rows.fetchone()
    return None if row is None else SignedDay(*row)


def last_signed_day(connection: Connection) -> SignedDay | None:
    """The end of the chain."""
    rows = connection.execute(f"SELECT {_SIGNED} FROM audit_day ORDER BY day DESC LIMIT 1")
    row = rows.fetchone()
    return None if row is None else SignedDay(*row)


def add_signed_day(day: SignedDay, leaves: Mapping[int, bytes], connection: Connection) -> None:
    """Keep a day's signature and, by interval, the leaves of its rows one after the other."""
    connection.execute(
        f"INSERT INTO audit_day ({_SIGNED}) VALUES ({', '.join('?' * len(day))})", day
    )
    connection.executemany(
        "INSERT INTO audit_leaves (day, begin_s, hashes) VALUES (?, ?, ?)",
        ((day.day, begin_s, hashes) for begin_s, hashes in leaves.items()),
    )


def leaf_intervals(connection: Connection, day: int) -> list[int]:
    """The intervals of a day that leaves are kept of."""
    rows = connection.execute(
        "SELECT begin_s FROM audit_leaves WHERE day = ? ORDER BY begin_s", (day,)
    )
    return [begin_s for (begin_s,) in rows]


def leaves(connection: Connection, day: int, begin_s: int) -> bytes:
    """The leaves of an interval's rows, 32 bytes each."""
    row = connection.execute(
        "SELECT hashes FROM audit_leaves WHERE day = ? AND begin_s = ?", (day, begin_s)
    ).fetchone()
    return b"" if row is None else bytes(row[0])
