"""The life of a worker process: settings from the coordinator, blocks of a former life, rigs.

Its coordinator may end, and it goes on; it ends by SIGTERM, or alone for too long, or once it has
handed its rigs over to a new process, as the coordinator has told it to.
"""

import asyncio
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from poolserver.cluster.messages import Down, Renew, WorkerFailed, WorkerSaid, WorkerSettings
from poolserver.crew.lock import ProcessLock, Taken
from poolserver.crew.post import worker_lock
from poolserver.crew.uplink import Uplink
from poolserver.handover.giving import listening
from poolserver.handover.heir import Heir
from poolserver.handover.state import FORMAT, HandoverError, Hello
from poolserver.handover.upgrade import PASSAGE_VARIABLE, Rigs, Upgrade, run_with
from poolserver.ledger.records import LedgerError
from poolserver.log import EventFeed
from poolserver.node.submitter import BlockSubmitter
from poolserver.process_watch import ProcessWatch
from poolserver.server.block_desk import block_submitter, submit_rpcs
from poolserver.server.worker import Worker

CHECK_INTERVAL_S = 1.0
# Without settings it is nothing yet: the next coordinator begins another.
SETTINGS_TIMEOUT_S = 60.0

log = structlog.get_logger(__name__)


class NoSettings(OSError):
    """No coordinator has told this process what it is to be."""


