"""The worker processes of a pool that has several: begun, seen to end, begun again, and ended.

The coordinator may die and be started anew while they mine. It finds those that live by their
locks, and they find it by its socket; none is ended unless the whole pool is.
"""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from poolserver.cluster.epoch import next_boot_epoch
from poolserver.cluster.messages import (
    Down,
    ListenerSettings,
    Renew,
    Up,
    WorkerEnded,
    WorkerFailed,
    WorkerHello,
    WorkerSettings,
    WorkerStarted,
    WorkerSucceeded,
)
from poolserver.crew import berths as berth_events
from poolserver.crew.addresses import HeldAddresses
from poolserver.crew.berths import ADRIFT_S, Berth, Berths
from poolserver.crew.hub import Hub, Visitor
from poolserver.crew.lock import ProcessLock, Taken, holder
from poolserver.crew.post import COORDINATOR_LOCK, living_workers, post_dir, worker_lock
from poolserver.handover.state import Listening
from poolserver.handover.upgrade import Nothing
from poolserver.log import Alarm, RateLimited
from poolserver.mining.identity import WorkerIdentity

LOOK_INTERVAL_S = 0.1
# A worker that ends gives its last blocks some 15 s (node/submitter.py).
END_TIMEOUT_S = 30.0
# Whom even SIGKILL does not end waits for a disk; nothing can be done about that here.
KILL_TIMEOUT_S = 5.0
# A worker that hands over does all that a worker does at its end, after a second or two.
RENEW_TIMEOUT_S = 60.0

# Which worker with which boot epoch, and the listeners with settled ports.
SettingsFor = Callable[[int, int, tuple[ListenerSettings, ...]], WorkerSettings]

log = structlog.get_logger(__name__)


class CrewError(OSError):
    """The workers cannot be begun; the text says why, for people."""


