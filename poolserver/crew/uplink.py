"""A worker process's end of its link: lost and made again, while the worker goes on."""

import asyncio
import random
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from poolserver.cluster.link import StreamLink, down_decoder
from poolserver.cluster.messages import Down, TemplateUpdate, Up, WorkerHello, WorkerSettings
from poolserver.crew.post import connected_socket
from poolserver.mining.identity import WorkerIdentity

# A coordinator that was started anew finds its workers within a second.
RETRY_S = 0.5
# What is still to be said at the end is some batches of the journal, which has them anyway.
CLOSE_TIMEOUT_S = 5.0

log = structlog.get_logger(__name__)


class Uplink:
    """A ``Sender`` to the coordinator in ``folder``; without one, what is sent is dropped.

    ``settings`` are the worker's, once it has been told; ``has_work`` once there is a template.
    ``clock`` is monotonic, in seconds.
    """

    def __init__(
        self,
        folder: Path,
        index: int,
        clock: Callable[[], float],
        settings: WorkerSettings | None = None,
    ) -> None:
        """``settings`` where they are known already, as of a process before this one."""
        self.settings: asyncio.Future[WorkerSettings] = asyncio.get_running_loop().create_future()
        if settings is not None:
            self.settings.set_result(settings)
        self.has_work = asyncio.Event()
        self._folder = folder
        self._index = index
        self._clock = clock
        self._link: StreamLink[Up, Down] | None = None
        self._lost = asyncio.Event()
        self._alone_since = clock()
        self._receive: Callable[[Down], None] | None = None
        self._inbox: list[Down] = []

    @property
    def alone_s(self) -> float:
        """Since when there is no coordinator; 0 while there is one."""
        return 0.0 if self._link is not None else self._clock() - self._alone_since

    async def run(self) -> None:
        """Look for the coordinator whenever there is no link to it; for ever."""
        while True:
            with suppress(OSError):
                await self._be_linked(connected_socket(self._folder))
            await asyncio.sleep(RETRY_S * random.uniform(0.5, 1.0))

    async def _be_linked(self, sock: socket.socket) -> None:
        link: StreamLink[Up, Down] = StreamLink(down_decoder(), self._take, self._on_lost)
        self._lost.clear()
        await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=sock)
        self._link = link
        try:
            link.send(WorkerHello(self._index, self._source()))
            await self._lost.wait()
        finally:
            self._link = None
            self._alone_since = self._clock()

    async def close(self) -> None:
        """Say what is still to be said, and end."""
        link, self._link = self._link, None
        if link is None:
            return
        link.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._lost.wait()

    def send(self, message: Up) -> None:
        if self._link is not None:
            self._link.send(message)

    def hold(self) -> None:
        """Keep what comes until there is somebody to deliver it to."""
        self._receive = None

    def deliver_to(self, receive: Callable[[Down], None]) -> None:
        """Give what comes, and what came, to the worker, which is there now."""
        self._receive = receive
        inbox, self._inbox = self._inbox, []
        for message in inbox:
            receive(message)

    def _take(self, message: Down) -> None:
        if isinstance(message, WorkerSettings) and not self.settings.done():
            self.settings.set_result(message)
        elif self._receive is not None:
            self._receive(message)
        else:
            self._inbox.append(message)
            if isinstance(message, TemplateUpdate):
                self.has_work.set()

    def _on_lost(self, error: Exception | None) -> None:
        if self._link is not None:
            log.warning("coordinator_lost", reason=str(error or "it has closed the link"))
        self._lost.set()

    def _source(self) -> str:
        if not self.settings.done():
            return ""
        its = self.settings.result()
        return WorkerIdentity(its.instance_id, its.worker_index, its.boot_epoch).source
