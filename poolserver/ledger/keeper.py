"""Keeps the books: journal batches into totals at once, and into the store every second.

The journal is the truth and the store is derived from it. A batch that was missed is read from
the journal's segments, and a store that fails for a while is caught up: nothing is lost.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import structlog

from poolserver.ledger.fold import Delta, Fold
from poolserver.ledger.records import JournalBatch, LedgerError
from poolserver.ledger.segment import JournalWarning, read_segments
from poolserver.ledger.store import BlockRow, SqliteStore, StoreError
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
        self.totals = Totals()
        self._blocks: dict[str, str] = {}  # the state of each, by its hash

    @property
    def block_states(self) -> Counter[str]:
        """How many blocks are in each state; all that there ever were are ``found``."""
        states = Counter(self._blocks.values())
        states["found"] = len(self._blocks)
        return states

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
        self._blocks = {block.hash_hex: block.state for block in await self._store.blocks()}
        await asyncio.to_thread(self._catch_up, tell=False)
        await self._save()

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

    async def put_block(self, block: BlockRow) -> None:
        """Write down a block's state; a store that fails is logged, the spool has the block."""
        self._blocks[block.hash_hex] = block.state
        try:
            await self._store.put_block(block)
        except StoreError as error:
            log.error("block_not_stored", block=block.hash_hex, reason=str(error))

    async def run(self) -> None:
        """Save every second until cancelled."""
        while True:
            await asyncio.sleep(STORE_INTERVAL_S)
            await self._save()

    async def close(self) -> None:
        """Save what is left and close the store."""
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
        for block in delta.blocks:
            self._blocks.setdefault(block.hash_hex, "found")
        if tell:
            self._on_delta(delta)
        if self._unsaved is None:
            self._unsaved = delta
        else:
            self._unsaved.merge(delta)

    def _put_back(self, delta: Delta) -> None:
        if self._unsaved is not None:
            delta.merge(self._unsaved)
        self._unsaved = delta

    async def _save(self) -> None:
        delta, self._unsaved = self._unsaved, None
        if delta is None:
            return
        now = asyncio.get_running_loop().time()
        try:
            await self._store.apply(delta)
        except StoreError as error:
            self._put_back(delta)
            self._trouble.failed("ledger_store", str(error), now)
        else:
            self._trouble.restored("ledger_store_restored", now)
