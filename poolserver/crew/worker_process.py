"""The life of a worker process: settings from the coordinator, blocks of a former life, rigs.

Its coordinator may end, and it goes on; it ends by SIGTERM, or alone for too long.
"""

import asyncio
import signal
import time
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from poolserver.cluster.messages import WorkerFailed, WorkerSettings
from poolserver.collector import Collector
from poolserver.crew.lock import ProcessLock
from poolserver.crew.post import worker_lock
from poolserver.crew.uplink import Uplink
from poolserver.ledger.records import LedgerError
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
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    try:
        lock = ProcessLock(worker_lock(folder, index))
    except OSError as error:  # as where a coordinator died just after it had begun another
        log.warning("worker_dismissed", process=index, reason=str(error))
        return False
    uplink = Uplink(folder, index, time.monotonic)
    run = asyncio.create_task(uplink.run(), name="link to the coordinator")
    try:
        await _until(stop, _live(uplink))
    except (LedgerError, OSError) as error:
        if uplink.alone_s:
            log.error("worker_not_begun", process=index, reason=str(error))
        uplink.send(WorkerFailed(index, str(error)))
        return False
    finally:
        await uplink.close()
        run.cancel()
        lock.release()
    return True


async def _until(stop: asyncio.Event, life: Coroutine[Any, Any, None]) -> None:
    """Live; when ``stop`` is set, life is cancelled and ends in good order."""
    living, stopped = asyncio.create_task(life, name="worker"), asyncio.create_task(stop.wait())
    await asyncio.wait([living, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not living.done():
        log.info("stopping")
        living.cancel()
    with suppress(asyncio.CancelledError):
        await living


async def _live(uplink: Uplink) -> None:
    try:
        async with asyncio.timeout(SETTINGS_TIMEOUT_S):
            settings = await uplink.settings
    except TimeoutError as error:
        raise NoSettings("no coordinator gives this worker process its settings") from error
    submitter = block_submitter(
        Path(settings.spool_dir), submit_rpcs(settings.nodes, lambda *call: None)
    )
    try:
        await submitter.resume(time.time())
        await uplink.has_work.wait()
        # Only now, so that a start that fails leaves no journal.
        worker = Worker(settings, uplink, submitter)
        uplink.deliver_to(worker.receive)
        try:
            await worker.start()
            await _mine(worker, uplink, settings)
        finally:
            await worker.stop()
    finally:
        await submitter.close()


async def _mine(worker: Worker, uplink: Uplink, settings: WorkerSettings) -> None:
    collector = Collector()
    collector.start(time.monotonic())
    try:
        while not settings.alone_for_s or uplink.alone_s < settings.alone_for_s:
            await asyncio.sleep(CHECK_INTERVAL_S)
            worker.check()
            collector.look(time.monotonic())
    finally:
        collector.stop()
    log.error("worker_alone_for_long", alone_s=round(uplink.alone_s))
