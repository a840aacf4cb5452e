"""The old process's part in an upgrade: it starts the new one, and hands its rigs over.

Whatever goes wrong before the new one has all, it is killed, and the old one goes on as if nothing
had been: the rigs have waited for an answer, at most for PASS_TIMEOUT_S.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Protocol

import structlog

from poolserver.handover.giving import Giver
from poolserver.handover.passing import Passage
from poolserver.handover.state import Go, HandoverError, Hello, Left, Ready, Taken
from poolserver.handover.talk import Talk
from poolserver.server.worker import Worker

# It holds the number of the descriptor by which the new process is spoken to.
PASSAGE_VARIABLE = "POOLSERVER_PASSAGE"
# A node that is starting is waited for, as at any start; meanwhile rigs are served.
READY_TIMEOUT_S = 300.0
# Rigs are not answered while the state is passed. 10,000 take a second; some firmware gives a pool
# up after a minute.
PASS_TIMEOUT_S = 20.0

log = structlog.get_logger(__name__)


class Child(Protocol):
    """What is needed of the new process; see ``subprocess.Popen``."""

    @property
    def pid(self) -> int: ...
    def kill(self) -> None: ...
    def wait(self) -> int: ...


class Held(Protocol):
    """A link to the worker, whose messages may have to wait."""

    def hold(self) -> None: ...
    def let_go(self) -> None: ...


class Estate(Protocol):
    """What is handed over."""

    async def give_ahead(self, talk: Talk) -> None:
        """Send what does not change, while all goes on."""

    async def give(self, talk: Talk) -> None:
        """Let all rest, and send what there is.

        Raises:
            HandoverError, PassingError: it cannot be had, or not be sent.
        """

    async def take_back(self) -> None:
        """The other process is gone: go on as if nothing had been. ``give`` may have begun."""

    def let_go(self) -> None:
        """It is the other process's now."""


class Rigs:
    """The rigs of a worker; ``down`` brings it its templates."""

    def __init__(self, worker: Worker, down: Held) -> None:
        self._worker = worker
        self._down = down
        self._giver = Giver(worker)
        self._began: float | None = None

    async def give_ahead(self, talk: Talk) -> None:
        """The jobs: making messages of them takes longest."""
        await talk.tell(self._giver.jobs())

    async def give(self, talk: Talk) -> None:
        """Rigs wait from here on, until the other reads what they say."""
        worker = self._worker
        self._began = worker.now()
        self._down.hold()
        worker.pause()
        await asyncio.sleep(0)  # who was accepted in this turn has a session in the next
        async with asyncio.timeout(PASS_TIMEOUT_S):
            if not await worker.settle():
                raise HandoverError("the journal cannot be written")
        jobs, handed, fds = self._giver.hand(worker.now())
        await talk.tell(jobs)
        await talk.tell(handed, fds)

    async def take_back(self) -> None:
        """Read on."""
        if self._began is not None:
            self._giver.take_back()
            await self._worker.go_on()
            self._down.let_go()

    def let_go(self) -> None:
        """Those that could not be given are told to come."""
        assert self._began is not None
        rigs, left = self._giver.let_go()
        seconds = round(self._worker.now() - self._began, 3)
        log.info("rigs_handed_over", rigs=rigs, asked_to_reconnect=left, seconds=seconds)


class Nothing:
    """What a coordinator has: its books are closed, and its workers go on without it."""

    async def give_ahead(self, talk: Talk) -> None:
        """Nothing."""

    async def give(self, talk: Talk) -> None:
        """Nothing."""

    async def take_back(self) -> None:
        """Nothing."""

    def let_go(self) -> None:
        """Nothing."""


def run_with(
    command: Sequence[str], inherited: Mapping[str, int], *, in_own_session: bool = False
) -> "subprocess.Popen[bytes]":
    """Run a command with descriptors, whose numbers are in these variables.

    Raises:
        OSError: it cannot be run.
    """
    environ = {**os.environ, **{name: str(fd) for name, fd in inherited.items()}}
    fds = tuple(inherited.values())
    return subprocess.Popen(command, env=environ, pass_fds=fds, start_new_session=in_own_session)


