"""Reads what journals hold, for the fold after a start or a gap."""

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from poolserver._native import skip_records
from poolserver.ledger.journal_files import (
    JournalFile,
    JournalWarning,
    by_source,
    folded_files,
    holes,
    journal_files,
    unreadable,
)
from poolserver.ledger.records import JournalBatch, TornTail, whole_records
from poolserver.ledger.scan import has_record
from poolserver.ledger.segment import file_stem
from poolserver.ledger.source_lock import is_live

# A replayed batch is one step of the fold: long enough to be cheap (12,000 shares), and a file
# is not held in memory whole.
REPLAY_BATCH_BYTES = 1 << 20


class SourceEnd(NamedTuple):
    """A source's life is over, and this was its last record: nothing more will come of it."""

    source: str
    last_sequence: int


Item = JournalBatch | JournalWarning | SourceEnd


def read_segments(
    directory: Path, folded: Mapping[str, int] | None = None, ended: Collection[str] = ()
) -> Iterator[Item]:
    """The records of all sources, each source in order, but for files that are wholly folded.

    ``folded`` is the last record of each source that is, ``ended`` are sources of which nothing
    is to come. What is damaged ends its file with a warning. A later file of the source is read
    on if it takes up at or before that record; if it does not, the source ends there, with a
    warning. Each file is synced before its records are given out: nothing is folded that a power
    cut can take back.

    A file that cannot be read is a hole, too. Of whatever has one there is no end.

    Blocking. Raises:
        OSError: the directory cannot be read.
    """
    # Who lives is asked before the files are listed: whoever has ended by then makes no more of
    # them. Who is not known before has just begun.
    lives = {source: _may_live(directory, source) for source, _ in by_source(_good(directory))}
    listed = list(journal_files(directory))
    yield from (item for item in listed if isinstance(item, JournalWarning))
    with_holes = holes(listed)
    for source, its_files in by_source(item for item in listed if isinstance(item, JournalFile)):
        if source not in ended:
            unread = its_files[folded_files(its_files, folded or {}, ended) :]
            is_whole = file_stem(source) not in with_holes
            yield from _read_source(unread, lives=lives.get(source, True), is_whole=is_whole)


def _good(directory: Path) -> Iterator[JournalFile]:
    return (item for item in journal_files(directory) if isinstance(item, JournalFile))


def _may_live(directory: Path, source: str) -> bool:
    try:
        return is_live(directory, source)
    except OSError:
        return True  # it cannot be told, so nothing ends


def _read_source(files: list[JournalFile], *, lives: bool, is_whole: bool) -> Iterator[Item]:
    due = files[0].first_sequence
    hole: int | None = None  # the first record that cannot be read, with others behind it
    for file in files:
        if file.first_sequence > due:
            reason = f"this file begins at {file.first_sequence}"
            yield JournalWarning(file.path, file.source, due, reason)
            is_whole = False
            break
        for item in _read_file(file, may_grow=lives and file is files[-1]):
            if isinstance(item, JournalBatch):
                due = max(due, item.last_sequence + 1)
            elif item.is_hole:
                hole = item.sequence
            yield item
    # A hole that no later file fills may be mended by hand, so the source has not ended.
    if is_whole and not lives and (hole is None or due > hole):
        yield SourceEnd(files[0].source, due - 1)


def _read_file(file: JournalFile, *, may_grow: bool) -> Iterator[JournalBatch | JournalWarning]:
    due = file.first_sequence
    try:
        with file.path.open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            os.fdatasync(opened.fileno())  # of no more than it had then is anything given out
            opened.seek(file.records_at)
            for item in read_records(opened, file._replace(size=size), may_grow=may_grow):
                if isinstance(item, JournalBatch):
                    due = item.last_sequence + 1
                yield item
    except FileNotFoundError:
        return  # deleted meanwhile, so it was not needed
    except OSError as error:
        yield unreadable(file.path, file.source, due, error)


def read_records(
    opened: BinaryIO, file: JournalFile, *, may_grow: bool
) -> Iterator[JournalBatch | JournalWarning]:
    """The records of ``opened``, which stands at the first of them, up to ``file.size``.

    ``may_grow``: a record that is cut short at the end is being written.
    """
    sequence, offset, rest = file.first_sequence, file.records_at, b""
    torn: TornTail | None = None
    while chunk := opened.read(min(REPLAY_BATCH_BYTES, file.size - offset - len(rest))):
        records = rest + chunk
        end, count = skip_records(records, 0, sequence, len(records))
        if count:
            yield JournalBatch(file.source, sequence, count, records[:end])
        sequence, offset, rest = sequence + count, offset + end, records[end:]
        torn = _fault_of(rest, sequence)
        if torn is not None and not torn.is_short:
            break
    if torn is not None and not (torn.is_short and may_grow):
        reason = f"byte {offset}: {torn.reason}"
        opened.seek(offset + 1)
        is_hole = has_record(opened, file.size - offset - 1, sequence + 1)
        if is_hole:
            reason += "; whole records follow, so the file was damaged after it was written"
        yield JournalWarning(file.path, file.source, sequence, reason, is_hole)


def _fault_of(records: bytes, sequence: int) -> TornTail | None:
    """What is wrong with the record that should begin here; None if there is nothing."""
    try:
        for _ in whole_records(records, sequence):
            raise AssertionError(f"record {sequence} is whole, and was not stepped over")
    except TornTail as torn:
        return torn
    return None
