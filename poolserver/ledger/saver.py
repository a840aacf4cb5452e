"""Gives the store what it lacks: part by part, each once, and whatever a failure has left open.

The keeper adds what it folded, and says when to save. A save that failed may have been taken
nevertheless: the store is asked. One that has gone back to an earlier state is filled up from the
journal first.
"""

from collections.abc import Awaitable, Callable, Iterable
from math import inf
from pathlib import Path

import structlog

from poolserver.histogram import CALL_S, Histogram
from poolserver.ledger.blocks import BlockBook
from poolserver.ledger.database import StoreError, StoreMoved
from poolserver.ledger.delta import Delta, Seal
from poolserver.ledger.fold import Fold
from poolserver.ledger.pruner import Pruner
from poolserver.ledger.refill import Refill, Standing
from poolserver.ledger.store import LedgerState, LedgerStore
from poolserver.ledger.unsaved import Unsaved
from poolserver.log import RateLimited

REFILL_INTERVAL_S = 600.0
"""How soon a store that has gone back further than the journal reaches is filled up once more."""

log = structlog.get_logger(__name__)


class LedgerSaver:
    """Of one keeper. ``clock`` is monotonic, ``unix_time`` the time of day, both in seconds.

    ``fold_from`` and ``in_thread`` are what a ``Refill`` needs.
    """

    def __init__(
        self,
        store: LedgerStore,
        journal_dir: Path,
        blocks: BlockBook,
        pruner: Pruner,
        *,
        fold_from: Callable[[LedgerState], Fold],
        in_thread: Callable[[Callable[[], bool]], Awaitable[bool]],
        clock: Callable[[], float],
        unix_time: Callable[[], float],
    ) -> None:
        self._store = store
        self._blocks = blocks
        self._pruner = pruner
        self._clock = clock
        self._unix_time = unix_time
        self._refill = Refill(store, journal_dir, fold_from, in_thread)
        self._refill_at = -inf  # not before
        self._trouble = RateLimited(log)
        self._seals: list[Seal] = []  # that the store was given
        self._taken: dict[str, int] = {}  # the last record of each source in the sums
        self._to_end: set[str] = set()  # wholly folded, and perhaps not saved yet
        self._saved_through_s = clock()
        self.unsaved = Unsaved()
        self.ended: set[str] = set()
        """Sources whose life is over, and that the store has wholly."""
        self.saves = Histogram(CALL_S)
        """How long saves took that went well."""
        self.began_at = clock()
        """When the last save began, whatever became of it."""

    def go_on_from(self, state: LedgerState) -> None:
        """Take up where the store stands."""
        self.ended = state.ended
        self._taken = dict(state.progress)
        # It stands for all seals until now.
        self._seals = [Seal(state.sealed_through, self._now_ms(), state.cutoffs)]

    # --- what is to be saved -------------------------------------------------------------

    def add(self, delta: Delta) -> None:
        """Take in what was folded; it is not to be used any more."""
        self._taken |= {source: through for source, (_, through) in delta.progress.items()}
        self.unsaved.add(delta)

    def end_later(self, sources: Iterable[str]) -> None:
        """The last record of these was added: their files are not needed once that is saved."""
        self._to_end.update(sources)

    def last_records(self) -> dict[str, int]:
        """Of each source that has ended, the last record that was taken of it."""
        return {source: self._taken.get(source, 0) for source in self.ended}

    def unsaved_s(self) -> float:
        """How long ago the last save began that the store took: what was folded by then is in."""
        return self._clock() - self._saved_through_s

    # --- to the store --------------------------------------------------------------------

    async def save(self) -> None:
        """Give the store what it lacks; what it does not take is tried again by the next call."""
        self.began_at = now = self._clock()
        try:
            await self.try_to_save()
        except StoreError as error:
            self._trouble.failed("ledger_store", str(error), now)
        else:
            self.saves.note(self._clock() - now)
            self._saved_through_s = now
            self._trouble.restored("ledger_store_restored", now)

    async def try_to_save(self) -> None:
        """Part by part, but no more than there are by now: saves may be slower than the fold.

        Raises:
            StoreError: the store did not take it, or does not say whether it did.
        """
        unsaved = self.unsaved
        if unsaved.is_begun:  # a save failed, and was taken nevertheless or not
            if await self._store.took_last():
                self._seals += unsaved.end().delta.seals
            else:
                unsaved.give_up()
        for _ in range(len(unsaved)):
            try:
                await self._store.apply(*unsaved.begin())
            except StoreMoved as error:
                unsaved.give_up()  # to be asked for a save now would be to hear of another one
                await self._fill_up(error)
                await self._store.apply(*unsaved.begin())
            self._seals += unsaved.end().delta.seals
        await self._end_sources()

    async def _end_sources(self) -> None:
        """Nobody reads the files again of those that have ended, and that the store has wholly."""
        ended = self._to_end - self.unsaved.begins().keys()
        if ended:
            await self._store.end_sources(ended)
            self.ended |= ended
            self._to_end -= ended

    async def _fill_up(self, error: StoreMoved) -> None:
        """Bring the store back to where it was left: what is not saved follows on that.

        Raises:
            StoreMoved: it was tried in vain, not long ago.
            StoreError: the database cannot be used.
        """
        if self._clock() < self._refill_at:
            raise error
        left = Standing(
            through=self._taken | self.unsaved.begins(),
            seals=self._seals,
            blocks=self._blocks,
            coming=self.unsaved.block_states,
            ended=self.ended,
            pruned=self._pruner.through,
        )
        lacking = await self._refill.fill(left, error, self._now_ms())
        if lacking & self.unsaved.begins().keys():
            self._refill_at = self._clock() + REFILL_INTERVAL_S

    def _now_ms(self) -> int:
        return int(self._unix_time() * 1000)
