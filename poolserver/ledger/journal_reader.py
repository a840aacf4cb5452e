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
    journal_files,
)
from poolserver.ledger.records import FRAME_SIZE, JournalBatch, TornTail, whole_records
from poolserver.ledger.source_lock import is_live

# A replayed batch is one step of the fold: long enough to be cheap (12,000 shares), and a file
# is not held in memory whole.
REPLAY_BATCH_BYTES = 1 << 20
# A record has up to 64 KiB, so behind a damaged one the next begins within as much.
_REACH = 2 * (1 << 16)


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
    # Who lives is asked before the files are listed: whoever has ended by then makes no more of
    # them. Who is not known before has just begun.
    lives = {source: is_live(directory, source) for source, _ in by_source(_good(directory))}
    files: list[JournalFile] = []
    for item in journal_files(directory):
        if isinstance(item, JournalWarning):
            yield item
        else:
            files.append(item)
    for source, its_files in by_source(files):
        if source not in ended:
            unread = its_files[folded_files(its_files, folded or {}, ended) :]
            yield from _read_source(unread, lives=lives.get(source, True))


def _good(directory: Path) -> Iterator[JournalFile]:
    return (item for item in journal_files(directory) if isinstance(item, JournalFile))


def _read_source(files: list[JournalFile], *, lives: bool) -> Iterator[Item]:
    due = files[0].first_sequence
    hole: int | None = None  # the first record that is damaged, with whole ones behind it
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
            elif item.is_hole:
                hole = item.sequence
            yield item
    # A hole that no later file fills may be mended by hand, so the source has not ended.
    if is_whole and not lives and (hole is None or due > hole):
        yield SourceEnd(files[0].source, due - 1)


def _read_file(file: JournalFile, *, may_grow: bool) -> Iterator[JournalBatch | JournalWarning]:
    try:
        opened = file.path.open("rb")
    except FileNotFoundError:
        return  # deleted meanwhile, so it was not needed
    with opened:
        size = os.fstat(opened.fileno()).st_size
        os.fdatasync(opened.fileno())  # of no more than it had then is anything given out
        opened.seek(file.records_at)
        yield from read_records(opened, file._replace(size=size), may_grow=may_grow)


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
        near = rest[:_REACH] + opened.read(max(0, _REACH - len(rest)))
        is_hole = _goes_on(near, sequence)
        if is_hole:
            reason += "; whole records follow, so the file was damaged after it was written"
        yield JournalWarning(file.path, file.source, sequence, reason, is_hole)


def _goes_on(damaged: bytes, sequence: int) -> bool:
    """Whether a whole record of a later number begins in the reach of the damaged one."""
    for offset in range(1, len(damaged) - FRAME_SIZE):
        number = int.from_bytes(damaged[offset + 7 : offset + FRAME_SIZE], "little")
        is_near = sequence < number <= sequence + _REACH
        if is_near and skip_records(damaged, offset, number, offset + 1)[1]:
            return True
    return False


def _fault_of(records: bytes, sequence: int) -> TornTail | None:
    """What is wrong with the record that should begin here; None if there is nothing."""
    try:
        for _ in whole_records(records, sequence):
            raise AssertionError(f"record {sequence} is whole, and was not stepped over")
    except TornTail as torn:
        return torn
    return None
