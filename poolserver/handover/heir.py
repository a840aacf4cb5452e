"""The new process's part in an upgrade: it takes the rigs of the one that has started it."""

import os
import socket
from collections.abc import MutableMapping
from itertools import chain

import structlog

from poolserver.config import Config
from poolserver.handover.passing import GoneError, Passage
from poolserver.handover.state import (
    FORMAT,
    Go,
    Handed,
    HandoverError,
    Hello,
    Jobs,
    Listening,
    Ready,
    Taken,
)
from poolserver.handover.taking import Taker
from poolserver.handover.talk import Talk
from poolserver.handover.upgrade import PASS_TIMEOUT_S, PASSAGE_VARIABLE
from poolserver.server.worker import Worker

# The other is not to wait for us when we have given up waiting for it.
WORD_TIMEOUT_S = 3 * PASS_TIMEOUT_S
# The books of the other are closed within seconds, unless a node or a disk is waited for.
BOOKS_TIMEOUT_S = 120.0

log = structlog.get_logger(__name__)


class Heir:
    """Takes over, from a greeting to the end of the other process. Each step once, in order."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._hello: Hello
        self._taker: Taker
        self.listening: dict[tuple[str, int], list[socket.socket]] = {}
        """What the other listens at for rigs, by the addresses of its config."""
        self._http: list[socket.socket] = []

    @classmethod
    def of(cls, environ: MutableMapping[str, str] = os.environ) -> "Heir | None":
        """Whom another process has started to take over; None: nobody has.

        Raises:
            PassingError: the variable names no socket.
        """
        fd = environ.pop(PASSAGE_VARIABLE, None)  # nobody whom we start has it too
        if fd is None:
            return None
        return cls(Talk(Passage.inherited(int(fd), WORD_TIMEOUT_S)))

    async def greet(self, config: Config) -> None:
        """Hear who the other is.

        Raises:
            HandoverError: its rigs cannot be taken over with this config.
            PassingError: it says nothing.
        """
        hello, fds = await self._talk.hear(Hello)
        sockets = [socket.socket(fileno=fd) for fd in fds]
        self._hello = hello
        for each in hello.listeners:
            self.listening[each.host, each.port] = _first(sockets, each)
        self._http = _first(sockets, hello.http)
        stratum = config.stratum
        for what, theirs, ours in (
            ("the format of a handover", hello.format, FORMAT),
            ("network", hello.network, config.network),
            ("stratum.extranonce2_size", hello.extranonce2_size, stratum.extranonce2_size),
        ):
            if theirs != ours:
                raise HandoverError(f"{what} is {ours}, was {theirs}: that needs a restart")

    async def take(self, worker: Worker) -> None:
        """Say that all is ready, and take the rigs; they are not read yet.

        Raises:
            HandoverError: what the other says does not fit together.
            PassingError: the other is gone, and the rigs with it, or says nothing.
        """
        talk = self._talk
        self._taker = taker = Taker(worker, self._hello.listeners)
        await talk.tell(Ready())
        for _ in range(2):  # while rigs were served, and since
            jobs, _ = await talk.hear(Jobs)
            taker.take_jobs(jobs)
        handed, fds = await talk.hear(Handed)
        taker.take(handed, fds, worker.now())
        await talk.tell(Taken())
        try:
            await talk.hear(Go)
        except GoneError:  # it would have killed us before it took anything back
            log.warning("old_process_died", rigs=len(fds))
        for address in self.listening.keys() - set(worker.reception.addresses):
            for sock in self.listening[address]:
                sock.close()  # who knocks there is refused from now on

    async def read(self) -> None:
        """Hear what the rigs say from now on."""
        await self._taker.read()

    def http(self, host: str, port: int) -> list[socket.socket]:
        """What the other listened at for HTTP, if that was there."""
        address = self._hello.http.host, self._hello.http.port
        if address == (host, port):
            return self._http
        for sock in self._http:
            sock.close()
        return []

    async def books_are_closed(self) -> None:
        """Wait for the end of the other process.

        Raises:
            PassingError: it does not come.
        """
        self._talk.wait_at_most(BOOKS_TIMEOUT_S)
        try:
            await self._talk.hear()
        except GoneError:
            self._talk.end()

    def give_up(self) -> None:
        """End what waits for the other process, and listen no more at what it has given."""
        self._talk.end()
        for sock in (*chain(*self.listening.values()), *self._http):
            sock.close()


def _first(sockets: list[socket.socket], listening: Listening) -> list[socket.socket]:
    first = sockets[: listening.sockets]
    del sockets[: listening.sockets]
    return first
