"""A worker process without a pool: it comes, says that it listens, and ends as it is told.

``python stand_in.py HOW ...``: "serves" until SIGTERM; "fails" to start; "dies" at once.
"""

import argparse
import asyncio
import signal
import sys
import time
from pathlib import Path

from poolserver.cluster.messages import WorkerFailed, WorkerStarted
from poolserver.crew.lock import ProcessLock
from poolserver.crew.post import worker_lock
from poolserver.crew.uplink import Uplink


async def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("how", choices=("serves", "fails", "dies"))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--index", type=int)
    given = parser.parse_args()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    lock = ProcessLock(worker_lock(given.folder, given.index))
    uplink = Uplink(given.folder, given.index, time.monotonic)
    task = asyncio.create_task(uplink.run())
    settings = await uplink.settings
    source = f"{settings.instance_id}/{settings.worker_index}/{settings.boot_epoch}"
    if given.how == "dies":
        return 3
    if given.how == "fails":
        uplink.send(WorkerFailed(given.index, "no such certificate"))
    else:
        uplink.send(WorkerStarted(source, tuple(each.port for each in settings.listeners)))
        uplink.deliver_to(
            lambda message: uplink.send(WorkerStarted(source, ()))  # as to a new coordinator
        )
        await stop.wait()
    await uplink.close()
    task.cancel()
    lock.release()
    return 0


sys.exit(asyncio.run(main()))
