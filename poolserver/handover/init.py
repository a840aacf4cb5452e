"""The first process, once its pool has handed over: it stays, and waits for the pool's newest one.

A container ends with its first process (pid 1), and so do some service managers' services. So that
process does not end: it becomes this program by exec(2), which frees what the pool had. It reaps
orphans, passes signals on to the pool's newest process, and ends as that one ends.

Each process of the pool inherits one end of a socket pair, by the number in STAY_VARIABLE, and
says on it which process is the newest. The pair has no name, and nobody else can come by it.
"""

import os
import signal
import socket
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import NoReturn

STAY_VARIABLE = "POOLSERVER_STAY"
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2, signal.SIGQUIT)
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h; since Linux 3.4


class FirstProcess:
    """The pair, in the first process and in those that come of it."""

    def __init__(self, theirs: socket.socket, ours: socket.socket | None) -> None:
        self._theirs = theirs
        self._ours = ours

    @classmethod
    def of(
        cls, *, stays: bool, environ: MutableMapping[str, str] = os.environ
    ) -> "FirstProcess | None":
        """That which this process is, or comes of; None: its end is the end of nobody else.

        ``stays``: it is to stay although it is not pid 1.
        """
        fd = environ.pop(STAY_VARIABLE, None)
        if fd is not None:
            return cls(socket.socket(fileno=int(fd)), None)
        if os.getpid() != 1:
            if not stays:
                return None
            import ctypes  # needs memory that is written and run, which a service may not have

            # Who is left alone among our children's children becomes ours, as it does with pid 1.
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        theirs.setblocking(False)
        return cls(theirs, ours)

    @property
    def is_first(self) -> bool:
        """Whether it is this process."""
        return self._ours is not None

    @property
    def inherited(self) -> dict[str, int]:
        """What the next process is to have: a variable with a descriptor's number."""
        return {STAY_VARIABLE: self._theirs.fileno()}

    def close(self) -> None:
        """This process has nothing more to say."""
        self._theirs.close()

    def newest(self, pid: int) -> None:
        """Say which process is the pool's newest; the first one hears it when it stays."""
        if not self.is_first:
            with suppress(OSError):  # nobody is waited for
                self._theirs.send(str(pid).encode())

    def stay(self, pid: int) -> None:
        """In the first process: be nothing but that from now on, for ``pid``. Elsewhere nothing.

        Does not return in the first process.
        """
        if self._ours is None:
            return
        # What comes between here and there waits: pid 1 is not even killed by what it ignores.
        signal.pthread_sigmask(signal.SIG_BLOCK, {*PASSED_ON, signal.SIGCHLD})
        self._ours.set_inheritable(True)
        command = ["-m", "poolserver.handover.init", str(self._ours.fileno()), str(pid)]
        os.execv(sys.executable, [sys.executable, *command])


def wait_for(words: socket.socket, pid: int) -> int:
    """Wait for the end of the pool's newest process; what it ended with, as a shell says it.

    The signals are blocked: each is waited for, and none is lost.
    """
    words.setblocking(False)
    while True:
        number = signal.sigwait({*PASSED_ON, signal.SIGCHLD})
        pid = _newest(words, pid)
        if number != signal.SIGCHLD:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        elif (status := _reap(words, pid)) is not None:
            return status


def _newest(words: socket.socket, pid: int) -> int:
    with suppress(BlockingIOError):
        while word := words.recv(32):
            pid = int(word)
    return pid


def _reap(words: socket.socket, pid: int) -> int | None:
    """Take note of all that have ended; the status of the newest process, if it is among them."""
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 1  # there is none any more, and the newest was never ours
        if not ended:
            return None
        # It says who comes after it before it ends.
        if ended == _newest(words, pid):
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def main() -> NoReturn:
    """Be that process; the arguments are a descriptor and the newest process."""
    fd, pid = int(sys.argv[1]), int(sys.argv[2])
    signal.pthread_sigmask(signal.SIG_BLOCK, {*PASSED_ON, signal.SIGCHLD})
    os.kill(os.getpid(), signal.SIGCHLD)  # one may have ended before we were there
    sys.exit(wait_for(socket.socket(fileno=fd), pid))


if __name__ == "__main__":
    main()
