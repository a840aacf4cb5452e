"""The statements of the audit: rows to be signed and checked, and what was signed."""

from collections.abc import Iterator, Mapping
from typing import Any

from poolserver.ledger.audit import NUMBERS, SignedDay
from poolserver.ledger.database import Connection
from poolserver.ledger.share_sql import sums_of
from poolserver.ledger.totals import Earning, ShareTotals, WorkerKey

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


def account_work(connection: Connection, begin_s: int) -> Iterator[tuple[str, str, str]]:
    """Site, account and accepted work of an interval, a row for each difficulty."""
    return iter(
        connection.execute(
            "SELECT site, account, accepted_work FROM account_interval WHERE begin_s = ?",
            (begin_s,),
        )
    )


def interval_totals(
    connection: Connection, begin_s: int
) -> Iterator[tuple[WorkerKey, ShareTotals]]:
    """The rows of an interval in no particular order."""
    rows = connection.execute(
        f"SELECT site, account, worker, {_COLUMNS} FROM worker_interval"
        " JOIN worker ON id = worker_id WHERE begin_s = ?",
        (begin_s,),
    )
    return ((WorkerKey(*row[:3]), sums_of(row[3:])) for row in rows)


def interval_earnings(connection: Connection, begin_s: int) -> Iterator[tuple[str, int, Earning]]:
    """Account, nbits and what was earned in an interval, a row for each site as well."""
    rows = connection.execute(
        "SELECT account, nbits, accepted_work, value_work FROM account_interval WHERE begin_s = ?",
        (begin_s,),
    )
    return (
        (account, nbits, Earning(int(work), int(value_work)))
        for account, nbits, work, value_work in rows
    )


def account_rows(connection: Connection, begin_s: int) -> Iterator[tuple[str, str, int, str, str]]:
    """Site, account, nbits, accepted work and its value in an interval, as text."""
    rows = connection.execute(
        "SELECT site, account, nbits, accepted_work, value_work FROM account_interval"
        " WHERE begin_s = ?",
        (begin_s,),
    )
    return ((*row[:3], str(row[3]), str(row[4])) for row in rows)


def found_blocks(connection: Connection, from_ms: int, before_ms: int) -> list[tuple[Any, ...]]:
    """Of blocks that were found then, the first one first: hash, nbits, height, state, reason,
    worker, found_at_ms, updated_at_ms, value_sat and fee_sat (None where it is not known)."""
    return connection.execute(
        "SELECT block.hash, nbits, height, state, reason, worker, found_at_ms, updated_at_ms,"
        " value_sat, fee_sat FROM block LEFT JOIN block_payout ON block_payout.hash = block.hash"
        " WHERE found_at_ms >= ? AND found_at_ms < ? ORDER BY found_at_ms, block.hash",
        (from_ms, before_ms),
    ).fetchall()


def stray_account_intervals(connection: Connection) -> list[int]:
    """Intervals that accounts have rows in, and no worker."""
    rows = connection.execute(
        "SELECT DISTINCT begin_s FROM account_interval WHERE NOT EXISTS ("
        "SELECT 1 FROM worker_interval WHERE worker_interval.begin_s = account_interval.begin_s)"
        " ORDER BY begin_s"
    )
    return [begin_s for (begin_s,) in rows]


def round_work(connection: Connection) -> list[str]:
    """The accepted work of all rounds."""
    return [work for (work,) in connection.execute("SELECT accepted_work FROM block_round")]


def source_workers(connection: Connection, source: str) -> Iterator[tuple[int, str, str]]:
    """Number, account and name of all workers that a source ever declared."""
    rows = connection.execute(
        "SELECT worker_ref, account, worker FROM source_worker WHERE source = ?", (source,)
    )
    return ((ref, account, worker) for ref, account, worker in rows)


def seals(connection: Connection) -> list[int]:
    """Each day that a seal closed last."""
    rows = connection.execute("SELECT through_day FROM seal ORDER BY through_day")
    return [day for (day,) in rows]


def seal_cutoffs(connection: Connection) -> Iterator[tuple[str, int, int]]:
    """Source, the seal's day, and the last record that was booked before it."""
    rows = connection.execute(
        "SELECT source, through_day, sequence FROM seal_cutoff ORDER BY source, through_day"
    )
    return ((source, day, sequence) for source, day, sequence in rows)


def earnings(connection: Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """Site, account, nbits, accepted_work and value_work of each row of a table that has them."""
    return iter(
        connection.execute(f"SELECT site, account, nbits, accepted_work, value_work FROM {table}")
    )


def blocks_with_stray_amounts(connection: Connection) -> list[str]:
    """Hashes that outputs or dues are booked of, and no payout, or that are no block of ours."""
    rows = connection.execute(
        "SELECT hash FROM block_due UNION SELECT hash FROM block_output"
        " EXCEPT SELECT hash FROM block_payout JOIN block USING (hash) ORDER BY hash"
    )
    return [hash_hex for (hash_hex,) in rows]
