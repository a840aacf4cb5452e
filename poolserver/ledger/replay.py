"""Read the journal files back: all that a start must fold again."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from poolserver.ledger.records import JournalBatch, TornTail, whole_records
from poolserver.ledger.segment import SUFFIX, decode_header

# A replayed batch is one step of the fold and one transaction: long enough to be cheap
# (12,000 shares), short enough to be held in memory many times over.
REPLAY_BATCH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class JournalWarning:
    """Where the records of a source, or of a file, end before their time."""

    path: Path
    source: str
    """Empty where the file's header cannot be read."""
    sequence: int
    """The first record that is not there."""
    reason: str

    def __str__(self) -> str:
        if not self.source:
            return f"{self.path}: {self.reason}"
        return f"{self.path}: {self.source} ends before record {self.sequence}: {self.reason}"


def read_segments(directory: Path) -> Iterator[JournalBatch | JournalWarning]:
    """All records of all sources, each source in order, for the fold after a start.

    What is damaged ends its file with a warning. A later file of the source is read on if it
    takes up at or before that record; if it does not, the source ends there, with a warning.
    Each file is synced before it is read, so nothing is folded that a power cut can take back.

    Blocking. Raises:
        OSError: the directory or a file cannot be read.
    """
    due: dict[str, int] = {}  # the next sequence of each source
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        data = _read_synced(path)
        try:
            source, first_sequence, offset = decode_header(data)
        except TornTail as torn:
            yield JournalWarning(path, "", 0, torn.reason)
            continue
        expected = due.setdefault(source, first_sequence)
        if first_sequence > expected:
            yield JournalWarning(path, source, expected, f"this file begins at {first_sequence}")
            continue
        for item in _read_records(path, source, first_sequence, data, offset):
            if isinstance(item, JournalBatch):
                due[source] = max(due[source], item.last_sequence + 1)
            yield item


def _read_records(
    path: Path, source: str, first_sequence: int, data: bytes, offset: int
) -> Iterator[JournalBatch | JournalWarning]:
    records = data[offset:]
    sequence, count, begin, end = first_sequence, 0, 0, 0
    torn = None
    try:
        for end in whole_records(records, first_sequence):
            count += 1
            if end - begin >= REPLAY_BATCH_BYTES:
                yield JournalBatch(source, sequence, count, records[begin:end])
                sequence, count, begin = sequence + count, 0, end
    except TornTail as error:
        torn = f"byte {offset + error.offset}: {error.reason}"
    if count:
        yield JournalBatch(source, sequence, count, records[begin:end])
    if torn is not None:
        yield JournalWarning(path, source, sequence + count, torn)


def _read_synced(path: Path) -> bytes:
    with path.open("rb") as file:
        os.fdatasync(file.fileno())
        return file.read()
