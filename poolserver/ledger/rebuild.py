"""The ledger once more, of the journal alone: in a database of its own, to be compared.

It is folded as the ledger was: each source up to the record that the ledger stands at, and what
came after a day was closed is booked no earlier than the day after it. What the journal does
not tell is left out: at which site an account was.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from poolserver.ledger import block_sql, share_sql
from poolserver.ledger.database import Connection
from poolserver.ledger.delta import Delta, WorkerRef
from poolserver.ledger.fold import Fold
from poolserver.ledger.journal_files import JournalFile, JournalWarning, journal_files
from poolserver.ledger.journal_reader import SourceEnd, read_segments
from poolserver.ledger.records import JournalBatch, LedgerError, up_to
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.totals import WorkerKey

ROWS_IN_MEMORY = 50_000
"""So many sums are held before they are written: some 50 MB."""

JOINED_BYTES = 16 << 20
"""So many records are folded at once, some 200,000 shares: of ten thousand rigs that is twenty
each, which make one sum."""

NO_SITE = ""


class Stretch(NamedTuple):
    """Records up to ``last``, and the last day that was closed when they were booked."""

    last: int
    sealed_through: int


class SealHistory:
    """Which days were closed when a record was booked."""

    def __init__(self, days: Sequence[int], cutoffs: Iterator[tuple[str, int, int]]) -> None:
        """``days`` are those of all seals, ``cutoffs`` (source, day, sequence), both in order."""
        self._days = [-1, *days]
        self._before = dict(zip(self._days[1:], self._days, strict=False))
        self._cutoffs: dict[str, list[tuple[int, int]]] = {}
        for source, day, sequence in cutoffs:
            self._cutoffs.setdefault(source, []).append((sequence, day))

    def stretches(self, source: str, first: int, last: int) -> Iterator[Stretch]:
        """The records from ``first`` to ``last``, in stretches with the same days closed."""
        for sequence, day in self._cutoffs.get(source, ()):
            if sequence >= first:
                yield Stretch(min(sequence, last), self._before[day])
                if sequence >= last:
                    return
                first = sequence + 1
        yield Stretch(last, self._days[-1])


@dataclass(slots=True)
class SourceState:
    """What the journal has of a source."""

    first: int
    """The first record that there is a file of."""
    begin_s: int | None = None
    """Where the first share was booked that was read."""
    last_s: int = -1
    """The last interval that one was booked in."""
    without_template_s: int = -1
    """The last interval with shares of which no template is known."""
    trouble: str = ""
    """Why there may be no more of it."""
    is_broken: bool = False
    """The fold could not take it."""


class Rebuild:
    """Folds a journal into ``folder``. Blocking; it is for a thread or process of its own."""

    def __init__(
        self,
        journal_dir: Path,
        folder: Path,
        *,
        seals: SealHistory,
        workers_of: Callable[[str], Mapping[WorkerRef, tuple[str, str]]],
        from_s: int,
        before_s: int,
    ) -> None:
        """Rows are kept of intervals that begin from ``from_s`` on and before ``before_s``.

        ``workers_of`` tells the workers of a source whose first files are not there any more.
        """
        self._journal_dir = journal_dir
        self._within = range(from_s, before_s)
        self.seals = seals
        self.sources = {
            source: SourceState(first) for source, first in first_sequences(journal_dir).items()
        }
        workers: dict[WorkerRef, tuple[str, str]] = {}
        for name, state in self.sources.items():
            if state.first > 1:
                workers.update(workers_of(name))
        self._fold = Fold(
            site_of=lambda account: NO_SITE,
            progress={name: state.first - 1 for name, state in self.sources.items()},
            workers=workers,
        )
        self._delta = Delta()
        self._ids: dict[WorkerKey, int] = {}
        self.records = 0
        self.connection: Connection = SqliteDatabase(folder / "rebuilt.sqlite").connect()
        # It is thrown away: nothing of it needs to survive anything.
        self.connection.execute("PRAGMA journal_mode = MEMORY")
        self.connection.execute("PRAGMA synchronous = OFF")

    def folded(self, source: str) -> int:
        """The last record of a source that is in."""
        return self._fold.folded(source)

    def advance(
        self, progress: Mapping[str, int], on_progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Fold each source up to ``progress``, as far as there are files of it. ``on_progress`` is
        told how many records are folded, and of how many.

        Raises:
            OSError: the journal cannot be read.
        """
        total = sum(
            max(0, progress.get(source, 0) - state.first + 1)
            for source, state in self.sources.items()
        )
        for item in joined(read_segments(self._journal_dir, self._fold.progress)):
            if isinstance(item, SourceEnd):
                continue
            state = self.sources.get(item.source)
            if state is None:
                continue  # it began after we did
            if isinstance(item, JournalWarning):
                if not state.is_broken and item.sequence > self.folded(item.source):
                    state.trouble = f"{item.path.name}: {item.reason}"
            else:
                self._take(item, state, progress.get(item.source, 0))
                if on_progress is not None:
                    on_progress(self.records, total)
        self._flush()

    def _take(self, batch: JournalBatch, state: SourceState, through: int) -> None:
        last = min(batch.last_sequence, through)
        first = max(batch.first_sequence, self.folded(batch.source) + 1)
        if last < first or state.is_broken:
            return
        for stretch in self.seals.stretches(batch.source, first, last):
            self._fold.sealed_through = stretch.sealed_through
            try:
                delta = self._fold.fold(up_to(batch, stretch.last))
            except LedgerError as error:
                state.trouble, state.is_broken = str(error), True
                return
            self.records += stretch.last - first + 1
            first = stretch.last + 1
            self._note(delta, state)
            self._keep(delta)

    def _note(self, delta: Delta, state: SourceState) -> None:
        if delta.intervals:
            begins = [key.begin_s for key in delta.intervals]
            if state.begin_s is None:
                state.begin_s = begins[0]
            state.last_s = max(state.last_s, *begins)
        unknown = [key.begin_s for key in delta.earnings if key.nbits == 0]
        state.without_template_s = max(state.without_template_s, *unknown, -1)

    def _keep(self, delta: Delta) -> None:
        within = self._within
        delta.intervals = {k: v for k, v in delta.intervals.items() if k.begin_s in within}
        delta.earnings = {k: v for k, v in delta.earnings.items() if k.begin_s in within}
        self._delta.merge(delta)
        if len(self._delta.intervals) >= ROWS_IN_MEMORY:
            self._flush()

    def _flush(self) -> None:
        delta, self._delta = self._delta, Delta()
        with self.connection.transaction():
            for key in delta.by_worker():
                if key not in self._ids:
                    self._ids[key] = share_sql.worker_id(self.connection, key)
            share_sql.add_shares(self.connection, delta, self._ids)
            block_sql.add_found(self.connection, delta.blocks)
            block_sql.add_payouts(self.connection, delta.payouts)

    def close(self) -> None:
        """Close its database; the folder is the caller's."""
        self.connection.close()


