"""Where the processes of one pool meet: a folder of their own in the data folder."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from poolserver.crew.lock import holder

FOLDER = "crew"
SOCKET = "coordinator.sock"
COORDINATOR_LOCK = "coordinator.lock"
# A socket's path has room for 108 bytes, with the zero at its end (Linux, unix(7)).
MAX_PATH_BYTES = 100


def post_dir(data_dir: Path) -> Path:
    """The folder; nobody else can look into it.

    Raises:
        OSError: it cannot be made.
    """
    folder = data_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def worker_lock(folder: Path, index: int) -> Path:
    """What the worker of this index locks for its life."""
    return folder / f"worker-{index}.lock"


def living_workers(folder: Path) -> dict[int, int]:
    """By index, the process of each worker that lives, whichever coordinator has begun it.

    Raises:
        OSError: it cannot be told.
    """
    numbers = [int(path.stem.partition("-")[2]) for path in folder.glob("worker-*.lock")]
    found = ((number, holder(worker_lock(folder, number))) for number in sorted(numbers))
    return {number: pid for number, pid in found if pid is not None}


@contextmanager
def address(folder: Path) -> Iterator[str]:
    """The socket's path as the system takes it: by an open folder, where it is too long."""
    path = str(folder / SOCKET)
    if len(os.fsencode(path)) <= MAX_PATH_BYTES:
        yield path
        return
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{SOCKET}"
    finally:
        os.close(fd)


def listening_socket(folder: Path) -> socket.socket:
    """The coordinator's, bound. What an earlier one left is taken away: whoever comes has the lock.

    Raises:
        OSError: it cannot be made.
    """
    (folder / SOCKET).unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with address(folder) as path:
            sock.bind(path)
        (folder / SOCKET).chmod(0o600)  # nobody else gets into the folder meanwhile
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def connected_socket(folder: Path) -> socket.socket:
    """A worker's, connected; a Unix socket connects at once or not at all.

    Raises:
        OSError: no coordinator listens.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        with address(folder) as path:
            sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock
