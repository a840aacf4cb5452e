"""A reader of share journals for the judge: by the documented format alone, not the pool's code.

See the docstrings of poolserver/ledger/records.py and segment.py for what the bytes mean.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

OUTCOMES = (
    "accepted",
    "stale",
    "job_not_found",
    "duplicate",
    "low_difficulty",
    "unauthorized",
    "not_subscribed",
    "ntime_out_of_range",
    "version_outside_mask",
    "malformed",
)
"""By the number that stands in a record."""

WORKER, SHARE = 1, 2


class JournalError(Exception):
    """The files are not what the format says they are."""


class JournalShare(NamedTuple):
    """One judged submit, as it was written down; ``username`` is empty where it is nobody's."""

    source: str
    sequence: int
    account: str
    username: str
    outcome: str
    proven: bool
    unix_ms: int
    work: int
    hash_le: bytes


@dataclass
class SourceJournal:
    """All of one source, over its files."""

    name: str
    last_sequence: int = 0
    shares: list[JournalShare] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    """Where a file ends in the middle of a record."""
    _workers: dict[int, tuple[str, str]] = field(default_factory=dict)

    def take(self, sequence: int, kind: int, payload: bytes) -> None:
        """The next record, or one that stands in an earlier file too."""
        if sequence <= self.last_sequence:
            return
        if sequence != self.last_sequence + 1:
            raise JournalError(f"{self.name}: {sequence} follows on {self.last_sequence}")
        self.last_sequence = sequence
        if kind == WORKER:
            ref, _, account_size, name_size = struct.unpack_from("<IQBB", payload)
            names = payload[14:]
            if len(names) != account_size + name_size:
                raise JournalError(f"{self.name}: record {sequence} has other names than it says")
            self._workers[ref] = (names[:account_size].decode(), names[account_size:].decode())
        elif kind == SHARE:
            ref, outcome, proven, _, unix_ms, low, high = struct.unpack_from("<IBBQQQQ", payload)
            account, username = ("", "") if ref == 0 else self._workers[ref]
            work = high << 64 | low
            share = (account, username, OUTCOMES[outcome], proven != 0, unix_ms, work)
            self.shares.append(JournalShare(self.name, sequence, *share, payload[38:70]))


def read_journal(folder: Path) -> dict[str, SourceJournal]:
    """By source, all that the files of a folder hold.

    Raises:
        JournalError: there is a gap, or no journal in a file that is not just torn.
    """
    sources: dict[str, SourceJournal] = {}
    for path in sorted(folder.glob("*.journal")):
        data = path.read_bytes()
        header = _header(path, data)
        if header is None:
            continue  # killed as it was begun
        name, first_sequence, offset = header
        source = sources.setdefault(name, SourceJournal(name))
        if first_sequence > source.last_sequence + 1:
            raise JournalError(f"{path.name} begins after a gap")
        whole = offset
        for sequence, kind, payload, end in _records(data, offset, first_sequence):
            source.take(sequence, kind, payload)
            whole = end
        if whole < len(data):
            source.torn.append(f"{path.name}: {len(data) - whole} bytes")
    return sources


def _header(path: Path, data: bytes) -> tuple[str, int, int] | None:
    if len(data) < 20:
        return None
    magic, version, name_size, first_sequence = struct.unpack_from("<8sHHQ", data)
    if magic != b"POOLJRNL" or version != 1:
        raise JournalError(f"{path.name} is no journal of version 1")
    end = 20 + name_size
    if len(data) < end + 4:
        return None
    if struct.unpack_from("<I", data, end)[0] != crc32(data[:end]):
        raise JournalError(f"{path.name}: its header is damaged")
    return data[20:end].decode(), first_sequence, end + 4


def _records(data: bytes, offset: int, sequence: int) -> Iterator[tuple[int, int, bytes, int]]:
    """Sequence, kind, payload and end of each whole record."""
    while offset + 15 <= len(data):
        checksum, size, kind, found = struct.unpack_from("<IHBQ", data, offset)
        end = offset + 15 + size
        if end > len(data) or checksum != crc32(data[offset + 4 : end]) or found != sequence:
            return
        yield sequence, kind, data[offset + 15 : end], end
        offset, sequence = end, sequence + 1
