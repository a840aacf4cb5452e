"""The old process's part in an upgrade: it starts the new one, and hands its rigs over.

Whatever goes wrong before the new one has all, it is killed, and the old one goes on as if nothing
had been: the rigs have waited for an answer, at most for PASS_TIMEOUT_S.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Protocol

import structlog

from poolserver.handover.giving import Giver
from poolserver.handover.passing import Passage, PassingError
from poolserver.handover.service import tell_main_pid
from poolserver.handover.state import Go, HandoverError, Hello, Ready, Taken
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


def start_again(fd: int) -> Child:
    """Run the command that this process was started with once more, with a descriptor of ours.

    Raises:
        OSError: it cannot be run.
    """
    command = [sys.executable, *sys.orig_argv[1:]]
    environ = {**os.environ, PASSAGE_VARIABLE: str(fd)}
    return subprocess.Popen(command, env=environ, pass_fds=(fd,))


class Upgrade:
    """Hands a running worker over, once; after a failure it may be tried again."""

    def __init__(
        self,
        worker: Worker,
        down: Held,
        hello: Callable[[], tuple[Hello, list[int]]],
        on_handed: Callable[[], None],
        *,
        start: Callable[[int], Child] = start_again,
    ) -> None:
        """``down`` brings the worker its templates. ``hello`` gives the first word.

        ``on_handed`` is called when the rigs are the other process's: this one is to end.
        """
        self._worker = worker
        self._down = down
        self._hello = hello
        self._on_handed = on_handed
        self._start = start
        self._task: asyncio.Task[None] | None = None
        self._talk: Talk | None = None
        self._has_paused = False

    def begin(self) -> None:
        """Start the new process and hand over to it, unless that is under way."""
        if self._task is not None:
            log.warning("upgrade_refused", reason="one is under way")
        elif os.getpid() == 1:
            # Its end is the end of all processes of a container, the new one too.
            log.error("upgrade_refused", reason="the first process of a container cannot end")
        else:
            self._task = asyncio.create_task(self._run(), name="upgrade")

    async def close(self) -> None:
        """This process is to end by itself: an upgrade that is under way is given up."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    def end(self) -> None:
        """All is closed here, the books too, which the new process waits for."""
        if self._talk is not None:
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
        giver = Giver(self._worker)
        try:
            await self._prepare(talk, giver)
            await self._hand_over(talk, giver, child)
        except BaseException as error:
            talk.end()
            child.kill()  # two processes must not answer the same rigs
            status = await asyncio.to_thread(child.wait)
            await self._take_back(giver)
            if not isinstance(error, HandoverError | PassingError):
                raise
            self._failed(f"{error} (the new process ended with {status})")
        else:
            self._talk = talk  # its end tells the other that our books are closed
            self._on_handed()

    def _failed(self, reason: str) -> None:
        self._task = None
        log.error("upgrade_failed", reason=reason)

    async def _prepare(self, talk: Talk, giver: Giver) -> None:
        """Rigs are served as ever: the new process does all that takes long or can fail."""
        await talk.tell(*self._hello())
        talk.wait_at_most(READY_TIMEOUT_S)
        await talk.hear(Ready)
        talk.wait_at_most(PASS_TIMEOUT_S)
        await talk.tell(giver.jobs())

    async def _hand_over(self, talk: Talk, giver: Giver, child: Child) -> None:
        """Rigs wait from here on, until the other reads what they say."""
        worker, began = self._worker, self._worker.now()
        self._down.hold()
        self._has_paused = True
        worker.pause()
        await asyncio.sleep(0)  # who was accepted in this turn has a session in the next
        async with asyncio.timeout(PASS_TIMEOUT_S):
            if not await worker.settle():
                raise HandoverError("the journal cannot be written")
        jobs, handed, fds = giver.hand(worker.now())
        await talk.tell(jobs)
        await talk.tell(handed, fds)
        await talk.hear(Taken)
        tell_main_pid(child.pid)
        await talk.tell(Go())
        log.info(
            "rigs_handed_over",
            rigs=len(fds),
            asked_to_reconnect=giver.let_go(),
            seconds=round(worker.now() - began, 3),
        )

    async def _take_back(self, giver: Giver) -> None:
        if self._has_paused:
            self._has_paused = False
            tell_main_pid(os.getpid())
            giver.take_back()
            await self._worker.go_on()
            self._down.let_go()
