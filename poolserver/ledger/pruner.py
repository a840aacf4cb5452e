"""Deletes files of the journal that have expired: first noted in the store, then done."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import structlog

from poolserver.ledger.database import StoreError
from poolserver.ledger.retention import RetentionTerms, delete, plan_pruning
from poolserver.ledger.store import LedgerStore
from poolserver.log import RateLimited

log = structlog.get_logger(__name__)


class Pruner:
    """Of one journal, by ``terms``."""

    def __init__(self, store: LedgerStore, journal_dir: Path, terms: RetentionTerms) -> None:
        self._store = store
        self._journal_dir = journal_dir
        self._terms = terms
        self._trouble = RateLimited(log)
        self.through: dict[str, int] = {}
        """The last record of each source that was deleted in this life."""

    async def prune(self, ended: Mapping[str, int], unix_s: float, now_s: float) -> None:
        """Delete what has expired and what the store has wholly; ``now_s`` is monotonic.

        ``ended`` is the last record of each source that has ended: a store that has gone back may
        lack it again. What cannot be done is told, and done next time.
        """
        folder, terms = self._journal_dir, self._terms
        try:
            saved = await self._store.load_progress()
            whole = {source for source, last in ended.items() if saved.get(source, 0) >= last}
            plan = await asyncio.to_thread(plan_pruning, folder, saved, whole, terms, unix_s)
            # First noted, then done: what is missing and was not noted was not deleted by us.
            await self._store.note_pruned(plan.through, plan.gone_sources)
            self.through |= plan.through
            await asyncio.to_thread(delete, folder, plan)
        except (OSError, StoreError) as error:
            self._trouble.failed("journal_not_pruned", str(error), now_s)
            return
        self._trouble.restored("journal_pruned_again", now_s)
        if plan.files:
            log.info("journal_pruned", files=len(plan.files), left_bytes=plan.left_bytes)
        if plan.left_bytes > terms.keep_bytes:
            log.warning("journal_over_size", bytes=plan.left_bytes)
