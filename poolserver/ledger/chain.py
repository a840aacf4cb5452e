"""The files that a journal writes: one after the other, each synced before it is let go."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from errno import EBADF, ENOSPC
from pathlib import Path
from typing import NamedTuple

from poolserver.ledger.segment import SegmentId, encode_header


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
        header = encode_header(identity)
        try:
            if self.write(memoryview(header)) < len(header):
                raise OSError(ENOSPC, os.strerror(ENOSPC), str(self.path))
        except OSError:
            self.close()
            self.path.unlink()
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


class SyncPoint(NamedTuple):
    """The files that hold what was written and not synced, at one moment."""

    full: tuple[Segment, ...]
    """Those to which nothing more is written."""
    current: Segment | None

    def sync(self) -> float:
        """Sync them, in any thread; the seconds it took. May raise OSError."""
        begun_s = time.perf_counter()
        for segment in self.full:
            segment.sync()
        if self.current is not None:
            self.current.sync()
        return time.perf_counter() - begun_s


class SegmentChain:
    """The files of one source, one after the other, each begun when the last one is full."""

    def __init__(
        self,
        directory: Path,
        source: str,
        segment_bytes: int,
        max_age_s: float,
        open_segment: Callable[[Path, SegmentId], Segment] = Segment,
    ) -> None:
        self._directory = directory
        self._source = source
        self._segment_bytes = segment_bytes
        self._max_age_s = max_age_s
        self._begun_s = 0.0
        self._open_segment = open_segment
        self._full: list[Segment] = []
        self._current: Segment | None = None
        self._latest: Segment | None = None
        self._opened = 0

    def begin(self, sequence: int, now_s: float) -> Segment:
        """The file to write to; a new one begins with record ``sequence``. May raise OSError.

        ``now_s`` is monotonic.
        """
        if self._current is None:
            identity = SegmentId(self._source, sequence, self._opened)
            self._opened += 1  # before it is tried: a file that fails may leave its name behind
            self._current = self._latest = self._open_segment(self._directory, identity)
            self._begun_s = now_s
        return self._current

    def end_if_full(self, now_s: float) -> None:
        """Between two records: leave the current file if it has its size or its age."""
        if self._current is not None and (
            self._current.size >= self._segment_bytes or now_s - self._begun_s >= self._max_age_s
        ):
            self._full.append(self._current)
            self._current = None

    def sync_point(self) -> SyncPoint:
        """What to sync so that all that was written so far is safe."""
        return SyncPoint(tuple(self._full), self._current)

    def synced(self, point: SyncPoint) -> None:
        """Close the files that a sync has finished with."""
        self._full = self._full[len(point.full) :]
        for segment in point.full:
            segment.close()

    def remove(self) -> None:
        """Delete the file that was begun last; for a source that has no record."""
        if self._latest is not None:
            with suppress(OSError):
                self._latest.path.unlink()

    def abandon(self) -> None:
        """Close every file; the next write begins a new one."""
        segments = [*self._full, *([] if self._current is None else [self._current])]
        self._full = []
        self._current = None
        for segment in segments:
            with suppress(OSError):  # a disk that fails may fail in this too
                segment.close()


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
