"""The records that a journal holds in memory until they are safe. Pure.

One buffer with three marks: ``0 <= flushed <= written <= end``. Records before ``flushed``
are wholly in the file, bytes before ``written`` are (a short write may end inside a record),
``end`` is where the next record goes. What a sync has made safe is cut off at the front.
"""

from collections.abc import Iterator
from typing import NamedTuple

from poolserver._native import pack_share, skip_records
from poolserver.ledger.records import FRAME_SIZE, SHARE_SIZE, JournalBatch

INITIAL_BYTES = 1 << 20
"""12,000 shares: at 109,000 shares/s (the largest design case) and a sync each 50 ms, twice
what there is to hold, so the buffer grows only where the disk is slow."""
BATCH_BYTES = 8 << 20
"""A batch is a message: what was held for a failed disk may be more than one can have (link.py)."""
_SEQUENCE = slice(FRAME_SIZE - 8, FRAME_SIZE)  # of a record's bytes


class Mark(NamedTuple):
    """A place between two records: a byte offset, and the sequence of the record after it."""

    offset: int
    sequence: int


class HeldRecords:
    """Records in the order of their sequence, from the first that is not safe."""

    def __init__(self, first_sequence: int, limit_bytes: int) -> None:
        self.first_sequence = first_sequence
        self.next_sequence = first_sequence
        self.flushed = Mark(0, first_sequence)
        self._written = 0
        self._end = 0
        self._limit = limit_bytes
        self._allocate(min(INITIAL_BYTES, limit_bytes))

    def __len__(self) -> int:
        """The number of records."""
        return self.next_sequence - self.first_sequence

    def append_share(
        self,
        worker_ref: int,
        outcome: int,
        proven: bool,
        work: int,
        job_number: int,
        unix_ms: int,
        hash_le: bytes,
    ) -> bool:
        """Append a share; False if that would pass the limit."""
        offset = self._end
        end = offset + SHARE_SIZE
        if end > self._room and not self._grow(end, self._limit):
            return False
        sequence = self.next_sequence
        pack_share(
            self._view,
            offset,
            sequence,
            worker_ref,
            outcome,
            proven,
            work,
            job_number,
            unix_ms,
            hash_le,
        )
        self.next_sequence = sequence + 1
        self._end = end
        return True

    @property
    def room(self) -> int:
        """How many more shares may be held."""
        return max(0, self._limit - self._end) // SHARE_SIZE

    def append_shares(self, records: bytes, count: int) -> None:
        """Append ``count`` shares that were packed elsewhere, as many as ``room`` had room for.

        Raises:
            ValueError: there is no room for them, or the first is not numbered as the next one
                here; nothing is appended. All that comes behind a wrong number is lost to readers.
        """
        if int.from_bytes(records[_SEQUENCE], "little") != self.next_sequence:
            raise ValueError(f"the next share must have the number {self.next_sequence}")
        end = self._end + len(records)
        if end > self._room and not self._grow(end, self._limit):
            raise ValueError(f"{count} shares are more than there is room for")
        self._view[self._end : end] = records
        self.next_sequence += count
        self._end = end

    def append(self, record: bytes) -> None:
        """Append an encoded record, limit or not: declarations and blocks are few."""
        end = self._end + len(record)
        if end > self._capacity:
            # With some room to spare, or beyond the limit each record would copy all others.
            self._grow(end, max(end + INITIAL_BYTES, self._limit))
        self._view[self._end : end] = record
        self.next_sequence += 1
        self._end = end

    def unwritten(self) -> memoryview:
        """What the file does not have yet."""
        return self._view[self._written : self._end]

    def wrote(self, size: int) -> None:
        """The file has taken ``size`` more bytes."""
        self._written += size
        if self._written == self._end:
            self.flushed = Mark(self._end, self.next_sequence)

    def rewind(self) -> None:
        """The file may have lost what is held here: all of it is unwritten again."""
        self._written = 0
        self.flushed = Mark(0, self.first_sequence)

    def cut(self, safe: Mark) -> bytes:
        """Let go of the records before ``safe``, a former ``flushed``, and give their bytes."""
        records = bytes(self._view[: safe.offset])
        rest = bytes(self._view[safe.offset : self._end])
        if len(rest) <= INITIAL_BYTES < self._capacity:
            self._allocate(INITIAL_BYTES)
        self._view[: len(rest)] = rest
        self._end = len(rest)
        self._written -= safe.offset
        self.flushed = Mark(self.flushed.offset - safe.offset, self.flushed.sequence)
        self.first_sequence = safe.sequence
        return records

    def _grow(self, size: int, limit: int) -> bool:
        if size > limit:
            return False
        held = bytes(self._view[: self._end])
        self._allocate(min(max(size, 2 * self._capacity), limit))
        self._view[: len(held)] = held
        return True

    def _allocate(self, capacity: int) -> None:
        self._view = memoryview(bytearray(capacity))
        self._capacity = capacity
        self._room = min(capacity, self._limit)  # for shares


def batches(source: str, first_sequence: int, count: int, records: bytes) -> Iterator[JournalBatch]:
    """What became durable, as batches that are not too long."""
    begin = 0
    while len(records) - begin > BATCH_BYTES:
        end, few = skip_records(records, begin, first_sequence, BATCH_BYTES)
        if not few:
            break  # damaged in memory: who reads the batch will say so
        yield JournalBatch(source, first_sequence, few, records[begin:end])
        begin, first_sequence, count = end, first_sequence + few, count - few
    if count:
        yield JournalBatch(source, first_sequence, count, records[begin:])