async def serve_worker(folder: Path, index: int) -> bool:
    """Be the worker process of this index, until SIGTERM. ``folder`` is where the crew meets.

    False: it could not start, which the coordinator was told, or the log if there is none.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR2, lambda: None)  # which is for the coordinator
    heir, settings = Heir.of(), None
    try:
        if heir is None:
            lock = ProcessLock(worker_lock(folder, index))
        else:
            settings, lock = await _legacy(heir)
    except Taken as error:  # as where a coordinator died just after it had begun another
        log.warning("worker_dismissed", process=index, reason=str(error))
        return False
    except (HandoverError, OSError) as error:
        log.error("worker_not_begun", process=index, reason=str(error))
        return False
    uplink = Uplink(folder, index, time.monotonic, settings)
    feed = EventFeed()
    life = WorkerLife(folder, index, uplink, lock, stop, feed)
    with feed.listening():
        if heir is None or settings is None:
            return await life.lead(life.begin())
        return await life.lead(life.succeed(heir, settings))


async def _legacy(heir: Heir) -> tuple[WorkerSettings, ProcessLock]:
    hello = await heir.greet()
    settings = hello.settings
    if settings is None or heir.lock is None:
        raise HandoverError("the other process is no worker of several")
    heir.check(settings.network, settings.extranonce2_size)
    return settings, ProcessLock.inherited(heir.lock)


class WorkerLife:
    """One worker process, from its settings to its end."""

    def __init__(
        self,
        folder: Path,
        index: int,
        uplink: Uplink,
        lock: ProcessLock,
        stop: asyncio.Event,
        feed: EventFeed,
    ) -> None:
        self._folder = folder
        self._index = index
        self._uplink = uplink
        self._lock = lock
        self._stop = stop
        self._feed = feed
        self._said = feed.last_id
        self._watch = ProcessWatch()
        self._run: asyncio.Task[None] | None = None
        self._worker: Worker | None = None
        self._upgrade: Upgrade | None = None

    async def lead(self, life: Coroutine[Any, Any, None]) -> bool:
        """Live, and tidy up; False: it could not start, see ``serve_worker``."""
        try:
            await self._until_stopped(life)
        except (LedgerError, HandoverError, OSError) as error:
            if self._uplink.alone_s:
                log.error("worker_not_begun", process=self._index, reason=str(error))
            self._uplink.send(WorkerFailed(self._index, str(error)))
            return False
        finally:
            await self._uplink.close()
            if self._run is not None:
                self._run.cancel()
            self._lock.release()
            if self._upgrade is not None:
                await self._upgrade.end()
        return True

    async def _until_stopped(self, life: Coroutine[Any, Any, None]) -> None:
        """Live; when ``stop`` is set, life is cancelled and ends in good order."""
        living = asyncio.create_task(life, name="worker")
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait([living, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not living.done():
            log.info("stopping")
            living.cancel()
        with suppress(asyncio.CancelledError):
            await living

    # --- two ways to begin -----------------------------------------------------------------

    async def begin(self) -> None:
        """Be told the settings by the coordinator, take up blocks, and open the listeners."""
        uplink = self._uplink
        self._link()
        try:
            async with asyncio.timeout(SETTINGS_TIMEOUT_S):
                settings = await uplink.settings
        except TimeoutError as error:
            raise NoSettings("no coordinator gives this worker process its settings") from error
        async with _submitter(settings) as submitter:
            await submitter.resume(time.time())
            await uplink.has_work.wait()
            # Only now, so that a start that fails leaves no journal.
            worker = Worker(settings, uplink, submitter, watch=self._watch)
            async with self._working(worker):
                uplink.deliver_to(self._receive)
                await worker.start()
                await self._mine(worker, settings)

    async def succeed(self, heir: Heir, settings: WorkerSettings) -> None:
        """Take over the rigs of a process before this one, and then its place in the crew."""
        uplink = self._uplink
        async with (
            _submitter(settings) as submitter,
            self._working(Worker(settings, uplink, submitter, watch=self._watch)) as worker,
        ):
            try:
                await worker.bind(heir.listening)
                await heir.take(worker)
                with suppress(OSError):  # the rigs are ours, come what may
                    self._lock.sign()  # not before: the other could have taken them back
                await heir.read()
                await worker.serve()
                await heir.books_are_closed()
            except BaseException:
                heir.give_up()
                raise
            uplink.deliver_to(self._receive)
            self._link()
            await worker.resume_blocks()
            await self._mine(worker, settings)

    def _link(self) -> None:
        self._run = asyncio.create_task(self._uplink.run(), name="link to the coordinator")

    # --- life ------------------------------------------------------------------------------

    @asynccontextmanager
    async def _working(self, worker: Worker) -> AsyncIterator[Worker]:
        self._worker = worker
        try:
            yield worker
        finally:
            if self._upgrade is not None:
                await self._upgrade.close()
            await worker.stop()

    async def _mine(self, worker: Worker, settings: WorkerSettings) -> None:
        watch, uplink = self._watch, self._uplink
        watch.start(time.monotonic())
        try:
            while not settings.alone_for_s or uplink.alone_s < settings.alone_for_s:
                await asyncio.sleep(CHECK_INTERVAL_S)
                worker.check()
                watch.look(time.monotonic())
                self._say()
        finally:
            watch.stop()
        log.error("worker_alone_for_long", alone_s=round(uplink.alone_s))

    def _say(self) -> None:
        """Tell the coordinator what was logged; once there is one, if there is none."""
        events = self._feed.after(self._said)
        if events and not self._uplink.alone_s:
            self._said = events[-1].id
            self._uplink.send(WorkerSaid(tuple(events)))

    def _receive(self, message: Down) -> None:
        assert self._worker is not None
        if isinstance(message, Renew):
            self._renew(self._worker, message)
        else:
            self._worker.receive(message)

    # --- and how it is passed on -------------------------------------------------------------

    def _renew(self, worker: Worker, renew: Renew) -> None:
        if self._upgrade is None or not self._upgrade.is_under_way:
            self._upgrade = Upgrade(
                lambda: Rigs(worker, _Delivery(self._uplink, self._receive)),
                partial(self._hello, worker, renew.settings),
                self._stop.set,
                start=partial(self._start, renew.command),
            )
        self._upgrade.begin()

    def _hello(self, worker: Worker, settings: WorkerSettings) -> tuple[Hello, list[int]]:
        now = self._uplink.settings.result()
        listeners, fds = listening(worker)
        hello = Hello(
            format=FORMAT,
            network=now.network,
            extranonce2_size=now.extranonce2_size,
            listeners=listeners,
            settings=settings,
        )
        return hello, [*fds, self._lock.fileno()]

    def _start(self, command: tuple[str, ...], fd: int) -> "subprocess.Popen[bytes]":
        place = ("--folder", str(self._folder), "--index", str(self._index))
        return run_with([*command, *place], {PASSAGE_VARIABLE: fd}, in_own_session=True)


class _Delivery:
    """What comes of the coordinator, which may have to wait."""

    def __init__(self, uplink: Uplink, receive: Callable[[Down], None]) -> None:
        self._uplink = uplink
        self._receive = receive

    def hold(self) -> None:
        self._uplink.hold()

    def let_go(self) -> None:
        self._uplink.deliver_to(self._receive)


@asynccontextmanager
async def _submitter(settings: WorkerSettings) -> AsyncIterator[BlockSubmitter]:
    rpcs = submit_rpcs(settings.nodes, lambda *call: None)
    submitter = block_submitter(Path(settings.spool_dir), rpcs)
    try:
        yield submitter
    finally:
        await submitter.close()
