"""Reads what journals hold, for the fold after a start or a gap."""

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from poolserver.ledger.journal_files import (
    JournalFile,
    JournalWarning,
    by_source,
    folded_files,
    journal_files,
)
from poolserver.ledger.records import JournalBatch, TornTail, whole_records
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

    Blocking. Raises:
        OSError: the directory or a file cannot be read.
    """
    files: list[JournalFile] = []
    for item in journal_files(directory):
        if isinstance(item, JournalWarning):
            yield item
        else:
            files.append(item)
    for source, its_files in by_source(files):
        if source not in ended:
            # Before the files are read: one that ends now may write until then.
            lives = is_live(directory, source)
            unread = its_files[folded_files(its_files, folded or {}, ended) :]
            yield from _read_source(unread, lives=lives)


def _read_source(files: list[JournalFile], *, lives: bool) -> Iterator[Item]:
    due = files[0].first_sequence
    is_whole = True
    for file in files:
        if file.first_sequence > due:
            reason = f"this file begins at {file.first_sequence}"
            yield JournalWarning(file.path, file.source, due, reason)
            is_whole = False
            break
        for item in _read_file(file, may_grow=lives and file is files[-1]):
            if isinstance(item, JournalBatch):
                due = max(due, item.last_sequence + 1)
            yield item
    if is_whole and not lives:
        yield SourceEnd(files[0].source, due - 1)


def _read_file(file: JournalFile, *, may_grow: bool) -> Iterator[JournalBatch | JournalWarning]:
    """``may_grow``: a record that is cut short at the end is being written."""
    sequence = file.first_sequence
    with file.path.open("rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        os.fdatasync(opened.fileno())  # of no more than it had then is anything given out
        offset = file.records_at
        opened.seek(offset)
        rest = b""
        for chunk in _chunks(opened, size - offset):
            rest += chunk
            is_last = opened.tell() >= size
            end, count, torn = _whole(rest, sequence)
            if count:
                yield JournalBatch(file.source, sequence, count, rest[:end])
            sequence += count
            offset += end
            rest = rest[end:]
            if torn is not None and (is_last or not torn.is_short):
                if not (torn.is_short and may_grow):
                    reason = f"byte {offset}: {torn.reason}"
                    yield JournalWarning(file.path, file.source, sequence, reason)
                return


def _chunks(file: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0:
        chunk = file.read(min(size, REPLAY_BATCH_BYTES))
        if not chunk:
            return
        size -= len(chunk)
        yield chunk


def _whole(records: bytes, sequence: int) -> tuple[int, int, TornTail | None]:
    """Where the whole records end, how many there are, and what is wrong with the next one."""
    end = count = 0
    try:
        for record_end in whole_records(records, sequence):
            end = record_end
            count += 1
    except TornTail as torn:
        return end, count, torn
    return end, count, None
