"""The keeper keeps the rewards up to date and loads what a window lacks: none lost, none twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path

import pytest

from poolserver.ledger.blocks import BlockChange, BlockState
from poolserver.ledger.database import StoreError
from poolserver.ledger.delta import Delta, Progress
from poolserver.ledger.journal import Journal
from poolserver.ledger.keeper import LedgerKeeper
from poolserver.ledger.rewards import Rewards
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import INTERVAL_S, Earning, EarningKey
from poolserver.ledger.window import RewardWindow
from poolserver.mining.coinbase import TxOut
from poolserver.mining.identity import WorkerIdentity
from poolserver.mining.payout import Distribution, Due
from poolserver.mining.share import ShareOutcome

NBITS = 0x207FFFFF
WORK = 10
PAID = Distribution((TxOut(100, b"\x51"),), (Due("a", 97, 97),), 3)
HASH = (7).to_bytes(32, "big").hex()
SOURCE = "pool-1/0/1"


def window() -> RewardWindow:
    return RewardWindow(Fraction(1), lambda account: account != "nobody")


@asynccontextmanager
async def keeping(folder: Path, store: LedgerStore | None = None) -> AsyncIterator[LedgerKeeper]:
    keeper = LedgerKeeper(
        store or LedgerStore(SqliteDatabase(folder / "ledger.sqlite")),
        folder / "journal",
        site_of=lambda _: "hall",
        on_delta=lambda _: None,
        rewards=Rewards(window()),
    )
    await keeper.open()
    try:
        yield keeper
    finally:
        await keeper.close()


async def mined(folder: Path, epoch: int) -> None:
    """A life that ends with a found block, of which no store was told."""
    journal = Journal(
        folder / "journal",
        WorkerIdentity("pool-1", 0, epoch),
        on_durable=lambda _: None,
        sync_interval_s=0.0,
    )
    journal.note_template(7, NBITS, 50)
    ref = journal.declare_worker("demo", "demo.rig")
    for _ in range(3):
        journal.append_share(ref, ShareOutcome.ACCEPTED, True, WORK, 1, bytes(32))
    journal.append_block(7, (7).to_bytes(32, "little"), ref, PAID)
    journal.append_share(ref, ShareOutcome.ACCEPTED, True, WORK, 1, bytes(32))
    await journal.close()


async def test_what_a_start_finds_in_the_journal_is_in_the_rewards(tmp_path: Path) -> None:
    await mined(tmp_path, 1)
    for owed in ({}, {"a": 97}):  # from the journal, and then from the store
        async with keeping(tmp_path) as keeper:
            rewards = keeper.rewards
            assert rewards.window is not None
            assert rewards.window.weights(1000).weights == {"demo": 4 * WORK}
            assert rewards.luck.expected_blocks("hall") == 4 * WORK // 2
            assert rewards.luck.expected_sat("hall") == 4 * WORK // 2 * 50
            assert (rewards.luck.rounds, rewards.luck.open) == (
                {HASH: {NBITS: 3 * WORK}},
                {NBITS: WORK},
            )
            assert rewards.debts.owed_sat(keeper.blocks) == owed
            keeper.note_block(BlockChange(HASH, 7, "", BlockState.ACCEPTED, "", 1000))
            assert rewards.debts.owed_sat(keeper.blocks) == {"a": 97}


async def test_a_life_after_another_adds_to_it(tmp_path: Path) -> None:
    await mined(tmp_path, 1)
    async with keeping(tmp_path):
        pass
    await mined(tmp_path, 2)  # the block is told of once more
    async with keeping(tmp_path) as keeper:
        assert keeper.rewards.window is not None
        assert keeper.rewards.window.work == 8 * WORK
        assert keeper.rewards.luck.rounds == {HASH: {NBITS: 3 * WORK}}
        assert keeper.rewards.luck.open == {NBITS: 5 * WORK}


# --- loading ---------------------------------------------------------------------------------


def earned(after: int, *rows: tuple[int, str, int]) -> Delta:
    """The next record of the source, by which these were earned."""
    return Delta(
        {SOURCE: Progress(after, after + 1)},
        earnings={
            EarningKey(number * INTERVAL_S, "hall", account, NBITS): Earning(work, work)
            for number, account, work in rows
        },
    )


class SlowStore(LedgerStore):
    """Lets the test do something between the call of a read or an apply and its answer."""

    def __init__(self, path: Path) -> None:
        super().__init__(SqliteDatabase(path))
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_down = False

    async def apply(self, delta, steps=()) -> None:  # type: ignore[no-untyped-def]
        if self.is_down:
            await self.gate.wait()
            raise StoreError(self.database, "is locked by another program", transient=True)
        await super().apply(delta, steps)
        await self.gate.wait()

    async def read(self, work):  # type: ignore[no-untyped-def]
        if self.is_down:
            raise StoreError(self.database, "is locked by another program", transient=True)
        result = await super().read(work)
        await self.gate.wait()
        return result


async def test_a_window_that_grows_is_loaded_while_work_and_saves_go_on(tmp_path: Path) -> None:
    store = SlowStore(tmp_path / "ledger.sqlite")
    async with keeping(tmp_path, store) as keeper:
        held = keeper.rewards.window
        assert held is not None
        # By the way of _take, as if folded: the journal's own clock cannot go back in time.
        keeper._take(earned(0, (1, "a", 1), (2, "a", 2), (3, "b", 4)), tell=True)
        await keeper.save()
        held.expire(4)
        assert (held.work, held.floor_s) == (4, 3 * INTERVAL_S)
        keeper._take(earned(1, (1, "a", 8), (3, "b", 16)), tell=True)  # late, and not saved
        store.gate.clear()
        loading = asyncio.create_task(keeper.load_window(1000))
        await asyncio.sleep(0)
        keeper._take(earned(2, (2, "a", 32), (3, "b", 64)), tell=True)
        saving = asyncio.create_task(keeper.save())
        await asyncio.sleep(0)
        keeper._take(earned(3, (1, "b", 128), (1, "nobody", 1)), tell=True)
        store.gate.set()
        await asyncio.gather(loading, saving)
        assert held.is_whole
        assert held.weights(1000).weights == {"a": 1 + 2 + 8 + 32, "b": 4 + 16 + 64 + 128}
        keeper._take(earned(4, (0, "a", 256)), tell=True)
        before = held.weights(1000)
    async with keeping(tmp_path) as keeper:
        assert keeper.rewards.window is not None
        await keeper.load_window(1000)
        assert keeper.rewards.window.weights(1000) == before


async def test_a_save_under_way_is_waited_for_and_one_that_fails_is_not_forgotten(
    tmp_path: Path,
) -> None:
    store = SlowStore(tmp_path / "ledger.sqlite")
    async with keeping(tmp_path, store) as keeper:
        held = keeper.rewards.window
        assert held is not None
        keeper._take(earned(0, (1, "a", 1), (2, "a", 2)), tell=True)
        await keeper.save()
        held.expire(2)
        keeper._take(earned(1, (1, "a", 4)), tell=True)
        store.is_down = True
        store.gate.clear()
        keeper._saving = asyncio.create_task(keeper.save())
        await asyncio.sleep(0)
        loading = asyncio.create_task(keeper.load_window(1000))
        await asyncio.sleep(0)
        assert not loading.done()
        store.gate.set()
        with pytest.raises(StoreError, match="whether it has the last save"):
            await loading
        assert (held.work, held.floor_s) == (2, 2 * INTERVAL_S)
        store.is_down = False
        await keeper.save()
        await keeper.load_window(1000)
        assert held.weights(1000).weights == {"a": 7}


async def test_a_store_that_cannot_be_read_leaves_the_window_as_it_was(tmp_path: Path) -> None:
    store = SlowStore(tmp_path / "ledger.sqlite")
    async with keeping(tmp_path, store) as keeper:
        held = keeper.rewards.window
        assert held is not None
        keeper._take(earned(0, (1, "a", 1), (2, "a", 2)), tell=True)
        await keeper.save()
        held.expire(2)
        store.is_down = True
        with pytest.raises(StoreError, match="locked"):
            await keeper.load_window(1000)
        assert (held.work, held.floor_s) == (2, 2 * INTERVAL_S)
        store.is_down = False
        keeper._take(earned(1, (1, "a", 4)), tell=True)
        await keeper.load_window(1000)
        assert held.weights(1000).weights == {"a": 7}


async def test_a_window_that_lacks_nothing_is_not_read(tmp_path: Path) -> None:
    store = SlowStore(tmp_path / "ledger.sqlite")
    async with keeping(tmp_path, store) as keeper:
        store.is_down = True
        await keeper.load_window(1000)
        store.is_down = False
