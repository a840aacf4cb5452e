"""The new process's part in an upgrade: it takes the rigs of the one that has started it."""

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress
from itertools import chain

import structlog

from poolserver.handover.passing import GoneError, Passage, PassingError, close_all
from poolserver.handover.state import (
    FORMAT,
    Failed,
    Go,
    Handed,
    HandoverError,
    Hello,
    Jobs,
    Left,
    Ready,
    Taken,
)
from poolserver.handover.taking import Taker
from poolserver.handover.talk import Talk
from poolserver.handover.upgrade import PASS_TIMEOUT_S, PASSAGE_VARIABLE
from poolserver.server.worker import Worker

# The other is not to wait for us when we have given up waiting for it.
WORD_TIMEOUT_S = 3 * PASS_TIMEOUT_S
# The books of the other are closed within seconds, unless a node or a disk is waited for. So often
# it is said that they are not.
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
        self.lock: int | None = None
        """Of a worker process among several: the descriptor of what it locks for its life."""

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

    async def greet(self) -> Hello:
        """Hear who the other is; then ``check``.

        Raises:
            HandoverError: its words are not ours.
            PassingError: it says nothing.
        """
        hello, fds = await self._talk.hear(Hello)
        if hello.format != FORMAT:
            close_all(fds)
            raise needs_restart("the format of a handover", hello.format, FORMAT)
        self._hello = hello
        for each in hello.listeners:
            self.listening[each.host, each.port] = _sockets(fds, each.sockets)
        self._http = _sockets(fds, hello.http.sockets)
        self.lock = fds.pop() if fds else None
        return hello

    def check(self, network: str, extranonce2_size: int) -> None:
        """See whether rigs can go on under these settings.

        Raises:
            HandoverError: they cannot.
        """
        hello = self._hello
        if hello.network != network:
            raise needs_restart("network", hello.network, network)
        if hello.extranonce2_size != extranonce2_size:
            told = hello.extranonce2_size
            raise needs_restart("stratum.extranonce2_size", told, extranonce2_size)

    def check_reload(self, fingerprint: str) -> None:
        """See whether the configuration is the one that the other has found good.

        Raises:
            HandoverError: the file has changed since.
        """
        wanted = self._hello.reloading
        if wanted is not None and wanted.fingerprint != fingerprint:
            raise HandoverError("the configuration has changed since it was found good")

    async def take(self, worker: Worker) -> None:
        """Say that all is ready, and take the rigs; they are not read yet.

        Raises:
            HandoverError: what the other says does not fit together.
            PassingError: the other is gone, and the rigs with it, or says nothing.
        """
        talk = self._talk
        self._taker = taker = Taker(worker, self._hello.listeners)
        await talk.tell(Ready(wants_left=True))
        for _ in range(2):  # while rigs were served, and since
            jobs, _ = await talk.hear(Jobs)
            taker.take_jobs(jobs)
        handed, fds = await talk.hear(Handed)
        taker.take(handed, fds, worker.now())
        await self._has_taken(rigs=len(fds))
        for address in self.listening.keys() - set(worker.reception.addresses):
            for sock in self.listening[address]:
                sock.close()  # who knocks there is refused from now on

    async def take_no_rigs(self) -> None:
        """Say that all is ready, as who has none: its workers have them.

        Raises:
            PassingError: the other is gone, or says nothing.
        """
        await self._talk.tell(Ready(wants_left=True))
        await self._has_taken(rigs=0)

    async def _has_taken(self, rigs: int) -> None:
        try:
            await self._talk.tell(Taken())
            await self._talk.hear(Go)
        except GoneError:  # it would have killed us before it took anything back
            log.warning("old_process_died", rigs=rigs)

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

    async def books_are_closed(self) -> dict[str, bytes]:
        """Wait for the end of the other process, however long it takes: rigs mine here meanwhile.

        What it leaves that is in no book, by part: see ``Left``. Nothing if it has died.

        Raises:
            HandoverError, PassingError: it says something else.
        """
        self._talk.wait_at_most(BOOKS_TIMEOUT_S)
        left: dict[str, bytes] = {}
        while True:
            try:
                left = (await self._talk.hear(Left))[0].parts
            except GoneError:
                self._talk.end()
                return left
            except PassingError as error:
                if not isinstance(error.__cause__, TimeoutError):
                    raise
                log.error("old_process_does_not_end", reason=str(error))

    async def fail(self, reason: str) -> None:
        """Say why this process cannot take over; the other goes on then, and kills it."""
        with suppress(OSError):
            await self._talk.tell(Failed(reason))

    def give_up(self) -> None:
        """End what waits for the other process, and listen no more at what it has given."""
        self._talk.end()
        for sock in (*chain(*self.listening.values()), *self._http):
            sock.close()


def _sockets(fds: list[int], count: int) -> list[socket.socket]:
    """So many, of the first descriptors, which are taken out."""
    first, fds[:count] = fds[:count], []
    return [socket.socket(fileno=fd) for fd in first]


def needs_restart(what: str, told: object, ours: object) -> HandoverError:
    """Why rigs cannot go on: the other process's setting is not ours."""
    return HandoverError(f"{what} is {ours}, was {told}: that needs a restart")
