"""Whether a journal's source still lives: a lock that ends with its process, however that ends.

The lock is on a file of its own beside the journal's files, ``SOURCE.live``: these come and go
with rotation and with trouble of the disk.
"""

import fcntl
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from poolserver.ledger.segment import file_stem

SUFFIX = ".live"


class SourceLock:
    """Held for the life of a source."""

    def __init__(self, directory: Path, source: str) -> None:
        """Take it.

        Raises:
            OSError: the file cannot be made, or another process is this source.
        """
        self._path = _path(directory, source)
        self._fd: int | None = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            raise

    def release(self) -> None:
        """The source has ended; to be told so more than once is all the same."""
        fd, self._fd = self._fd, None
        if fd is not None:
            with suppress(OSError):
                self._path.unlink()
            os.close(fd)


def is_live(directory: Path, source: str) -> bool:
    """Whether a process, this one included, still writes as ``source``.

    A process takes the lock before it makes its first file, and has it until it ends.

    Raises:
        OSError: it cannot be told.
    """
    try:
        fd = os.open(_path(directory, source), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def remove_locks(directory: Path, sources: Iterable[str]) -> None:
    """Tidy up after sources that were killed; there may be many, and few with a lock left.

    Raises:
        OSError: the directory cannot be read.
    """
    try:
        left = {name for name in os.listdir(directory) if name.endswith(SUFFIX)}
    except FileNotFoundError:
        return  # no journal was ever begun
    for source in sources:
        path = _path(directory, source)
        if path.name in left:
            with suppress(OSError):
                path.unlink()


def _path(directory: Path, source: str) -> Path:
    return directory / f"{file_stem(source)}{SUFFIX}"
