"""The processor, shared among rigs that all want to search at once."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from poolserver.sim.search import Attempt

# Some 20 ms on one core: after so many without a find it is the next rig's turn, and a rig whose
# job is gone wastes no more than that.
HASHES_PER_TURN = 1 << 18


class Searching(Protocol):
    """Who is in the queue. Both are called on the event loop."""

    def next_attempt(self) -> Attempt | None:
        """What to try now; None where nothing is due: then it has left the queue."""

    def on_tried(self, attempt: Attempt, nonce: int | None) -> None:
        """The attempt found ``nonce``, or nothing."""


class Cpu:
    """Hashes in threads, outside the GIL, so that the event loop goes on meanwhile.

    It is one place for all rigs, turn by turn: what 500 rigs may use of the machine is one
    number, ``threads``.
    """

    def __init__(self, threads: int = 1) -> None:
        if threads < 1:
            raise ValueError("it takes a thread to hash")
        self._threads = threads
        self._queue: asyncio.Queue[Searching] = asyncio.Queue()

    def enqueue(self, searching: Searching) -> None:
        """Let it have its turns until nothing is due; it must not be in the queue already."""
        self._queue.put_nowait(searching)

    async def run(self) -> None:
        """Serve the queue until cancelled. A search that fails ends it: that is a bug."""
        executor = ThreadPoolExecutor(self._threads, thread_name_prefix="hash")
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._threads):
                    group.create_task(self._serve(executor))
        finally:
            executor.shutdown(wait=False)  # what still runs is over within a turn

    async def _serve(self, executor: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while True:
            searching = await self._queue.get()
            attempt = searching.next_attempt()
            if attempt is not None:
                nonce = await loop.run_in_executor(executor, attempt.run, HASHES_PER_TURN)
                searching.on_tried(attempt, nonce)
                self._queue.put_nowait(searching)
