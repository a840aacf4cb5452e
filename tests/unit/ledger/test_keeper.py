"""The books, kept from a real journal in a real database: nothing lost, nothing twice."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path

import pytest

from poolserver.ledger import keeper as keeper_module
from poolserver.ledger.fold import Delta
from poolserver.ledger.journal import Journal
from poolserver.ledger.keeper import LedgerKeeper
from poolserver.ledger.records import JournalBatch
from poolserver.ledger.store import BlockRow, SqliteStore, StoreError
from poolserver.ledger.totals import Totals, WorkerKey
from poolserver.mining.identity import WorkerIdentity
from poolserver.mining.share import ShareOutcome

RIG = WorkerKey("hall", "demo", "demo.rig")
WORK = 1000
FOUND = BlockRow("ab" * 32, 101, "found", "", "demo.rig", 1000, 1000)


class FailingStore(SqliteStore):
    """Fails to apply as often as it is told to, as a locked database does."""

    def __init__(self, path: Path, failures: int) -> None:
        super().__init__(path)
        self.failures = failures

    async def apply(self, delta: Delta) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreError(self._path, "is locked by another program", transient=True)
        await super().apply(delta)


class Shares:
    """A journal of one life, and the batches that it gave out."""

    def __init__(self, folder: Path, epoch: int = 1) -> None:
        self.batches: list[JournalBatch] = []
        self._journal = Journal(
            folder / "journal",
            WorkerIdentity("pool-1", 0, epoch),
            on_durable=self.batches.append,
            sync_interval_s=0.0,
        )
        self._ref = self._journal.declare_worker("demo", "demo.rig")

    async def batch(self, shares: int = 1) -> JournalBatch:
        """The batch of so many accepted shares, which is on the disk."""
        for _ in range(shares):
            self._journal.append_share(self._ref, ShareOutcome.ACCEPTED, True, WORK, 1, bytes(32))
        durable = asyncio.Event()
        while self._journal.pending:
            asyncio.get_running_loop().call_later(0.001, durable.set)
            await durable.wait()
            durable.clear()
        return self.batches[-1]

    async def block(self, height: int) -> JournalBatch:
        """The batch of a found block, which is on the disk."""
        self._journal.append_block(height, height.to_bytes(32, "little"), self._ref)
        return await self.batch(0)

    async def close(self) -> None:
        await self._journal.close()


@pytest.fixture
async def shares(tmp_path: Path) -> AsyncIterator[Shares]:
    shares = Shares(tmp_path)
    yield shares
    await shares.close()


@asynccontextmanager
async def keeping(
    folder: Path,
    store: SqliteStore | None = None,
    on_delta: Callable[[Delta], None] = lambda _: None,
) -> AsyncIterator[LedgerKeeper]:
    keeper = LedgerKeeper(
        store or SqliteStore(folder / "ledger.sqlite"),
        folder / "journal",
        site_of=lambda account: "hall" if account == "demo" else "unassigned",
        energy_pj=lambda site, work: Fraction(work, 3),
        on_delta=on_delta,
    )
    await keeper.open()
    try:
        yield keeper
    finally:
        await keeper.close()


async def stored(folder: Path) -> Totals:
    """What is in the database, without a look at the journal."""
    store = SqliteStore(folder / "ledger.sqlite")
    state = await store.open()
    await store.close()
    return state.totals


def accepted(totals: Totals) -> int:
    return totals.workers[RIG].shares[ShareOutcome.ACCEPTED] if RIG in totals.workers else 0


async def test_a_batch_is_in_the_totals_at_once_and_in_the_store_after_a_save(
    tmp_path: Path, shares: Shares
) -> None:
    async with keeping(tmp_path) as keeper:
        keeper.add(await shares.batch(3))
        assert accepted(keeper.totals) == 3
        assert keeper.totals.workers[RIG].accepted_work == 3 * WORK
        assert keeper.totals.site_energy_pj == {"hall": Fraction(WORK)}
        assert accepted(await stored(tmp_path)) == 0
    assert await stored(tmp_path) == keeper.totals


async def test_a_batch_that_is_seen_twice_changes_nothing(tmp_path: Path, shares: Shares) -> None:
    told: list[Delta] = []
    async with keeping(tmp_path, on_delta=told.append) as keeper:
        batch = await shares.batch(3)
        keeper.add(batch)
        keeper.add(batch)
        assert accepted(keeper.totals) == 3
        assert len(told) == 1
    assert accepted(await stored(tmp_path)) == 3


async def test_a_batch_that_was_missed_is_caught_up_from_the_journal(
    tmp_path: Path, shares: Shares
) -> None:
    told: list[int] = []

    def tell(delta: Delta) -> None:
        told.append(delta.totals.workers[RIG].proven_work)

    async with keeping(tmp_path, on_delta=tell) as keeper:
        keeper.add(await shares.batch(1))
        await shares.batch(2)  # lost on its way
        keeper.add(await shares.batch(4))
        assert accepted(keeper.totals) == 7
        assert sum(told) == 7 * WORK
    assert accepted(await stored(tmp_path)) == 7


async def test_a_batch_of_a_worker_whose_declaration_was_missed_is_caught_up(
    tmp_path: Path, shares: Shares
) -> None:
    async with keeping(tmp_path) as keeper:
        await shares.batch(1)  # with the declaration
        keeper.add(await shares.batch(1))
        assert accepted(keeper.totals) == 2


async def test_a_store_that_fails_for_a_while_loses_nothing(
    tmp_path: Path, shares: Shares, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "STORE_INTERVAL_S", 0.0)
    store = FailingStore(tmp_path / "ledger.sqlite", 0)
    async with keeping(tmp_path, store) as keeper:
        store.failures = 3
        saving = asyncio.create_task(keeper.run())
        for _ in range(6):
            keeper.add(await shares.batch(1))
        assert accepted(keeper.totals) == 6
        saving.cancel()
        await asyncio.gather(saving, return_exceptions=True)
        assert store.failures == 0
    assert await stored(tmp_path) == keeper.totals


async def test_what_a_dead_store_never_took_is_caught_up_at_the_next_start(
    tmp_path: Path, shares: Shares
) -> None:
    async with keeping(tmp_path, FailingStore(tmp_path / "ledger.sqlite", 1000)) as keeper:
        keeper.add(await shares.batch(5))
    assert accepted(await stored(tmp_path)) == 0
    async with keeping(tmp_path) as keeper:
        assert accepted(keeper.totals) == 5
    assert accepted(await stored(tmp_path)) == 5


async def test_a_restart_goes_on_where_the_last_life_ended(tmp_path: Path) -> None:
    expected = 0
    for epoch in (1, 2, 3):
        shares = Shares(tmp_path, epoch)
        async with keeping(tmp_path) as keeper:
            assert accepted(keeper.totals) == expected
            keeper.add(await shares.batch(2))
            keeper.add(await shares.batch(1))
            expected += 3
            assert accepted(keeper.totals) == expected
        await shares.close()
    assert accepted(await stored(tmp_path)) == 9


async def test_what_came_while_nobody_kept_books_is_caught_up_and_told_to_no_meter(
    tmp_path: Path, shares: Shares
) -> None:
    await shares.batch(4)
    told: list[Delta] = []
    async with keeping(tmp_path, on_delta=told.append) as keeper:
        assert accepted(keeper.totals) == 4
        assert accepted(await stored(tmp_path)) == 4
        assert told == []  # old work is no hashrate of now
        keeper.add(await shares.batch(1))
        assert len(told) == 1


async def test_blocks_are_counted_after_a_restart_as_before(tmp_path: Path) -> None:
    async with keeping(tmp_path) as keeper:
        await keeper.put_block(FOUND)
        await keeper.put_block(FOUND._replace(state="accepted", updated_at_ms=2000))
        await keeper.put_block(FOUND._replace(hash_hex="cd" * 32))
    async with keeping(tmp_path) as keeper:
        # Each was found, whatever became of it: a counter does not go back.
        assert dict(keeper.block_states) == {"found": 2, "accepted": 1}


async def test_a_block_that_the_journal_alone_tells_of_is_counted_and_stored(
    tmp_path: Path, shares: Shares
) -> None:
    await shares.block(101)  # nobody kept books
    async with keeping(tmp_path) as keeper:
        assert keeper.block_states["found"] == 1
    store = SqliteStore(tmp_path / "ledger.sqlite")
    await store.open()
    assert [(block.height, block.state) for block in await store.blocks()] == [(101, "found")]
    await store.close()


async def test_a_block_that_cannot_be_stored_stops_nothing(tmp_path: Path) -> None:
    class NoRoom(SqliteStore):
        async def put_block(self, block: BlockRow) -> None:
            raise StoreError(self._path, "cannot grow: the disk is full", transient=True)

    async with keeping(tmp_path, NoRoom(tmp_path / "ledger.sqlite")) as keeper:
        await keeper.put_block(FOUND)
