"""The one worker of a pool in one process, with the face of a crew."""

import asyncio
import time
from collections.abc import Callable

from poolserver.cluster.link import LocalLink
from poolserver.cluster.messages import Down, Up, WorkerSettings
from poolserver.crew import berths as berth_events
from poolserver.crew.berths import Berths
from poolserver.node.submitter import BlockSubmitter
from poolserver.server.worker import Worker


class Alone:
    """Needs a running loop. ``make_settings`` is asked once, when the worker is begun."""

    def __init__(
        self,
        make_settings: Callable[[], WorkerSettings],
        submitter: BlockSubmitter,
        receive: Callable[[Up], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.berths = Berths(1)
        self._make_settings = make_settings
        self._submitter = submitter
        self._down: LocalLink[Down] = LocalLink(loop, self._hand_down)
        self._up: LocalLink[Up] = LocalLink(loop, receive)
        self._worker: Worker | None = None

    async def open(self) -> None:
        """Take up spooled blocks."""
        await self._submitter.resume(time.time())

    async def start(self) -> None:
        """Open the listeners.

        Raises:
            LedgerError: the journal cannot be begun.
            OSError: an address or the boot epoch cannot be had.
        """
        (berth,) = self.berths
        # Only now, so that a start that fails leaves no journal; and before the next turn, in
        # which it may be sent a template.
        self._worker = Worker(self._make_settings(), self._up, self._submitter)
        await self._worker.start()
        berth_events.begin(berth, time.monotonic())
        berth.is_linked = berth.has_listened = True

    async def stop(self, *, whole_pool: bool) -> None:
        """End the worker, which is this process; its last batch crosses the link."""
        if self._worker is not None:
            await self._worker.stop()
            await asyncio.sleep(0)

    async def close(self, *, whole_pool: bool) -> None:
        """Give blocks a last chance."""
        await self._submitter.close()

    def check(self) -> None:
        """Raise what ended the worker's ticks."""
        if self._worker is not None:
            self._worker.check()

    def send(self, message: Down) -> None:
        """To the worker, in a turn of its own."""
        self._down.send(message)

    def _hand_down(self, message: Down) -> None:
        assert self._worker is not None
        self._worker.receive(message)
