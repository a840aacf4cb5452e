"""Fills up a store that has gone back: a standby or a backup took its place under a running pool.

What the books in memory have is whole, and what is not saved yet follows on where the store was
left. All between there and where it stands now is in the journal: it is folded once more, with
the same days closed, for the store alone.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import structlog

from poolserver.ledger.blocks import BlockBook, BlockState
from poolserver.ledger.catch_up import CatchUp
from poolserver.ledger.database import StoreError, StoreMoved
from poolserver.ledger.delta import Delta, Seal
from poolserver.ledger.fold import Fold
from poolserver.ledger.store import LedgerState, LedgerStore
from poolserver.ledger.unsaved import PART_ROWS

log = structlog.get_logger(__name__)


class Standing(NamedTuple):
    """Where the store was left, as the books in memory have it."""

    through: Mapping[str, int]
    """The last record of each source."""
    seals: Sequence[Seal]
    """Those of this life, and before them one that stands for all earlier ones."""
    blocks: BlockBook
    coming: Callable[[], Mapping[str, Sequence[BlockState]]]
    """By hash, states in ``blocks`` that it was not told yet by now."""
    ended: Collection[str]
    pruned: Mapping[str, int]
    """Up to which record journals were deleted."""


class Refill:
    """``fold_from`` makes a fold that goes on from a state of the store."""

    def __init__(
        self,
        store: LedgerStore,
        journal_dir: Path,
        fold_from: Callable[[LedgerState], Fold],
        in_thread: Callable[[Callable[[], bool]], Awaitable[bool]],
    ) -> None:
        """Whatever blocks is for ``in_thread``, a batch at a time."""
        self._store = store
        self._journal_dir = journal_dir
        self._fold_from = fold_from
        self._in_thread = in_thread

    async def fill(self, left: Standing, moved: StoreMoved, now_ms: int) -> set[str]:
        """Bring the store back to where it was ``left``; the sources that the journal lacks.

        If it fails it may be begun again.

        Raises:
            StoreError: the database cannot be used, or the journal's folder.
        """
        state = await self._store.load()
        known = await self._store.known_blocks()
        lacks = {
            source: last - state.progress.get(source, 0) for source, last in left.through.items()
        }
        if min(lacks.values(), default=0) < 0:
            raise moved  # it has more than we gave it, which is no going back
        log.warning("ledger_went_back", reason=str(moved), records=sum(lacks.values()))
        fold = self._fold_from(state)
        await self._fill_records(fold, left, dict(state.cutoffs))
        lacking = {source for source, last in left.through.items() if fold.folded(source) < last}
        steps = left.blocks.steps_beyond(known, left.coming(), now_ms)
        await self._store.apply(Delta(), steps)
        await self._store.end_sources({*left.ended} - state.ended - lacking)
        await self._store.note_pruned(left.pruned, ())
        if lacking:  # what follows on that cannot be saved; all else can
            log.error("ledger_lacks", sources=sorted(lacking))
        else:
            log.info("ledger_filled_up", records=sum(lacks.values()), block_states=len(steps))
        return lacking

    async def _fill_records(self, fold: Fold, left: Standing, through: dict[str, int]) -> None:
        for seal in left.seals:
            if seal.through_day > fold.sealed_through:
                through |= seal.cutoffs
                await self._advance(fold, through)
                fold.sealed_through = seal.through_day
                await self._store.apply(Delta(seals=[seal]))
        await self._advance(fold, left.through)

    async def _advance(self, fold: Fold, through: Mapping[str, int]) -> None:
        done = [source for source, at in fold.progress.items() if at >= through.get(source, 0)]
        reading = CatchUp(self._journal_dir, fold, done, through)
        try:
            while await self._in_thread(reading.step):
                if reading.rows >= PART_ROWS:
                    await self._store.apply(reading.take_part())
        except OSError as error:
            reason = f"cannot be filled up: the journal is not to be read ({error})"
            raise StoreError(self._store.database, reason, transient=True) from error
        if part := reading.take_part():
            await self._store.apply(part)