class Crew:
    """``count`` worker processes at ``listeners``. What they say goes to ``receive``.

    ``command`` starts one, with the crew's folder and its index added. ``clock`` is monotonic, in
    seconds.
    """

    def __init__(
        self,
        count: int,
        data_dir: Path,
        listeners: tuple[ListenerSettings, ...],
        settings_for: SettingsFor,
        receive: Callable[[Up], None],
        command: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.berths = Berths(count)
        self._data_dir = data_dir
        self._settings_for = settings_for
        self._receive = receive
        self._command = command
        self._clock = clock
        self._hub = Hub(self, clock)
        self._folder = data_dir
        self._lock: ProcessLock | None = None
        self._addresses: HeldAddresses | None = None
        self._listeners = listeners
        self._processes: dict[int, Process] = {}
        self._linked: dict[int, Visitor] = {}
        self._surplus: dict[int, str] = {}  # by index, sources of a larger crew that are ending
        self._is_started = self._is_stopped = False
        self._failure: CrewError | None = None
        self._watch: asyncio.Task[None] | None = None
        self._trouble = RateLimited(log)
        self._adrift = Alarm("workers_adrift", "workers_found", log)

    # --- life ----------------------------------------------------------------------------

    async def open(self) -> None:
        """Begin those that are missing: they take up spooled blocks and wait for work.

        Raises:
            OSError: another coordinator is there, or an address or the data folder cannot be used.
        """
        self._folder = post_dir(self._data_dir)
        try:
            self._lock = ProcessLock(self._folder / COORDINATOR_LOCK)
        except Taken as error:
            raise CrewError(f"this pool runs already: {error}") from error
        living = living_workers(self._folder)
        if self._addresses is None:
            await self._hold_addresses(are_shared=bool(living))
        await self._hub.open(self._folder)
        for berth in self.berths:
            if berth.index in living:
                berth_events.found_living(berth, self._clock())
        await self._look()
        self._watch = asyncio.create_task(self._look_for_ever(), name="worker processes")

    async def prepare(self) -> None:
        """Do what can fail before another coordinator ends, whose workers listen already.

        Raises:
            OSError: an address cannot be had.
        """
        await self._hold_addresses(are_shared=True)

    async def _hold_addresses(self, *, are_shared: bool) -> None:
        addresses = await asyncio.to_thread(HeldAddresses, self._listeners, are_shared=are_shared)
        self._addresses, self._listeners = addresses, addresses.listeners

    async def start(self) -> None:
        """The coordinator listens: those that live already tell it of themselves."""
        self._is_started = True
        for berth in self.berths:
            visitor = self._linked.get(berth.index)
            if visitor is None or visitor.hello is None:
                continue
            if visitor.hello.source or berth.has_listened:  # who has spoken was not heard
                self._admit(visitor, berth, berth.source)

    async def stop(self, *, whole_pool: bool) -> None:
        """End the workers and wait for it; else only those that have not begun to mine."""
        self._is_stopped = True
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
        leaving = [
            each for each in self.berths if whole_pool or (each.starts and not each.has_listened)
        ]
        for berth in leaving:
            self._signal(berth, signal.SIGTERM)
        if await self._gone(leaving, END_TIMEOUT_S):
            return
        for berth in leaving:
            if not berth.is_empty:
                log.error("worker_killed", process=berth.index, reason="it did not end by itself")
                self._signal(berth, signal.SIGKILL)
        await self._gone(leaving, KILL_TIMEOUT_S)

    async def close(self, *, whole_pool: bool) -> None:
        """Stop, if that was not done, and let go of what the crew met at."""
        if not self._is_stopped and self._lock is not None:
            await self.stop(whole_pool=whole_pool)
        await self._hub.close()
        if self._addresses is not None:
            self._addresses.release()
        if self._lock is not None:
            self._lock.release()

    def check(self) -> None:
        """Raise why no worker could begin, or what ended the watch over them."""
        if self._failure is not None:
            raise self._failure
        if self._watch is not None and self._watch.done() and not self._watch.cancelled():
            self._watch.result()

    def send(self, message: Down) -> None:
        """To all workers, and to those that come later what matters to them."""
        self._hub.send(message)

    # --- what the workers do -------------------------------------------------------------

    def welcome(self, visitor: Visitor, hello: WorkerHello) -> None:
        """One has come. One of a larger crew, or a second of its kind, is sent away."""
        berth = self.berths.get(hello.index)
        if berth is None or berth.is_linked:
            visitor.link.close()
            self._dismiss(hello, is_surplus=berth is None)
            return
        if berth.source and hello.source and hello.source != berth.source:
            self._receive(WorkerSucceeded(berth.source, hello.source))
        berth_events.link(berth, hello.source)
        self._linked[hello.index] = visitor
        if self._is_started or not hello.source:
            self._admit(visitor, berth, hello.source)

    def _admit(self, visitor: Visitor, berth: Berth, source: str) -> None:
        """Settings are a coordinator's first word: for a new life, or to one that knows it not."""
        try:
            epoch = _epoch_of(source) or next_boot_epoch(self._data_dir, int(time.time()))
        except OSError as error:
            self._trouble.failed("worker_not_begun", str(error), self._clock())
            visitor.link.close()  # it comes again
            return
        settings = self._settings_for(berth.index, epoch, self._listeners)
        berth.source = source or _source(settings)
        visitor.link.send(settings)
        self._hub.admit(visitor)

    def _dismiss(self, hello: WorkerHello, *, is_surplus: bool) -> None:
        if hello.index not in self._surplus:  # it comes again while it ends
            log.warning("worker_dismissed", process=hello.index)
        if is_surplus and hello.source:
            self._surplus[hello.index] = hello.source
        if is_surplus:
            self._kill(self._pid(hello.index), signal.SIGTERM)

    def estate(self) -> Nothing:
        """What is handed over."""
        return Nothing()

    def listening(self) -> tuple[tuple[Listening, ...], list[int]]:
        """What is listened at for rigs: the workers do."""
        return (), []

    async def renew(self) -> str:
        """Have the workers that lived before us hand over to new processes, one after the other.

        What is new in the program or in the settings holds for them from then on. Which of them
        go on as they were, and why; empty where none does.
        """
        left_behind = []
        for berth in self.berths:
            if berth.starts:
                continue  # we have begun it
            try:
                async with asyncio.timeout(RENEW_TIMEOUT_S):
                    await self._renew(berth)
            except OSError as error:  # a TimeoutError is one, and so is a full disk
                reason = str(error) or f"not within {RENEW_TIMEOUT_S:.0f} s"
                log.error("worker_not_renewed", process=berth.index, reason=reason)
                left_behind.append(f"worker {berth.index} goes on as it was: {reason}")
            else:
                log.info("worker_renewed", process=berth.index, source=berth.source)
        return "; ".join(left_behind)

    async def _renew(self, berth: Berth) -> None:
        while not berth.is_up and not berth.starts:  # noqa: ASYNC110 - it finds us
            await asyncio.sleep(LOOK_INTERVAL_S)
        before = berth.source
        epoch = next_boot_epoch(self._data_dir, int(time.time()))
        settings = self._settings_for(berth.index, epoch, self._listeners)
        if berth.starts:
            return  # it has died, and there is a new one in its place
        self._linked[berth.index].link.send(Renew(settings, tuple(self._command)))
        while not berth.is_up or berth.source == before:  # noqa: ASYNC110 - another process
            await asyncio.sleep(LOOK_INTERVAL_S)

    def hear(self, visitor: Visitor, message: Up) -> None:
        """A worker says something."""
        assert visitor.hello is not None
        berth = self.berths.get(visitor.hello.index)
        if berth is None or self._linked.get(berth.index) is not visitor:
            return
        berth_events.hear(berth)
        match message:
            case WorkerFailed():
                self._could_not_begin(message)
                return
            case WorkerStarted():
                berth.has_listened = True
        if self._is_started:  # else it is in its journal, or said again
            self._receive(message)

    def _could_not_begin(self, failed: WorkerFailed) -> None:
        """It fails the start of the pool; but not a pool of which others mine."""
        if any(berth.has_listened for berth in self.berths):
            log.error("worker_not_begun", process=failed.index, reason=failed.reason)
        else:
            self._failure = CrewError(failed.reason)

    def parted(self, visitor: Visitor) -> None:
        """A worker's link is lost: it has ended, or will come again."""
        assert visitor.hello is not None
        index = visitor.hello.index
        if self._linked.get(index) is visitor:
            del self._linked[index]
            berth = self.berths.get(index)
            assert berth is not None
            berth_events.part(berth)

    # --- the watch -----------------------------------------------------------------------

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            self.berths.wait(LOOK_INTERVAL_S)
            await self._look()

    async def _look(self) -> None:
        self._find_ended()
        self._end_hung()
        now = self._clock()
        for berth in self.berths.due(now):
            berth_events.begin(berth, now)
            try:
                process = await asyncio.create_subprocess_exec(
                    *(*self._command, "--folder", str(self._folder), "--index", str(berth.index)),
                    stdin=DEVNULL,
                    start_new_session=True,  # Ctrl-C is for the coordinator, which ends them
                )
            except OSError as error:
                berth_events.end(berth, now)
                self._trouble.failed("worker_not_begun", str(error), now)
            else:
                self._processes[berth.index] = process
        adrift = [each.index for each in self.berths if each.is_adrift]
        self._adrift.update(bool(adrift), now, processes=adrift)

    def _find_ended(self) -> None:
        for berth in self.berths.unlinked:
            if self._lives(berth):
                continue
            process = self._processes.pop(berth.index, None)
            now = self._clock()
            pause_s = berth_events.end(berth, now)
            if not self._is_stopped:
                log.warning(
                    "worker_ended",
                    process=berth.index,
                    source=berth.source,
                    code=None if process is None else process.returncode,
                    lived_s=round(now - berth.began_at, 3),
                    again_in_s=pause_s,
                )
            if berth.source:
                self._receive(WorkerEnded(berth.source))
        for index, source in list(self._surplus.items()):
            if self._pid(index) is None:
                del self._surplus[index]
                self._receive(WorkerEnded(source))  # its last records are to be read

    def _end_hung(self) -> None:
        for berth in self.berths:
            if berth.is_hung:
                reason = f"it has said nothing for {berth.silent_s:.0f} s"
                log.error("worker_killed", process=berth.index, reason=reason)
                self._signal(berth, signal.SIGKILL)
                berth.silent_s = ADRIFT_S  # one that waits for a disk does not end at once

    def _lives(self, berth: Berth) -> bool:
        process = self._processes.get(berth.index)
        if process is not None and process.returncode is None:
            return True
        return self._pid(berth.index) is not None  # of an earlier coordinator

    async def _gone(self, leaving: Sequence[Berth], timeout_s: float) -> bool:
        """Wait for their end; whether it has come."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not all(berth.is_empty for berth in leaving):
                    await asyncio.sleep(LOOK_INTERVAL_S)
                    self._find_ended()
                return True
        return False

    def _signal(self, berth: Berth, number: int) -> None:
        process = self._processes.get(berth.index)
        if process is not None and process.returncode is None:
            process.send_signal(number)
        else:
            self._kill(self._pid(berth.index), number)

    def _kill(self, pid: int | None, number: int) -> None:
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _pid(self, index: int) -> int | None:
        """Of a worker that some coordinator began; not to be asked of one that we have begun."""
        return holder(worker_lock(self._folder, index))


def worker_command(log_level: str, log_format: str) -> list[str]:
    """What starts a worker process; where it meets the others and who it is are added."""
    options = ["--log-level", log_level, "--log-format", log_format]
    return [sys.executable, "-m", "poolserver.crew", *options]


def _source(settings: WorkerSettings) -> str:
    return WorkerIdentity(settings.instance_id, settings.worker_index, settings.boot_epoch).source


def _epoch_of(source: str) -> int | None:
    return int(source.rsplit("/", 1)[1]) if source else None
