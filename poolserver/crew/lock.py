"""Who lives: a lock on a file that ends with its process, however that ends.

Each worker process has the lock of its index, and the coordinator one of its own. The files stay
where they are: to delete a file that somebody locks next would be to have two holders.
"""

import fcntl
import os
from pathlib import Path
from typing import Self


class Taken(OSError):
    """Another process has this lock."""


# A holder's number is written over the last one's in one go: there is no moment without any.
_LINE = b"%-19d\n"


class ProcessLock:
    """Held until release(), or until the process ends. Its file tells who has it."""

    def __init__(self, path: Path) -> None:
        """Take it.

        Raises:
            Taken: another process has it.
            OSError: the file cannot be made.
        """
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _sign(fd)
        except OSError as error:
            os.close(fd)
            if isinstance(error, BlockingIOError):
                raise Taken(f"{path} is locked by another process") from error
            raise
        self._fd: int | None = fd

    @classmethod
    def inherited(cls, fd: int) -> Self:
        """The lock of a process that hands over to this one: it was never free meanwhile.

        That one is told as the holder until sign(): it goes on if this one fails.
        """
        lock = cls.__new__(cls)
        lock._fd = fd
        return lock

    def sign(self) -> None:
        """Have the file tell that this process holds it.

        Raises:
            OSError: it cannot be written.
        """
        _sign(self.fileno())

    def fileno(self) -> int:
        """What the lock is on: whoever has a copy of this descriptor holds the lock as well."""
        assert self._fd is not None
        return self._fd

    def release(self) -> None:
        """To be told so more than once is all the same."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def _sign(fd: int) -> None:
    os.pwrite(fd, _LINE % os.getpid(), 0)


def holder(path: Path) -> int | None:
    """The process that has this lock; None: nobody has.

    It is taken for a moment to find out: not to be asked while somebody may want it.

    Raises:
        OSError: it cannot be told.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.pread(fd, 20, 0) or 0) or None
    finally:
        os.close(fd)
    return None
