"""The one worker of a pool in one process, with the face of a crew."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from poolserver.cluster.link import LocalLink
from poolserver.cluster.messages import Down, Up, WorkerSettings
from poolserver.crew import berths as berth_events
from poolserver.crew.berths import Berths
from poolserver.crew.crew import CrewError
from poolserver.crew.post import FOLDER, living_workers
from poolserver.handover.giving import listening
from poolserver.handover.heir import Heir
from poolserver.handover.state import Listening
from poolserver.handover.upgrade import Rigs
from poolserver.node.submitter import BlockSubmitter
from poolserver.server.worker import Worker


class Alone:
    """Needs a running loop. ``make_settings`` is asked once, when the worker is begun."""

    def __init__(
        self,
        data_dir: Path,
        make_settings: Callable[[], WorkerSettings],
        submitter: BlockSubmitter,
        receive: Callable[[Up], None],
        *,
        is_heir: bool = False,
    ) -> None:
        """``is_heir``: another process has the spool still; it is followed by ``prepare``."""
        loop = asyncio.get_running_loop()
        self.berths = Berths(1)
        self._data_dir = data_dir
        self._make_settings = make_settings
        self._submitter = submitter
        self._down: LocalLink[Down] = LocalLink(loop, self._hand_down)
        self._up: LocalLink[Up] = LocalLink(loop, receive)
        self._worker: Worker | None = None
        self._is_heir = is_heir

    async def open(self) -> None:
        """Take up spooled blocks.

        Raises:
            CrewError: workers of a pool that had several processes mine still.
        """
        if self._is_heir:
            return
        if living := living_workers(self._data_dir / FOLDER):
            pids = " ".join(map(str, living.values()))
            raise CrewError(f"worker processes of this pool mine; end them first: kill {pids}")
        await self._submitter.resume(time.time())

    async def start(self) -> None:
        """Open the listeners.

        Raises:
            LedgerError: the journal cannot be begun.
            OSError: an address or the boot epoch cannot be had.
        """
        # Only now, so that a start that fails leaves no journal; and before the next turn, in
        # which it may be sent a template.
        self._worker = Worker(self._make_settings(), self._up, self._submitter)
        await self._worker.start()
        self._has_begun()

    def _has_begun(self) -> None:
        (berth,) = self.berths
        berth_events.begin(berth, time.monotonic())
        berth.is_linked = berth.has_listened = True

    # --- from one process to the next ----------------------------------------------------

    async def prepare(self, heir: Heir) -> None:
        """In place of ``start``, do what can fail before another process's rigs are taken.

        Raises:
            LedgerError: the journal cannot be begun.
            OSError: an address or the boot epoch cannot be had.
        """
        self._up.hold()  # the books are closed yet
        self._down.hold()
        self._worker = Worker(self._make_settings(), self._up, self._submitter)
        await self._worker.bind(heir.listening)

    async def take_over(self, heir: Heir) -> None:
        """Take the rigs, and answer them.

        Raises:
            HandoverError, PassingError: they cannot be taken.
        """
        assert self._worker is not None
        await heir.take(self._worker)
        await heir.read()
        await self._worker.serve()
        self._down.let_go()
        self._has_begun()

    async def settle_in(self) -> None:
        """The other process has ended, and the books are open here."""
        assert self._worker is not None
        self._up.let_go()
        await self._worker.resume_blocks()

    def estate(self) -> Rigs:
        """What is handed over."""
        assert self._worker is not None
        return Rigs(self._worker, self._down)

    def listening(self) -> tuple[tuple[Listening, ...], list[int]]:
        """What is listened at for rigs."""
        assert self._worker is not None
        return listening(self._worker)

    # --- as a crew -----------------------------------------------------------------------

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