def joined(
    items: Iterable[JournalBatch | JournalWarning | SourceEnd],
) -> Iterator[JournalBatch | JournalWarning | SourceEnd]:
    """The same, with batches that follow one on the other put together."""
    parts: list[JournalBatch] = []
    for item in items:
        is_next = (
            isinstance(item, JournalBatch)
            and parts
            and item.source == parts[0].source
            and item.first_sequence == parts[-1].last_sequence + 1
            and sum(len(part.records) for part in parts) < JOINED_BYTES
        )
        if parts and not is_next:
            yield _one(parts)
            parts = []
        if isinstance(item, JournalBatch):
            parts.append(item)
        else:
            yield item
    if parts:
        yield _one(parts)


def _one(parts: Sequence[JournalBatch]) -> JournalBatch:
    first, count = parts[0], sum(part.count for part in parts)
    records = b"".join(part.records for part in parts)
    return JournalBatch(first.source, first.first_sequence, count, records)


def first_sequences(directory: Path) -> dict[str, int]:
    """By source, the first record that there is a file of.

    Raises:
        OSError: a file cannot be read.
    """
    found: dict[str, int] = {}
    for file in journal_files(directory):
        if isinstance(file, JournalFile):  # records of any other are missed, if there should be
            first = file.first_sequence
            found[file.source] = min(first, found.get(file.source, first))
    return found
