"""The ledger in SQLite: totals, blocks and what these pay.

One thread writes, so the event loop never waits for the disk, and each call is one
transaction with ``synchronous=FULL``: when it returns, it survives a power cut. How far each
source is counted in stands in the same transaction as the totals, so a journal that is folded
again from there counts nothing twice.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from itertools import starmap
from pathlib import Path
from typing import NamedTuple, TypeVar

from poolserver.ledger import block_sql, sql
from poolserver.ledger.block_sql import BlockEventRow, BlockPayout, BlockRow
from poolserver.ledger.blocks import BlockStep, KnownBlock
from poolserver.ledger.fold import Delta, WorkerRef
from poolserver.ledger.migrate import MigrationError, load_migrations, migrate
from poolserver.ledger.records import LedgerError
from poolserver.ledger.totals import Totals

LOCK_TIMEOUT_S = 5.0
"""How long a reader's or another program's lock is waited for: a checkpoint takes less."""

T = TypeVar("T")


class StoreError(LedgerError):
    """The database cannot be used; the text has its path and what to look at.

    ``transient`` says that the same call may well work later: a lock, a full disk.
    """

    def __init__(self, path: Path, reason: str, *, transient: bool = False) -> None:
        super().__init__(f"{path} {reason}")
        self.transient = transient


class LedgerState(NamedTuple):
    """All that a start takes up from."""

    totals: Totals
    progress: dict[str, int]
    """The last sequence of each source that is counted in."""
    workers: dict[WorkerRef, tuple[str, str]]


class SqliteStore:
    """The database at ``path``. Call open() first; each method may raise StoreError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger-store")

    async def open(self) -> LedgerState:
        """Make the database or bring it up to date, and load() it."""
        await self._in_thread(self._connect)
        return await self.load()

    async def load(self) -> LedgerState:
        """The totals, and how far they have come."""
        return await self._with_connection(_load)

    async def apply(self, delta: Delta, steps: Sequence[BlockStep] = ()) -> None:
        """Add a delta, and then what became of blocks: all of it, or on an error none.

        A delta that does not begin where the store stands is refused: after a failed call,
        merge the next delta into that one and try both. Steps are taken as they come: what may
        follow on what is the caller's to know (see blocks.py).
        """
        await self._with_connection(lambda connection: self._apply(connection, delta, steps))

    # --- blocks --------------------------------------------------------------------------

    async def known_blocks(self) -> list[KnownBlock]:
        """All blocks, for a start to take up from."""
        return await self._with_connection(block_sql.known_blocks)

    async def blocks(self, limit: int | None = None) -> list[BlockRow]:
        """The found blocks, newest first."""
        return await self._with_connection(lambda connection: block_sql.blocks(connection, limit))

    async def block_history(self, hash_hex: str) -> list[BlockEventRow]:
        """Every state that a block came into, the first one first; none if there is no such."""
        return await self._with_connection(
            lambda connection: block_sql.history(connection, hash_hex)
        )

    async def block_payout(self, hash_hex: str) -> BlockPayout | None:
        """What a block's coinbase pays and what it owes; None where the journal does not tell."""
        return await self._with_connection(
            lambda connection: block_sql.payout(connection, hash_hex)
        )

    async def owed_sat(self) -> dict[str, int]:
        """By label, what blocks accepted or mature owe beyond what their coinbases paid."""
        return await self._with_connection(block_sql.owed)

    async def without_payout(self) -> tuple[int, int | None]:
        """How many blocks are not known in full to have paid what; the highest one's height."""
        return await self._with_connection(block_sql.without_payout)

    # --- the thread ----------------------------------------------------------------------

    async def close(self) -> None:
        """Finish what was begun and close the database; it may not have been open."""
        try:
            await self._in_thread(self._disconnect)
        finally:
            self._thread.shutdown(wait=False)

    async def _with_connection(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def run() -> T:
            if self._connection is None:
                raise StoreError(self._path, "is not open")
            return work(self._connection)

        return await self._in_thread(run)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        def run() -> T:
            try:
                return work()
            except MigrationError as error:
                raise StoreError(self._path, str(error)) from error
            except sqlite3.Error as error:
                raise store_error(self._path, error) from error

        # Shielded: a caller that is cancelled does not take back what the thread has queued.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, run))

    def _connect(self) -> None:
        connection = sqlite3.connect(self._path, timeout=LOCK_TIMEOUT_S, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.create_function("int_sum", 2, sql.int_sum, deterministic=True)
            connection.create_function("fraction_sum", 2, sql.fraction_sum, deterministic=True)
            migrate(connection, load_migrations())
        except (sqlite3.Error, MigrationError):
            connection.close()
            raise
        self._connection = connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _apply(
        self, connection: sqlite3.Connection, delta: Delta, steps: Sequence[BlockStep]
    ) -> None:
        with _transaction(connection):
            for source, (after, through) in delta.progress.items():
                connection.execute(sql.BEGIN_SOURCE, (source,))
                advanced = connection.execute(sql.ADVANCE_SOURCE, (through, source, after))
                if advanced.rowcount != 1:
                    raise StoreError(self._path, f"does not stand at record {after} of {source}")
            totals = delta.totals
            connection.executemany(
                sql.PUT_WORKER, ((*ref, *name) for ref, name in delta.workers.items())
            )
            connection.executemany(sql.ADD_TOTALS, starmap(sql.totals_row, totals.workers.items()))
            connection.executemany(
                sql.ADD_ENERGY, ((site, str(pj)) for site, pj in totals.site_energy_pj.items())
            )
            block_sql.add_found(connection, delta.blocks)
            block_sql.add_payouts(connection, delta.payouts)
            block_sql.take_steps(connection, steps)


def _load(connection: sqlite3.Connection) -> LedgerState:
    workers = dict(starmap(sql.totals_from_row, connection.execute(sql.TOTALS)))
    energy = {site: Fraction(pj) for site, pj in connection.execute(sql.ENERGY)}
    return LedgerState(
        Totals(workers, energy),
        dict(connection.execute(sql.SOURCES)),
        {
            WorkerRef(source, ref): (account, worker)
            for source, ref, account, worker in connection.execute(sql.WORKERS)
        },
    )


_TROUBLE = {  # by the primary error code: what to tell, and whether it may pass
    sqlite3.SQLITE_BUSY: ("is locked by another program", True),
    sqlite3.SQLITE_LOCKED: ("is locked by another program", True),
    sqlite3.SQLITE_FULL: ("cannot grow: the disk is full", True),
    sqlite3.SQLITE_IOERR: ("cannot be read or written", True),
    sqlite3.SQLITE_READONLY: ("is read-only", False),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", False),
    sqlite3.SQLITE_CORRUPT: ("is damaged: restore it, or fold the journal again", False),
    sqlite3.SQLITE_NOTADB: ("is not an SQLite database", False),
}


def store_error(path: Path, error: sqlite3.Error) -> StoreError:
    """What an SQLite error means to the operator."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    reason, transient = _TROUBLE.get(code, ("cannot be used", False))
    return StoreError(path, f"{reason} ({error})", transient=transient)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
