"""The ledger in a database: sums, blocks and what these pay.

One thread writes, so the event loop never waits for the disk, and each call is one
transaction: when it returns, it survives a power cut. How far each source is counted in stands
in the same transaction as the sums, so a journal that is folded again from there counts
nothing twice.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from poolserver.ledger import block_sql, energy_sql, reward_sql, seal_sql, share_sql
from poolserver.ledger.block_sql import BlockEventRow, BlockPayout, BlockRow
from poolserver.ledger.blocks import BlockStep, KnownBlock
from poolserver.ledger.database import Connection, Database, StoreError, StoreMoved
from poolserver.ledger.delta import Delta, TemplateInForce, WorkerRef
from poolserver.ledger.totals import ShareTotals, Totals, WorkerKey

T = TypeVar("T")


class LedgerState(NamedTuple):
    """All that a start takes up from."""

    totals: Totals
    progress: dict[str, int]
    """The last sequence of each source that is counted in."""
    workers: dict[WorkerRef, tuple[str, str]]
    templates: dict[str, TemplateInForce]
    ended: set[str]
    """Sources of which there is nothing more to come."""
    sealed_through: int
    """The last day that is closed; -1: none is."""
    cutoffs: dict[str, int]
    """The last record of each source that was booked in a day that is closed."""


class LedgerStore:
    """The books in a database. Call open() first; each method may raise StoreError.

    ``to_read`` opens them beside the pool that keeps them, of which there is one only.
    """

    def __init__(self, database: Database, *, to_read: bool = False) -> None:
        self.database = database
        self._to_read = to_read
        self._connection: Connection | None = None
        self._ids: dict[WorkerKey, int] = {}  # that are committed
        self._token: str | None = None  # of an apply() that was begun and did not succeed
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger-store")

    async def open(self) -> LedgerState:
        """Make the database or bring it up to date (not to read only), and load() it."""
        await self._in_thread(self._connect)
        return await self.load()

    async def load(self) -> LedgerState:
        """The sums, and how far they have come."""
        return await self.read(_load)

    async def apply(self, delta: Delta, steps: Sequence[BlockStep] = ()) -> None:
        """Add a delta, and then what became of blocks: all of it, or on an error none.

        A delta that does not begin where the store stands is refused by StoreMoved. After any
        other failure ask took_last(): if it was not taken, it is to be applied again. Steps are
        taken as they come: what may follow on what is the caller's to know (see blocks.py).
        """
        self._token = token = secrets.token_hex(8)
        await self._with_connection(lambda connection: self._apply(connection, delta, steps, token))
        self._token = None

    async def took_last(self) -> bool:
        """Whether the last apply(), which failed, is in the store nevertheless.

        So it is where the database was lost between the transaction's end and the word of it.
        """
        token = self._token
        return token is not None and await self.read(share_sql.last_save) == token

    async def end_sources(self, sources: Iterable[str]) -> None:
        """Note that nothing more is to come of these, whose every record is counted in."""
        await self.write(lambda connection: share_sql.end_sources(connection, sources))

    async def load_progress(self) -> dict[str, int]:
        """The last sequence of each source that is counted in."""
        return await self.read(share_sql.progress)

    async def note_pruned(self, through: Mapping[str, int], gone: Iterable[str]) -> None:
        """Note that journals are deleted up to these records, and wholly those of ``gone``."""
        await self.write(lambda connection: share_sql.note_pruned(connection, through, gone))

    # --- blocks --------------------------------------------------------------------------

    async def known_blocks(self) -> list[KnownBlock]:
        """All blocks, for a start to take up from."""
        return await self.read(block_sql.known_blocks)

    async def blocks(self, limit: int | None = None) -> list[BlockRow]:
        """The found blocks, newest first."""
        return await self.read(lambda connection: block_sql.blocks(connection, limit))

    async def block_history(self, hash_hex: str) -> list[BlockEventRow]:
        """Every state that a block came into, the first one first; none if there is no such."""
        return await self.read(lambda connection: block_sql.history(connection, hash_hex))

    async def block_payout(self, hash_hex: str) -> BlockPayout | None:
        """What a block's coinbase pays and what it owes; None where the journal does not tell."""
        return await self.read(lambda connection: block_sql.payout(connection, hash_hex))

    async def owed_sat(self) -> dict[str, int]:
        """By label, what blocks accepted or mature owe beyond what was paid; never 0."""
        return await self.read(block_sql.owed)

    async def without_payout(self) -> tuple[int, int | None]:
        """How many blocks are not known in full to have paid what; the highest one's height."""
        return await self.read(block_sql.without_payout)

    # --- for whatever has statements of its own ------------------------------------------

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Call ``work`` in the store's thread. What takes long belongs to database.reader()."""
        return await self._with_connection(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Call ``work`` in the store's thread, in one transaction.

        A call that fails may have been taken, as took_last() has it: what is written must be the
        same if it is written again.
        """

        def within(connection: Connection) -> T:
            with connection.transaction():
                return work(connection)

        return await self._with_connection(within)

    # --- the thread ----------------------------------------------------------------------

    async def close(self) -> None:
        """Finish what was begun and close the database; it may not have been open."""
        try:
            await self._in_thread(self._disconnect)
        finally:
            self._thread.shutdown(wait=False)

    async def _with_connection(self, work: Callable[[Connection], T]) -> T:
        def run() -> T:
            if self._connection is None:
                raise StoreError(self.database, "is not open")
            if self._connection.broken:
                self._connection.close()
                self._connect()
            return work(self._connection)

        return await self._in_thread(run)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        def run() -> T:
            try:
                return work()
            except self.database.errors as error:
                raise self.database.error(error) from error

        # Shielded: a caller that is cancelled does not take back what the thread has queued.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, run))

    def _connect(self) -> None:
        self._ids.clear()  # a server that was away may have come back from a backup
        self._connection = self.database.reader() if self._to_read else self.database.connect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _apply(
        self, connection: Connection, delta: Delta, steps: Sequence[BlockStep], token: str
    ) -> None:
        news: dict[WorkerKey, int] = {}
        delta.settle()
        with connection.transaction():
            for source, (after, through) in delta.progress.items():
                if not share_sql.advance(connection, source, after, through):
                    self._ids.clear()  # they may be others' by now
                    raise StoreMoved(self.database, source, after)
            for key in delta.by_worker():
                if key not in self._ids:
                    news[key] = share_sql.worker_id(connection, key)
            share_sql.add_workers(connection, delta.workers)
            share_sql.add_shares(connection, delta, self._ids | news if news else self._ids)
            reward_sql.add_earnings(connection, delta.earnings)
            share_sql.add_energy(connection, delta.site_energy_pj)
            energy_sql.add_node_work(connection, delta.nodes)
            energy_sql.add_site_earnings(connection, delta.earnings)
            block_sql.add_found(connection, delta.blocks)
            block_sql.add_rounds(connection, delta.rounds)
            block_sql.add_payouts(connection, delta.payouts)
            block_sql.take_steps(connection, steps)
            seal_sql.add_seals(connection, delta.seals)
            share_sql.note_save(connection, token)
        self._ids |= news


def _load(connection: Connection) -> LedgerState:
    totals = Totals()
    for key, each in share_sql.totals(connection):
        totals.sites.setdefault(key.site, ShareTotals()).add(each)
    totals.add({}, share_sql.energy(connection))
    sealed_through, cutoffs = seal_sql.last_seal(connection)
    return LedgerState(
        totals,
        share_sql.progress(connection),
        share_sql.worker_refs(connection),
        share_sql.templates(connection),
        share_sql.ended(connection),
        sealed_through,
        cutoffs,
    )