def run_again(fd: int, also: Mapping[str, int] = MappingProxyType({})) -> Child:
    """Run the command that this process was started with once more; ``also`` is inherited too.

    Raises:
        OSError: it cannot be run.
    """
    return run_with([sys.executable, *sys.orig_argv[1:]], {PASSAGE_VARIABLE: fd, **also})


class Upgrade:
    """Hands over to a new process, once; after a failure it may be tried again."""

    def __init__(
        self,
        estate: Callable[[], Estate],
        hello: Callable[[], tuple[Hello, list[int]]],
        on_handed: Callable[[], None],
        *,
        start: Callable[[int], Child] = run_again,
        on_main: Callable[[int], None] = lambda pid: None,
        on_failed: Callable[[str], None] = lambda reason: None,
    ) -> None:
        """``estate`` is asked for at each try, as is ``hello``, the first word.

        ``on_handed`` is called when all is the other process's: this one is to end. ``on_main``
        hears which process is the pool's main one from now on, to tell whoever watches it.
        ``on_failed`` hears why all is as before.
        """
        self._estate = estate
        self._hello = hello
        self._on_handed = on_handed
        self._start = start
        self._on_main = on_main
        self._on_failed = on_failed
        self._task: asyncio.Task[None] | None = None
        self._talk: Talk | None = None
        self._wants_left = False
        self._is_over = False
        self.heir_pid: int | None = None
        """The process that has all, once it has."""

    @property
    def is_under_way(self) -> bool:
        """Whether another process has been started, and all is not back here."""
        return self._task is not None

    def begin(self) -> bool:
        """Start the new process and hand over to it. False: that is under way already, or this one
        is ending."""
        if self._task is not None or self._is_over:
            why = "one is under way" if self._task is not None else "the pool is ending"
            log.warning("upgrade_refused", reason=why)
            return False
        self._task = asyncio.create_task(self._run(), name="upgrade")
        return True

    async def close(self) -> None:
        """This process is to end by itself: an upgrade that is under way is given up, and none is
        begun any more."""
        self._is_over = True
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def end(self, parts: Callable[[], Mapping[str, bytes]] = dict) -> None:
        """All is closed here, the books too, which the new process waits for.

        ``parts`` gives it what is in no book; see ``Left``.
        """
        if self._talk is None:
            return
        if self._wants_left and (left := parts()):
            with suppress(OSError):  # it is gone, or does without
                await self._talk.tell(Left(dict(left)))
        self._talk.end()

    async def _run(self) -> None:
        mine, theirs = socket.socketpair()
        talk = Talk(Passage(mine, PASS_TIMEOUT_S))
        try:
            with theirs:
                child = self._start(theirs.fileno())
        except OSError as error:
            talk.end()
            self._failed(f"the new process cannot be started: {error}")
            return
        log.info("upgrade_begun", pid=child.pid)
        estate = self._estate()
        try:
            await self._hand_over(talk, estate, child)
        except BaseException as error:
            # Two processes must not answer the same rigs. Not before it is dead is the talk ended:
            # one that has taken all would think that we have died, and read on.
            child.kill()
            status = await asyncio.to_thread(child.wait)
            talk.end()
            self._on_main(os.getpid())
            await estate.take_back()
            if not isinstance(error, Exception):
                raise
            if not isinstance(error, HandoverError | OSError):  # a bug of ours; later it may work
                log.debug("upgrade_failed", exc_info=True)
            self._failed(f"{str(error) or repr(error)} (the new process ended with {status})")
        else:
            estate.let_go()
            self._talk = talk  # its end tells the other that all is closed here
            self.heir_pid = child.pid
            self._on_handed()

    def _failed(self, reason: str) -> None:
        self._task = None
        log.error("upgrade_failed", reason=reason)
        self._on_failed(reason)

    async def _hand_over(self, talk: Talk, estate: Estate, child: Child) -> None:
        await talk.tell(*self._hello())
        talk.wait_at_most(READY_TIMEOUT_S)
        ready, _ = await talk.hear(Ready)
        self._wants_left = ready.wants_left
        talk.wait_at_most(PASS_TIMEOUT_S)
        await estate.give_ahead(talk)
        await estate.give(talk)
        await talk.hear(Taken)
        self._on_main(child.pid)
        await talk.tell(Go())
