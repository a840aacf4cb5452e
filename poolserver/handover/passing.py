"""Messages and file descriptors from one process to another, over a Unix stream socket.

A message is its length (8 bytes, big-endian) and the number of its descriptors (4), its bytes,
and then the descriptors, at most 253 with one byte each time (SCM_RIGHTS; unix(7), SCM_MAX_FD).
Linux never joins what came with descriptors to what came without, so a reader that takes no more
bytes than belong to the message loses none.

Blocking, and so for a thread. The socket is one of a pair that a child inherits: it has no name,
and nobody else can come by it.
"""

import array
import os
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

_HEAD = struct.Struct(">QI")
FDS_AT_ONCE = 253
# All that a process has at 10 minutes of 5,000 shares a second, and templates of full blocks, is
# some 300 MB.
MESSAGE_LIMIT = 4 << 30
# A process has no more descriptors than its limit, which nobody raises so far.
FDS_LIMIT = 1 << 20
_PIECE = 1 << 20
_GONE = "the other process is gone"


class PassingError(OSError):
    """The other process does not read, or does not keep to the form."""


class GoneError(PassingError):
    """The other process has ended, or has closed its end."""


class Passage:
    """One end. ``timeout_s`` is how long one send or receive may wait for the other."""

    def __init__(self, sock: socket.socket, timeout_s: float) -> None:
        self._sock = sock
        self._lock = threading.Lock()
        self._uses = 0
        self._is_closed = False
        self.wait_at_most(timeout_s)

    def wait_at_most(self, timeout_s: float) -> None:
        """From now on."""
        self._sock.settimeout(timeout_s)

    @classmethod
    def inherited(cls, fd: int, timeout_s: float) -> "Passage":
        """The end that the process before this one left open for us.

        Raises:
            PassingError: it is no such socket.
        """
        try:
            sock = socket.socket(fileno=fd)
        except OSError as error:
            raise PassingError(f"descriptor {fd} is no socket: {error}") from error
        if sock.family != socket.AF_UNIX or sock.type != socket.SOCK_STREAM:
            sock.detach()
            raise PassingError(f"descriptor {fd} is no Unix stream socket")
        sock.set_inheritable(False)
        return cls(sock, timeout_s)

    def fileno(self) -> int:
        """The descriptor."""
        return self._sock.fileno()

    def abort(self) -> None:
        """End what waits in another thread, on both ends."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """The other end sees the end of what was sent.

        A thread that is about to wait at a descriptor, and has its number already, would wait at
        whatever is opened next and gets that number: so who leaves last closes it.
        """
        with self._lock:
            self._is_closed = True
            self._close_if_all_have_left()

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        with self._lock:
            if self._is_closed:
                raise GoneError(_GONE)
            self._uses += 1
        try:
            yield
        finally:
            with self._lock:
                self._uses -= 1
                self._close_if_all_have_left()

    def _close_if_all_have_left(self) -> None:
        if self._is_closed and not self._uses:
            self._sock.close()

    def send(self, message: bytes, fds: Sequence[int] = ()) -> None:
        """Send a message; the descriptors stay open here.

        Raises:
            PassingError: the other end is gone (GoneError), or does not read.
        """
        try:
            with self._in_use():
                self._send(message, fds)
        except GoneError:
            raise
        except (BrokenPipeError, ConnectionResetError) as error:
            raise GoneError(_GONE) from error
        except OSError as error:
            raise PassingError(f"the other process cannot be told: {error}") from error

    def _send(self, message: bytes, fds: Sequence[int]) -> None:
        self._sock.sendall(_HEAD.pack(len(message), len(fds)))
        self._sock.sendall(message)
        for start in range(0, len(fds), FDS_AT_ONCE):
            some = array.array("i", fds[start : start + FDS_AT_ONCE])
            self._sock.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, some)])

    def receive(self) -> tuple[bytes, list[int]]:
        """The next message; its descriptors are the caller's, and no child of ours inherits them.

        Raises:
            PassingError: the other end is gone, says nothing, or does not keep to the form.
        """
        fds: list[int] = []
        try:
            with self._in_use():
                message = self._receive(fds)
        except OSError as error:
            close_all(fds)
            if isinstance(error, PassingError):
                raise
            if isinstance(error, ConnectionResetError):  # it had not read all that we said
                raise GoneError(_GONE) from error
            raise PassingError(f"nothing comes of the other process: {error}") from error
        return bytes(message), fds

    def _receive(self, fds: list[int]) -> bytearray:
        size, count = _HEAD.unpack(self._exactly(_HEAD.size))
        if size > MESSAGE_LIMIT or count > FDS_LIMIT:
            raise PassingError(f"a message of {size} bytes with {count} descriptors")
        message = self._exactly(size)
        while len(fds) < count:
            fds += self._descriptors(min(FDS_AT_ONCE, count - len(fds)))
        return message

    def _exactly(self, size: int) -> bytearray:
        """So many bytes. Memory is taken as they come, and not because they are announced."""
        whole = bytearray()
        while len(whole) < size:
            piece = self._sock.recv(min(_PIECE, size - len(whole)))
            if not piece:
                raise GoneError(_GONE)
            whole += piece
        return whole

    def _descriptors(self, count: int) -> list[int]:
        room = socket.CMSG_SPACE(count * array.array("i").itemsize)
        data, ancillary, _, _ = self._sock.recvmsg(1, room, socket.MSG_CMSG_CLOEXEC)
        fds = array.array("i")
        for level, kind, rights in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(rights[: len(rights) - len(rights) % fds.itemsize])
        if not data or len(fds) != count:
            close_all(fds)
            raise PassingError(f"{len(fds)} descriptors came of {count}")
        return fds.tolist()


def close_all(fds: Sequence[int]) -> None:
    """Close descriptors that nobody has a use for."""
    for fd in fds:
        with suppress(OSError):
            os.close(fd)
