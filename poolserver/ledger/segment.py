"""Journal files: one source's records from some sequence on, append-only.

A file begins with a header, little-endian: magic ``POOLJRNL``, format version u16, length of
the source's name u16, first sequence u64, the source in UTF-8, CRC-32 u32 of all of it.
Records follow (records.py). A source's files may overlap: after a failed sync the journal
writes what was not yet safe once more, to a new file.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import NamedTuple
from urllib.parse import quote
from zlib import crc32

from poolserver.ledger.records import JournalBatch, TornTail, whole_records

MAGIC = b"POOLJRNL"
FORMAT_VERSION = 1
SUFFIX = ".journal"
# A replayed batch is one step of the fold and one transaction: long enough to be cheap
# (12,000 shares), short enough to be held in memory many times over.
REPLAY_BATCH_BYTES = 1 << 20

_HEADER = Struct("<8sHHQ")
_CRC = Struct("<I")


class SegmentId(NamedTuple):
    """What a file holds, and its name: files of one source sort in the order of writing."""

    source: str
    first_sequence: int
    ordinal: int
    """The how-many-th file of its source it is: two may begin at one sequence."""

    @property
    def file_name(self) -> str:
        source = quote(self.source.replace("/", "."), safe="")
        return f"{source}-{self.first_sequence:020d}-{self.ordinal:06d}{SUFFIX}"


def encode_header(identity: SegmentId) -> bytes:
    """The bytes that open a file."""
    source = identity.source.encode()
    header = _HEADER.pack(MAGIC, FORMAT_VERSION, len(source), identity.first_sequence) + source
    return header + _CRC.pack(crc32(header))


def decode_header(data: bytes) -> tuple[str, int, int]:
    """The source, the first sequence and the offset at which the records begin.

    Raises:
        TornTail: no journal file begins like this.
    """
    if len(data) < _HEADER.size:
        raise TornTail(0, "its header is cut short")
    magic, version, source_size, first_sequence = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise TornTail(0, "this is not a share journal")
    if version != FORMAT_VERSION:
        raise TornTail(
            0, f"journal format {version} is unknown, this program reads {FORMAT_VERSION}"
        )
    end = _HEADER.size + source_size
    if data[end : end + _CRC.size] != _CRC.pack(crc32(data[:end])):
        raise TornTail(0, "its header is damaged")
    return data[_HEADER.size : end].decode(errors="replace"), first_sequence, end + _CRC.size


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


class SourceEnd(NamedTuple):
    """A source's life is over, and this was its last record."""

    source: str
    last_sequence: int


def read_segments(
    directory: Path, folded: Mapping[str, int] | None = None, ended: Collection[str] = ()
) -> Iterator[JournalBatch | JournalWarning | SourceEnd]:
    """All records of all sources, each source in order, for the fold after a start.

    What is damaged ends its file with a warning. A later file of the source is read on if it
    takes up at or before that record; if it does not, the source ends there, with a warning.
    Each file is synced before its records are given out: nothing is folded that a power cut
    can take back.

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
        data = file.read()
        os.fdatasync(file.fileno())  # after the read: a live file may grow between the two
    return data
