"""The books, kept from a real journal in a real database: nothing lost, nothing twice."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import TypeVar

import pytest
from structlog.testing import capture_logs

from poolserver.ledger import keeper as keeper_module
from poolserver.ledger.blocks import BlockChange, BlockState, BlockStep
from poolserver.ledger.database import Connection, StoreError
from poolserver.ledger.delta import Delta
from poolserver.ledger.journal import Journal
from poolserver.ledger.keeper import LedgerKeeper
from poolserver.ledger.records import JournalBatch
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import Totals, WorkerKey
from poolserver.mining.coinbase import TxOut
from poolserver.mining.identity import WorkerIdentity
from poolserver.mining.payout import Distribution, Due
from poolserver.mining.share import ShareOutcome
from tests.unit.ledger.places import places

T = TypeVar("T")

RIG = WorkerKey("hall", "demo", "demo.rig")
WORK = 1000
FOUND, ACCEPTED, STALE, REJECTED, ORPHANED, MATURE = BlockState
PAID = Distribution((TxOut(100, b"\x51"),), (Due("north", 7, 7), Due("south", 90, 0)), 3)


def block(state: BlockState, *, hash_hex: str = "ab" * 32, reason: str = "") -> BlockChange:
    return BlockChange(hash_hex, 101, "demo.rig", state, reason, 1000)


def sqlite_store(folder: Path, *, to_read: bool = False) -> LedgerStore:
    return LedgerStore(SqliteDatabase(folder / "ledger.sqlite"), to_read=to_read)


class FailingStore(LedgerStore):
    """Fails to apply as often as it is told to, as a locked database does."""

    def __init__(self, path: Path, failures: int) -> None:
        super().__init__(SqliteDatabase(path))
        self.failures = failures

    async def apply(self, delta: Delta, steps: Sequence[BlockStep] = ()) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreError(self.database, "is locked by another program", transient=True)
        await super().apply(delta, steps)


class MuteStore(FailingStore):
    """Takes what it is given to apply, and has the answer lost, as often as it is told to."""

    lost = 0

    async def read(self, work: Callable[[Connection], T]) -> T:
        if self.failures:
            self.failures -= 1
            raise StoreError(self.database, "cannot be reached", transient=True)
        return await super().read(work)

    async def _with_connection(self, work: Callable[[Connection], T]) -> T:
        result = await super()._with_connection(work)
        if self.lost:
            self.lost -= 1
            raise StoreError(self.database, "cannot be reached", transient=True)
        return result


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
        self._journal.append_block(height, height.to_bytes(32, "little"), self._ref, PAID)
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
    store: LedgerStore | None = None,
    on_delta: Callable[[Delta], None] = lambda _: None,
    in_thread: Callable[[Delta], None] = lambda _: None,
    save_interval_s: float = 10.0,
) -> AsyncIterator[LedgerKeeper]:
    keeper = LedgerKeeper(
        store or sqlite_store(folder),
        folder / "journal",
        site_of=lambda account: "hall" if account == "demo" else "unassigned",
        place_of=places(Fraction(1, 3)),
        on_delta=on_delta,
        in_thread=in_thread,
        save_interval_s=save_interval_s,
    )
    await keeper.open()
    try:
        yield keeper
    finally:
        await keeper.close()


async def stored(folder: Path) -> Totals:
    """What is in the database, without a look at the journal."""
    store = sqlite_store(folder, to_read=True)
    state = await store.open()
    await store.close()
    return state.totals


def accepted(totals: Totals) -> int:
    return totals.sites["hall"].shares[ShareOutcome.ACCEPTED] if "hall" in totals.sites else 0


async def test_a_batch_is_in_the_totals_at_once_and_in_the_store_after_a_save(
    tmp_path: Path, shares: Shares
) -> None:
    async with keeping(tmp_path) as keeper:
        keeper.add(await shares.batch(3))
        await keeper.take_in()
        assert accepted(keeper.totals) == 3
        assert keeper.totals.sites["hall"].accepted_work == 3 * WORK
        assert keeper.totals.site_energy_pj == {"hall": Fraction(WORK)}
        assert accepted(await stored(tmp_path)) == 0
    assert await stored(tmp_path) == keeper.totals


async def test_a_batch_that_is_seen_twice_changes_nothing(tmp_path: Path, shares: Shares) -> None:
    told: list[Delta] = []
    async with keeping(tmp_path, on_delta=told.append) as keeper:
        batch = await shares.batch(3)
        keeper.add(batch)
        keeper.add(batch)
        await keeper.take_in()
        assert accepted(keeper.totals) == 3
        assert len(told) == 1
    assert accepted(await stored(tmp_path)) == 3


async def test_a_batch_that_was_missed_is_caught_up_from_the_journal(
    tmp_path: Path, shares: Shares
) -> None:
    told: list[int] = []

    def tell(delta: Delta) -> None:
        told.append(delta.by_worker()[RIG].proven_work)

    async with keeping(tmp_path, on_delta=tell) as keeper:
        keeper.add(await shares.batch(1))
        await keeper.take_in()
        await shares.batch(2)  # lost on its way
        keeper.add(await shares.batch(4))
        await keeper.take_in()
        assert accepted(keeper.totals) == 7
        assert sum(told) == 7 * WORK
    assert accepted(await stored(tmp_path)) == 7


async def test_a_batch_of_a_worker_whose_declaration_was_missed_is_caught_up(
    tmp_path: Path, shares: Shares
) -> None:
    async with keeping(tmp_path) as keeper:
        await shares.batch(1)  # with the declaration
        keeper.add(await shares.batch(1))
        await keeper.take_in()
        assert accepted(keeper.totals) == 2


async def test_a_store_that_fails_for_a_while_loses_nothing(
    tmp_path: Path, shares: Shares, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "FOLD_INTERVAL_S", 0.0)
    store = FailingStore(tmp_path / "ledger.sqlite", 0)
    async with keeping(tmp_path, store, save_interval_s=0.0) as keeper:
        store.failures = 3
        saving = asyncio.create_task(keeper.run())
        for _ in range(6):
            keeper.add(await shares.batch(1))
            await keeper.take_in()
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
        await keeper.take_in()
    assert accepted(await stored(tmp_path)) == 0
    async with keeping(tmp_path) as keeper:
        assert accepted(keeper.totals) == 5
    assert accepted(await stored(tmp_path)) == 5


async def test_a_save_whose_answer_was_lost_counts_once(tmp_path: Path, shares: Shares) -> None:
    store = MuteStore(tmp_path / "ledger.sqlite", 0)
    async with keeping(tmp_path, store) as keeper:
        for number in range(4):
            keeper.add(await shares.block(101 + number))
            keeper.add(await shares.batch(2))
            await keeper.take_in()
            keeper.note_block(block(ACCEPTED, hash_hex=f"{101 + number:064x}"))
            store.lost = 1
            await keeper.save()
            store.failures = number % 2  # for a while nobody can be asked what became of it
            await keeper.save()
    assert accepted(await stored(tmp_path)) == 8
    assert await blocks_stored(tmp_path) == [("accepted", ["found", "accepted"])] * 4


async def test_a_restart_goes_on_where_the_last_life_ended(tmp_path: Path) -> None:
    expected = 0
    for epoch in (1, 2, 3):
        shares = Shares(tmp_path, epoch)
        async with keeping(tmp_path) as keeper:
            assert accepted(keeper.totals) == expected
            keeper.add(await shares.batch(2))
            keeper.add(await shares.batch(1))
            await keeper.take_in()
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
        await keeper.take_in()
        assert len(told) == 1


# --- blocks ----------------------------------------------------------------------------------


async def blocks_stored(folder: Path) -> list[tuple[str, list[str]]]:
    """The state and the history of each block in the database, the newest first."""
    store = sqlite_store(folder, to_read=True)
    await store.open()
    blocks = [
        (row.state, [event.state for event in await store.block_history(row.hash_hex)])
        for row in await store.blocks()
    ]
    await store.close()
    return blocks


async def test_blocks_are_counted_after_a_restart_as_before(tmp_path: Path) -> None:
    async with keeping(tmp_path) as keeper:
        for state in (FOUND, ACCEPTED, ORPHANED, ACCEPTED):
            keeper.note_block(block(state))
        keeper.note_block(block(FOUND, hash_hex="cd" * 32))
        reached = dict(keeper.blocks.reached)
        # Each was found, and that one accepted, whatever became of it: no counter goes back.
        assert reached == {FOUND: 2, ACCEPTED: 1, ORPHANED: 1}
    async with keeping(tmp_path) as keeper:
        assert dict(keeper.blocks.reached) == reached
        assert +keeper.blocks.now == {FOUND: 1, ACCEPTED: 1}


async def test_what_a_block_pays_is_booked_and_known_after_a_restart(
    tmp_path: Path, shares: Shares
) -> None:
    async with keeping(tmp_path) as keeper:
        keeper.add(await shares.block(101))
        await keeper.take_in()
        keeper.note_block(block(ACCEPTED, hash_hex=f"{101:064x}"))
        value_sat, unpaid_sat = +keeper.blocks.value_sat, +keeper.blocks.unpaid_sat
        assert (value_sat, unpaid_sat) == ({ACCEPTED: 100}, {ACCEPTED: 7})
    async with keeping(tmp_path) as keeper:
        assert (+keeper.blocks.value_sat, +keeper.blocks.unpaid_sat) == (value_sat, unpaid_sat)


async def test_a_block_that_the_journal_alone_tells_of_is_counted_and_stored(
    tmp_path: Path, shares: Shares
) -> None:
    await shares.block(101)  # nobody kept books
    async with keeping(tmp_path) as keeper:
        assert keeper.blocks.reached[FOUND] == 1
        assert keeper.blocks.value_sat[FOUND] == 100
    assert await blocks_stored(tmp_path) == [("found", ["found"])]


async def test_news_of_a_block_that_the_journal_tells_of_too_counts_once(
    tmp_path: Path, shares: Shares
) -> None:
    news = block(FOUND, hash_hex=f"{101:064x}")
    async with keeping(tmp_path) as keeper:
        assert not keeper.note_block(news)
        keeper.add(await shares.block(101))
        await keeper.take_in()
        assert keeper.note_block(news._replace(state=ACCEPTED))
        assert not keeper.note_block(news)
        assert not keeper.note_block(news._replace(state=ACCEPTED))
        assert dict(keeper.blocks.reached) == {FOUND: 1, ACCEPTED: 1}
    assert await blocks_stored(tmp_path) == [("accepted", ["found", "accepted"])]


async def test_a_step_that_no_block_takes_is_refused_and_said(tmp_path: Path) -> None:
    with capture_logs() as said:
        async with keeping(tmp_path) as keeper:
            assert keeper.note_block(block(REJECTED, reason="bad-cb-amount"))
            assert not keeper.note_block(block(ACCEPTED, reason="duplicate"))
    (refused,) = [event for event in said if event["event"] == "block_state_refused"]
    assert (refused["known"], refused["refused"]) == (REJECTED, ACCEPTED)
    assert await blocks_stored(tmp_path) == [("rejected", ["found", "rejected"])]


async def test_what_becomes_of_a_block_is_stored_at_once(tmp_path: Path) -> None:
    applied = asyncio.Event()

    class Watched(LedgerStore):
        async def apply(self, delta: Delta, steps: Sequence[BlockStep] = ()) -> None:
            await super().apply(delta, steps)
            applied.set()

    async with keeping(tmp_path, Watched(SqliteDatabase(tmp_path / "ledger.sqlite"))) as keeper:
        saving = asyncio.create_task(keeper.run())
        keeper.note_block(block(ACCEPTED))
        async with asyncio.timeout(keeper_module.FOLD_INTERVAL_S / 2):
            await applied.wait()
        saving.cancel()
        await asyncio.gather(saving, return_exceptions=True)
        assert await blocks_stored(tmp_path) == [("accepted", ["found", "accepted"])]


async def test_what_becomes_of_blocks_while_the_store_fails_is_stored_in_order(
    tmp_path: Path, shares: Shares, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "FOLD_INTERVAL_S", 0.0)
    store = FailingStore(tmp_path / "ledger.sqlite", 0)
    async with keeping(tmp_path, store, save_interval_s=0.0) as keeper:
        store.failures = 3
        saving = asyncio.create_task(keeper.run())
        for state in (FOUND, ACCEPTED, ORPHANED, ACCEPTED):
            keeper.note_block(block(state))
            keeper.add(await shares.batch(1))  # so the loop turns
            await keeper.take_in()
        saving.cancel()
        await asyncio.gather(saving, return_exceptions=True)
    history = ["found", "accepted", "orphaned", "accepted"]
    assert await blocks_stored(tmp_path) == [("accepted", history)]
    assert accepted(await stored(tmp_path)) == 4


async def test_a_save_that_is_cancelled_is_finished_before_the_books_are_closed(
    tmp_path: Path,
) -> None:
    begun = asyncio.Event()

    class Slow(FailingStore):
        async def apply(self, delta: Delta, steps: Sequence[BlockStep] = ()) -> None:
            begun.set()
            await asyncio.sleep(0)
            await super().apply(delta, steps)

    async with keeping(tmp_path, Slow(tmp_path / "ledger.sqlite", 1)) as keeper:
        saving = asyncio.create_task(keeper.run())
        keeper.note_block(block(ACCEPTED))
        await begun.wait()
        saving.cancel()  # and what it took off the books for the store fails after that
    assert await blocks_stored(tmp_path) == [("accepted", ["found", "accepted"])]


async def test_a_block_that_is_final_is_not_looked_at_after_a_restart(tmp_path: Path) -> None:
    async with keeping(tmp_path) as keeper:
        keeper.note_block(block(STALE))
        keeper.end_block("ab" * 32)
        keeper.note_block(block(STALE, hash_hex="cd" * 32))
    async with keeping(tmp_path) as keeper:
        assert keeper.blocks.unsettled == 1
        known = keeper.blocks.next_to_look_at()
        assert known is not None
        assert known.hash_hex == "cd" * 32


async def test_blocks_whose_payout_is_not_in_the_journal_are_told_of_at_a_start(
    tmp_path: Path,
) -> None:
    with capture_logs() as said:
        async with keeping(tmp_path) as keeper:
            keeper.note_block(block(ACCEPTED))
        assert [event["event"] for event in said] == []
        async with keeping(tmp_path):
            pass
    (told,) = said
    assert (told["event"], told["blocks"], told["highest"]) == ("payouts_not_known", 1, 101)


# --- days ------------------------------------------------------------------------------------


class Clocks:
    """Both clocks of a keeper, set by hand."""

    def __init__(self, unix_s: float) -> None:
        self.unix_s = unix_s
        self.monotonic_s = 0.0

    def unix_time(self) -> float:
        return self.unix_s

    def clock(self) -> float:
        return self.monotonic_s

    def advance(self, seconds: float) -> None:
        self.unix_s += seconds
        self.monotonic_s += seconds


async def seals(folder: Path) -> list[tuple[int, str, int]]:
    store = sqlite_store(folder)
    await store.open()
    rows = await store.read(
        lambda c: c.execute("SELECT * FROM seal_cutoff ORDER BY through_day, source").fetchall()
    )
    await store.close()
    return [tuple(row) for row in rows]


async def test_a_day_that_is_over_is_closed_with_where_its_sources_stood(
    tmp_path: Path, shares: Shares
) -> None:
    clocks = Clocks(20_000 * 86_400 + 86_000)
    keeper = LedgerKeeper(
        sqlite_store(tmp_path),
        tmp_path / "journal",
        site_of=lambda _: "hall",
        on_delta=lambda _: None,
        clock=clocks.clock,
        unix_time=clocks.unix_time,
    )
    await keeper.open()
    keeper.add(await shares.batch(2))
    for _ in range(5):
        await keeper.take_in()
        keeper.close_days()
        clocks.advance(400)
    await keeper.close()
    source = shares.batches[0].source
    assert await seals(tmp_path) == [(20_000, source, 3)]


async def test_what_was_folded_when_the_keeper_was_stopped_is_in_the_books(
    tmp_path: Path, shares: Shares
) -> None:
    async with keeping(tmp_path) as keeper:
        keeper.add(await shares.batch(2))
        taking = asyncio.create_task(keeper.take_in())
        await asyncio.sleep(0)
        taking.cancel()  # the fold goes on in its thread
        await asyncio.gather(taking, return_exceptions=True)
        keeper.add(await shares.batch(1))
    assert accepted(await stored(tmp_path)) == 3


async def test_news_of_a_block_that_comes_while_a_save_runs_is_saved_right_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "FOLD_INTERVAL_S", 0.0)
    begun, go_on, both = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Slow(LedgerStore):
        async def apply(self, delta: Delta, steps: Sequence[BlockStep] = ()) -> None:
            if begun.is_set():
                both.set()
            begun.set()
            await go_on.wait()
            await super().apply(delta, steps)

    store = Slow(SqliteDatabase(tmp_path / "ledger.sqlite"))
    async with keeping(tmp_path, store, save_interval_s=1e9) as keeper:
        running = asyncio.create_task(keeper.run())
        keeper.note_block(block(ACCEPTED))
        await begun.wait()
        keeper.note_block(block(ACCEPTED, hash_hex="cd" * 32))
        go_on.set()
        async with asyncio.timeout(5):
            await both.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_the_last_records_of_a_process_that_died_are_read_when_asked_for(
    tmp_path: Path,
) -> None:
    died = Shares(tmp_path)
    told: list[Delta] = []
    async with keeping(tmp_path, on_delta=told.append) as keeper:
        keeper.add(await died.batch(1))
        await keeper.take_in()
        await died.batch(3)  # which crosses no link
        await died.close()  # as a lock ends with its process
        await keeper.take_in()
        assert accepted(keeper.totals) == 1
        keeper.read_journal()
        await keeper.take_in()
        assert accepted(keeper.totals) == 4
        assert len(told) == 2
        await keeper.take_in()
        assert len(told) == 2
        await keeper.save()
        assert keeper._saver.ended == {"pool-1/0/1"}
    store = sqlite_store(tmp_path, to_read=True)
    assert (await store.open()).ended == {"pool-1/0/1"}
    await store.close()


async def test_a_source_does_not_end_before_its_last_records_are_saved(tmp_path: Path) -> None:
    """A save may run while they are read: a crash just after it would have lost them."""
    died, is_read, go_on = Shares(tmp_path), Event(), Event()

    def in_thread(delta: Delta) -> None:
        is_read.set()
        assert go_on.wait(5)

    async with keeping(tmp_path, in_thread=in_thread) as keeper:
        await died.batch(3)
        await died.close()
        keeper.read_journal()
        reading = asyncio.create_task(keeper.take_in())
        async with asyncio.timeout(5):
            await asyncio.to_thread(is_read.wait)
            await keeper.save()
            assert keeper._saver.ended == set()
            go_on.set()
            await reading
            await keeper.save()
        assert keeper._saver.ended == {"pool-1/0/1"}


async def test_a_source_that_lives_does_not_end_by_being_read(
    tmp_path: Path, shares: Shares
) -> None:
    async with keeping(tmp_path) as keeper:
        first = await shares.batch(2)
        keeper.read_journal()
        await keeper.take_in()
        keeper.add(first)  # comes late
        keeper.add(await shares.batch(1))
        await keeper.take_in()
        await keeper.save()
        assert accepted(keeper.totals) == 3
        assert keeper._saver.ended == set()
