"""Journal files: one source's records from some sequence on, append-only.

A file begins with a header, little-endian: magic ``POOLJRNL``, format version u16, length of
the source's name u16, first sequence u64, the source in UTF-8, CRC-32 u32 of all of it.
Records follow (records.py). A source's files may overlap: after a failed sync the journal
writes what was not yet safe once more, to a new file.
"""

import os
from collections.abc import Callable, Iterable
from errno import EBADF
from pathlib import Path
from struct import Struct
from typing import NamedTuple
from urllib.parse import quote

from poolserver.ledger.records import TornTail

MAGIC = b"POOLJRNL"
FORMAT_VERSION = 1
SUFFIX = ".journal"

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


class Segment:
    """A journal file that is being written. Each call may raise OSError."""

    def __init__(self, directory: Path, identity: SegmentId) -> None:
        """Make the file and write its header.

        Raises:
            FileExistsError: another process writes under this identity.
        """
        self.path = directory / identity.file_name
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._fd: int | None = os.open(self.path, flags, 0o640)
        self._entry_is_safe = False
        self.size = 0
        try:
            self.write(memoryview(encode_header(identity)))
        except OSError:
            self.close()
            raise

    def write(self, data: memoryview) -> int:
        """Append; the number of bytes that were taken may be less than those given."""
        written = os.write(self._descriptor(), data)
        self.size += written
        return written

    def sync(self) -> None:
        """Wait until all that was written survives a power cut, the file's name included."""
        os.fdatasync(self._descriptor())
        if not self._entry_is_safe:
            _sync_directory(self.path.parent)
            self._entry_is_safe = True

    def close(self) -> None:
        """Close the file, once: a second call must not hit a descriptor that has a new owner."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _descriptor(self) -> int:
        if self._fd is None:
            raise OSError(EBADF, "the segment is closed", str(self.path))
        return self._fd


class SegmentChain:
    """The files of one source, one after the other, each begun when the last one is full."""

    def __init__(
        self,
        directory: Path,
        source: str,
        segment_bytes: int,
        open_segment: Callable[[Path, SegmentId], Segment] = Segment,
    ) -> None:
        self._directory = directory
        self._source = source
        self._segment_bytes = segment_bytes
        self._open_segment = open_segment
        self._full: list[Segment] = []
        self._current: Segment | None = None
        self._opened = 0

    def begin(self, sequence: int) -> Segment:
        """The file to write to; a new one begins with record ``sequence``. May raise OSError."""
        if self._current is None:
            identity = SegmentId(self._source, sequence, self._opened)
            self._current = self._open_segment(self._directory, identity)
            self._opened += 1
        return self._current

    def end_if_full(self) -> None:
        """Between two records: leave the current file if it has its size."""
        if self._current is not None and self._current.size >= self._segment_bytes:
            self._full.append(self._current)
            self._current = None

    def unsynced(self) -> list[Segment]:
        """Every file that may hold what is not synced."""
        return self._full if self._current is None else [*self._full, self._current]

    def synced(self, segments: Iterable[Segment]) -> None:
        """All that ``segments`` held when they were full is safe: close those."""
        for segment in segments:
            if segment in self._full:
                self._full.remove(segment)
                segment.close()

    def abandon(self) -> None:
        """Close every file; the next write begins a new one."""
        for segment in self.unsynced():
            segment.close()
        self._full = []
        self._current = None


def encode_header(identity: SegmentId) -> bytes:
    source = identity.source.encode()
    header = _HEADER.pack(MAGIC, FORMAT_VERSION, len(source), identity.first_sequence) + source
    return header + _CRC.pack(crc32(header))


def decode_header(data: bytes) -> tuple[str, int, int]:
    """The source, the first sequence and where the records begin."""
    if len(data) < _HEADER.size:
        raise TornTail(0, "its header is cut short")
    magic, version, source_size, first_sequence = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise TornTail(0, "this is not a share journal")
    if version != FORMAT_VERSION:
        raise TornTail(0, f"journal format {version} is unknown, this program reads {FORMAT_VERSION}")
    end = _HEADER.size + source_size
    if data[end : end + _CRC.size] != _CRC.pack(crc32(data[:end])):
        raise TornTail(0, "its header is damaged")
    return data[_HEADER.size : end].decode(), first_sequence, end + _CRC.size


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
