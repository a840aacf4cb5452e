"""Folds what the journal has beyond a fold, a batch at a time: the books need no more memory."""

from collections.abc import Collection, Mapping
from pathlib import Path

import structlog

from poolserver.ledger.delta import Delta
from poolserver.ledger.fold import Fold
from poolserver.ledger.journal_files import JournalWarning
from poolserver.ledger.journal_reader import SourceEnd, read_segments
from poolserver.ledger.records import JournalBatch, LedgerError, up_to

log = structlog.get_logger(__name__)


class CatchUp:
    """Reads a journal for ``fold``; blocking, so it is for the fold's thread.

    Of ``ended`` sources nothing is read. With ``through`` each source is read up to that record,
    and no source that it does not name.
    """

    def __init__(
        self,
        journal_dir: Path,
        fold: Fold,
        ended: Collection[str] = (),
        through: Mapping[str, int] | None = None,
    ) -> None:
        self._fold = fold
        self._through = through
        self._items = read_segments(journal_dir, fold.progress, ended)
        self._part = Delta()
        self.ended: list[str] = []
        """Sources that have ended and of which every record is folded."""
        self.stuck: set[str] = set()
        """Sources whose records are not whole, or do not follow on what is folded."""

    @property
    def rows(self) -> int:
        """The size of what was not taken away yet."""
        return self._part.rows

    def step(self) -> bool:
        """Fold the next batch; False: there was none.

        Raises:
            OSError: the journal's folder cannot be read.
        """
        item = next(self._items, None)
        if isinstance(item, JournalWarning):
            if item.is_hole:
                log.error("journal_damaged", warning=str(item))
            else:
                log.warning("journal_segment", warning=str(item))
        elif isinstance(item, SourceEnd):
            if self._fold.folded(item.source) == item.last_sequence:
                self.ended.append(item.source)
        elif item is not None:
            self._take(item)
        return item is not None

    def take_part(self) -> Delta:
        """What was folded since the last call."""
        part, self._part = self._part, Delta()
        return part

    def read_all(self) -> Delta:
        """All of it at once.

        Raises:
            OSError: as step().
        """
        while self.step():
            pass
        return self.take_part()

    def _take(self, batch: JournalBatch) -> None:
        if batch.source in self.stuck:
            return  # it was said
        if self._through is not None:
            last = self._through.get(batch.source, 0)
            if last < batch.first_sequence:
                return
            batch = up_to(batch, last)
        try:
            self._part.merge(self._fold.fold(batch))
        except LedgerError as error:
            self.stuck.add(batch.source)
            log.error("journal_not_folded", source=batch.source, reason=str(error))
