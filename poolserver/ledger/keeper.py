"""Keeps the books: journal batches into sums once a second, into the store every ten.

The journal is the truth and the store is derived from it. A batch that was missed is read from
the journal's segments, and a store that fails for a while is caught up: nothing is lost. What
becomes of blocks is not in the journal; it goes into the store at once.

The fold runs in a thread: the event loop is told of what it made.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import TypeVar

import structlog

from poolserver.bitcoin.header import hash_le_to_hex
from poolserver.histogram import Histogram
from poolserver.ledger.blocks import BlockBook, BlockChange, BlockEnd, BlockState
from poolserver.ledger.catch_up import CatchUp
from poolserver.ledger.database import Connection, StoreError
from poolserver.ledger.days import DayCloser
from poolserver.ledger.delta import Delta
from poolserver.ledger.fold import Fold, joined
from poolserver.ledger.payout_records import DuesRecord
from poolserver.ledger.pruner import Pruner
from poolserver.ledger.records import JournalBatch, LedgerError
from poolserver.ledger.retention import RetentionTerms
from poolserver.ledger.rewards import Rewards, read_window
from poolserver.ledger.saver import LedgerSaver
from poolserver.ledger.store import LedgerState, LedgerStore
from poolserver.ledger.totals import Totals, WorkerKey
from poolserver.ledger.unsaved import PART_ROWS
from poolserver.power.rating import Place

# Each worker that sent anything costs some 10 us a fold, from the journal to the last meter: five
# folds a second cost 1,000 busy rigs 11 us a share where one costs 3. And often enough that what a
# fold makes is taken in on the event loop within a millisecond or two, with 10,000 rigs.
FOLD_INTERVAL_S = 1.0
# As ``ledger.save_interval_s``: the journal is safe by itself, so the store may lag.
SAVE_INTERVAL_S = 10.0
PRUNE_INTERVAL_S = 3600.0

KEEP_ALL = RetentionTerms(inf, 2**62)

T = TypeVar("T")

log = structlog.get_logger(__name__)


class LedgerKeeper:
    """Folds batches; ``on_delta`` is told on the loop what they added, but not what open() did.

    ``in_thread`` is given each such delta before that, in the fold's thread: for what takes long.
    ``load`` takes up what else must be known before the journal is read, in the store's thread.

    ``clock`` is monotonic, ``unix_time`` the time of day, both in seconds; nothing is closed or
    deleted by the time of day unless ``is_time_sure``.
    """

    def __init__(
        self,
        store: LedgerStore,
        journal_dir: Path,
        *,
        site_of: Callable[[str], str],
        on_delta: Callable[[Delta], None],
        place_of: Callable[[WorkerKey], Place | None] = lambda key: None,
        in_thread: Callable[[Delta], None] = lambda delta: None,
        load: Callable[[Connection], None] = lambda connection: None,
        rewards: Rewards | None = None,
        save_interval_s: float = SAVE_INTERVAL_S,
        retention: RetentionTerms = KEEP_ALL,
        clock: Callable[[], float] = time.monotonic,
        unix_time: Callable[[], float] = time.time,
        is_time_sure: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store = store
        self._journal_dir = journal_dir
        self._site_of = site_of
        self._place_of = place_of
        self._on_delta = on_delta
        self._tell_in_thread = in_thread
        self._load = load
        self._save_interval_s = save_interval_s
        self._pruner = Pruner(store, journal_dir, retention)
        self._prune_at = clock()
        self._clock = clock
        self._unix_time = unix_time
        self._is_time_sure = is_time_sure
        self._fold: Fold
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger-fold")
        self._batches: list[JournalBatch] = []  # that are not folded yet
        self._waits_since = self._folds_since = (
            0.0  # of the first of these, and of those folded now
        )
        self._is_to_read = False  # what the journal has and no batch has told
        self._stuck: set[str] = set()  # sources with a gap that their journal cannot fill
        self._days = DayCloser()
        self._news = asyncio.Event()  # set where the store should have them at once
        self._folding: asyncio.Task[None] | None = None
        self._saving: asyncio.Task[None] | None = None
        self._pruning: asyncio.Task[None] | None = None
        self.totals = Totals()
        self.blocks = BlockBook()
        self.rewards = rewards or Rewards()
        self._saver = LedgerSaver(
            store,
            journal_dir,
            self.blocks,
            self._pruner,
            fold_from=self._fold_from,
            in_thread=self._in_thread,
            clock=clock,
            unix_time=unix_time,
        )
        self._unsaved = self._saver.unsaved

    # --- life ----------------------------------------------------------------------------

    async def open(self) -> None:
        """Load the sums and catch up with what the journal has beyond them.

        Raises:
            StoreError: the database cannot be used.
        """
        state = await self._store.open()
        self.totals = state.totals
        self._saver.go_on_from(state)
        self._fold = self._fold_from(state)
        for block in await self._store.known_blocks():
            self.blocks.enter(block)
        await self._store.read(self.rewards.load)
        await self._store.read(self._load)
        await self._take_up()
        blocks, height = await self._store.without_payout()
        if blocks:
            log.warning("payouts_not_known", blocks=blocks, highest=height)

    def _fold_from(self, state: LedgerState) -> Fold:
        return Fold(
            site_of=self._site_of,
            place_of=self._place_of,
            progress=state.progress,
            workers=state.workers,
            templates=state.templates,
            sealed_through=state.sealed_through,
            cutoffs=state.cutoffs,
        )

    async def _take_up(self) -> None:
        """Fold and save what the journal has: of what cannot be saved no more than a part is held.

        Raises:
            StoreError: the database cannot be used.
        """
        reading = CatchUp(self._journal_dir, self._fold, self._saver.ended)
        goes_on = True
        while goes_on:
            goes_on = await self._in_thread(reading.step)
            if reading.rows >= PART_ROWS:
                self._take(reading.take_part(), tell=False)
                await self._saver.try_to_save()
        self._stuck |= reading.stuck
        self._saver.end_later(reading.ended)
        self._take(reading.take_part(), tell=False)
        await self.save()

    async def run(self) -> None:
        """Fold and save in turn, and save at once what becomes of blocks; for ever."""
        is_urgent = False
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(FOLD_INTERVAL_S):
                    await self._news.wait()
            is_urgent |= self._news.is_set()  # until a save begins: one may be under way
            self._news.clear()
            await self.take_in()
            if self._is_time_sure():  # what is closed or deleted stays so
                self.close_days()
            if self._clock() >= self._prune_at and self._is_time_sure():
                self._prune_at = self._clock() + PRUNE_INTERVAL_S
                # A task of its own: a database that hangs does not hold up the fold.
                ended = self._saver.last_records()
                pruning = self._pruner.prune(ended, self._unix_time(), self._clock())
                self._pruning = asyncio.create_task(pruning, name="journal retention")
            is_due = self._clock() - self._saver.began_at >= self._save_interval_s
            if self._saving is not None and self._saving.done():
                self._saving.result()  # raises what should never be
                self._saving = None
            if (is_urgent or is_due) and self._saving is None:
                is_urgent = False
                self._saving = asyncio.create_task(self.save(), name="ledger save")

    async def close(self) -> None:
        """Fold and save what is left and close the store."""
        for task in (self._folding, self._saving, self._pruning):
            if task is not None:
                await asyncio.wait([task])
        await self.take_in()
        await self.save()
        await self._store.close()
        self._thread.shutdown(wait=False)

    # --- from the journal ----------------------------------------------------------------

    def add(self, batch: JournalBatch) -> None:
        """Take a batch, to be folded soon; one that was seen before changes nothing."""
        if not self._batches:
            self._waits_since = self._clock()
        self._batches.append(batch)

    def read_journal(self) -> None:
        """Batches may have been missed of a source that sends none now: read what it has, soon."""
        self._is_to_read = True

    def lag_s(self) -> float:
        """For how long the oldest of what has come is in no sum yet; 0: all is."""
        is_folding = self._folding is not None and not self._folding.done()
        if not is_folding and not self._batches:
            return 0.0
        return max(0.0, self._clock() - (self._folds_since if is_folding else self._waits_since))

    @property
    def stuck(self) -> Collection[str]:
        """Sources with a gap in their journal: of these nothing more is taken until a start."""
        return self._stuck

    async def take_in(self) -> None:
        """Fold what has come."""
        if self._batches or self._is_to_read:
            # A task of its own: what was folded must be taken even if the caller is cancelled.
            self._folding = asyncio.create_task(self._take_in(), name="ledger fold")
            await asyncio.shield(self._folding)

    async def _take_in(self) -> None:
        batches, self._batches = self._batches, []
        self._folds_since = self._waits_since
        is_to_read, self._is_to_read = self._is_to_read, False
        delta, ended = await self._in_thread(lambda: self._fold_all(batches, is_to_read))
        self._take(delta, tell=True)
        self._saver.end_later(ended)  # not before: a save that runs meanwhile would end them

    def _fold_all(self, batches: list[JournalBatch], is_to_read: bool) -> tuple[Delta, list[str]]:
        """In the thread: what is new, and sources of which that is the last.

        Of a source with a gap nothing is taken: it was said.
        """
        self._unsaved.settle()  # what was taken before
        ended: list[str] = []
        delta = self._catch_up(ended) if is_to_read else Delta()
        for batch in joined(batches):
            if batch.source in self._stuck:
                continue  # the next start reads the journal again
            try:
                delta.merge(self._fold.fold(batch))
            except LedgerError as error:
                log.warning("ledger_catches_up", reason=str(error))
                delta.merge(self._catch_up(ended))
                if self._fold.folded(batch.source) < batch.last_sequence:
                    self._stuck.add(batch.source)
                    log.error("ledger_stuck", source=batch.source, reason=str(error))
        self._tell_in_thread(delta)
        return delta, ended

    def _catch_up(self, ended: list[str]) -> Delta:
        """In the thread: what the journal has beyond the fold; sources that end go to ``ended``."""
        reading = CatchUp(self._journal_dir, self._fold, self._saver.ended)
        try:
            return reading.read_all()
        except OSError as error:
            log.error("journal_not_read", reason=str(error))
            return reading.take_part()
        finally:
            self._stuck |= reading.stuck
            ended += reading.ended

    def _take(self, delta: Delta, *, tell: bool) -> None:
        if not delta:
            return
        self.totals.add(delta.sites, delta.site_energy_pj)
        self._take_blocks(delta)
        self.rewards.take(delta)
        if tell:
            self._on_delta(delta)
        self._saver.add(delta)
        if delta.payouts:
            self._news.set()  # what blocks pay is wanted by more than us

    def _take_blocks(self, delta: Delta) -> None:
        for found in delta.blocks:
            self.blocks.find(found.hash_hex, found.height)
        for record in delta.payouts:
            block = self.blocks.blocks.get(hash_le_to_hex(record.head.hash_le))
            if block is None:
                continue
            self.blocks.pay(block, record.head.value_sat)
            if isinstance(record, DuesRecord):
                self.rewards.debts.take(block, record)
                unpaid_sat = [due.unpaid_sat for due in record.dues]
                self.blocks.owe(block, record.position, unpaid_sat)

    async def load_window(self, network_work: int) -> None:
        """Read from the store what the window of rewards lacks at this difficulty.

        Raises:
            StoreError: the database cannot be used; the window is as it was.
        """
        window = self.rewards.window
        if window is None or not window.missing_work(network_work):
            return
        while self._saving is not None and not self._saving.done():
            await asyncio.wait([self._saving])
        if self._unsaved.is_begun:
            reason = "does not answer whether it has the last save"
            raise StoreError(self._store.database, reason, transient=True)
        # From here on nothing may be awaited before the store's thread has the reading in its
        # queue: what it is to see is all that was taken but what is not saved.
        window.begin_loading(*self._unsaved.earnings())
        try:
            older = await self._store.read(read_window(window, network_work))
        except StoreError:
            window.give_up_loading()
            raise
        window.end_loading(older.intervals, is_whole=older.is_whole)

    def close_days(self) -> None:
        """Close the days that are over, behind what was taken in."""
        unix_s = self._unix_time()
        day = self._days.over(unix_s, self._clock())
        if day > self._fold.sealed_through:
            self._saver.add(self._fold.seal(day, int(unix_s * 1000)))
            self._news.set()

    # --- what becomes of blocks ----------------------------------------------------------

    def note_block(self, change: BlockChange) -> bool:
        """Take down what became of a block; whether that is news that may be true."""
        block = self.blocks.find(change.hash_hex, change.height)
        if change.state is BlockState.FOUND:
            self._unsaved.note(change)  # the store knows whether it has it from the journal
            return False
        known = block.state
        if change.state is known:
            return False
        if not self.blocks.change(block, change.state):
            log.warning(
                "block_state_refused",
                height=change.height,
                block=change.hash_hex,
                known=known,
                refused=change.state,
                reason=change.reason,
            )
            return False
        self._unsaved.note(change)
        self._news.set()
        return True

    def end_block(self, hash_hex: str) -> None:
        """The state of a known block will not change any more."""
        self.blocks.end(self.blocks.blocks[hash_hex])
        self._unsaved.note(BlockEnd(hash_hex))

    # --- to the store --------------------------------------------------------------------

    async def save(self) -> None:
        """Give the store what it lacks; what it does not take is tried again by the next call."""
        await self._saver.save()

    def unsaved_s(self) -> float:
        """How long ago the last save began that the store took: what was folded by then is in."""
        return self._saver.unsaved_s()

    @property
    def saves(self) -> Histogram:
        """How long saves took that went well."""
        return self._saver.saves

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
