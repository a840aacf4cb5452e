"""Keeps the books: journal batches into totals at once, and into the store every second.

The journal is the truth and the store is derived from it. A batch that was missed is read from
the journal's segments, and a store that fails for a while is caught up: nothing is lost. What
becomes of blocks is not in the journal; it goes into the store at once.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import structlog

from poolserver.bitcoin.header import hash_le_to_hex
from poolserver.ledger.blocks import BlockBook, BlockChange, BlockEnd, BlockState, BlockStep
from poolserver.ledger.fold import Delta, Fold
from poolserver.ledger.payout_records import DuesRecord
from poolserver.ledger.records import JournalBatch, LedgerError
from poolserver.ledger.segment import JournalWarning, read_segments
from poolserver.ledger.store import SqliteStore, StoreError
from poolserver.ledger.totals import Totals
from poolserver.log import RateLimited

# One transaction a second: the journal is safe by itself, the store may lag behind it.
STORE_INTERVAL_S = 1.0

log = structlog.get_logger(__name__)


class LedgerKeeper:
    """Folds batches into ``totals``; ``on_delta`` is told what each added, for the moment only."""

    def __init__(
        self,
        store: SqliteStore,
        journal_dir: Path,
        *,
        site_of: Callable[[str], str],
        energy_pj: Callable[[str, int], Fraction],
        on_delta: Callable[[Delta], None],
    ) -> None:
        self._store = store
        self._journal_dir = journal_dir
        self._site_of = site_of
        self._energy_pj = energy_pj
        self._on_delta = on_delta
        self._fold: Fold
        self._unsaved: Delta | None = None
        self._trouble = RateLimited(log)
        self._stuck: set[str] = set()  # sources with a gap that their journal cannot fill
        self._steps: list[BlockStep] = []  # of blocks, that the store does not have
        self._news = asyncio.Event()  # set where the store should have them at once
        self._saving: asyncio.Future[None] | None = None
        self.totals = Totals()
        self.blocks = BlockBook()

    async def open(self) -> None:
        """Load the totals and catch up with what the journal has beyond them.

        Raises:
            StoreError: the database cannot be used.
        """
        state = await self._store.open()
        self.totals = state.totals
        self._fold = Fold(
            site_of=self._site_of,
            energy_pj=self._energy_pj,
            progress=state.progress,
            workers=state.workers,
        )
        for block in await self._store.known_blocks():
            self.blocks.enter(block)
        await asyncio.to_thread(self._catch_up, tell=False)
        await self._save()
        await self._tell_unknown_payouts()

    def add(self, batch: JournalBatch) -> None:
        """Fold a batch; one that was seen before changes nothing."""
        if batch.source in self._stuck:
            return  # it was said; the next start reads the journal again
        try:
            self._take(self._fold.fold(batch), tell=True)
        except LedgerError as error:
            log.warning("ledger_catches_up", reason=str(error))
            self._catch_up(tell=True)
            if self._fold.folded(batch.source) < batch.first_sequence + batch.count - 1:
                self._stuck.add(batch.source)
                log.error("ledger_stuck", source=batch.source, reason=str(error))

    def note_block(self, change: BlockChange) -> bool:
        """Take down what became of a block; whether that is news that may be true."""
        block = self.blocks.find(change.hash_hex, change.height)
        if change.state is BlockState.FOUND:
            self._steps.append(change)  # the store knows whether it has it from the journal
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
        self._steps.append(change)
        self._news.set()
        return True

    def end_block(self, hash_hex: str) -> None:
        """The state of a known block will not change any more."""
        self.blocks.end(self.blocks.blocks[hash_hex])
        self._steps.append(BlockEnd(hash_hex))

    async def run(self) -> None:
        """Save every second, and at once what becomes of blocks, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(STORE_INTERVAL_S):
                    await self._news.wait()
            self._news.clear()
            self._saving = asyncio.ensure_future(self._save())
            await asyncio.shield(self._saving)  # close() waits for it

    async def close(self) -> None:
        """Save what is left and close the store."""
        if self._saving is not None:
            await asyncio.wait([self._saving])
        await self._save()
        await self._store.close()

    def _catch_up(self, *, tell: bool) -> None:
        for item in read_segments(self._journal_dir):
            if isinstance(item, JournalWarning):
                log.warning("journal_segment", warning=str(item))
                continue
            try:
                self._take(self._fold.fold(item), tell=tell)
            except LedgerError as error:
                self._stuck.add(item.source)
                log.error("journal_not_folded", source=item.source, reason=str(error))

    def _take(self, delta: Delta, *, tell: bool) -> None:
        if not delta:
            return
        self.totals.add(delta.totals)
        self._take_blocks(delta)
        if tell:
            self._on_delta(delta)
        if self._unsaved is None:
            self._unsaved = delta
        else:
            self._unsaved.merge(delta)

    def _take_blocks(self, delta: Delta) -> None:
        for found in delta.blocks:
            self.blocks.find(found.hash_hex, found.height)
        for record in delta.payouts:
            block = self.blocks.blocks.get(hash_le_to_hex(record.head.hash_le))
            if block is None:
                continue
            self.blocks.pay(block, record.head.value_sat)
            if isinstance(record, DuesRecord):
                unpaid_sat = [due.unpaid_sat for due in record.dues]
                self.blocks.owe(block, record.position, unpaid_sat)

    async def _tell_unknown_payouts(self) -> None:
        blocks, height = await self._store.without_payout()
        if blocks:
            log.warning("payouts_not_known", blocks=blocks, highest=height)

    def _put_back(self, delta: Delta) -> None:
        if self._unsaved is not None:
            delta.merge(self._unsaved)
        self._unsaved = delta

    async def _save(self) -> None:
        delta, self._unsaved = self._unsaved, None
        steps, self._steps = self._steps, []
        if delta is None and not steps:
            return
        now = asyncio.get_running_loop().time()
        try:
            await self._store.apply(delta or Delta(), steps)
        except StoreError as error:
            if delta is not None:
                self._put_back(delta)
            self._steps = steps + self._steps
            self._trouble.failed("ledger_store", str(error), now)
        else:
            self._trouble.restored("ledger_store_restored", now)
