"""When Python's garbage collector runs: never in the midst of things, and how long each run takes.

A full collection looks at every object that lives and stops all threads: 70 to 150 ms with 5,000
sessions, once in a few seconds as Python has it. What the pool makes is freed by reference counts
(its own cycles are broken where they end, and tests hold it to that), so there is next to nothing
to collect. Young collections, which are short, go on as ever. A full one waits until memory has
grown by so much that garbage may be the cause, and then for a quiet second. See docs/adr/0035.
"""

import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from poolserver.histogram import QUICK_S, Histogram

# Python's own for the young ones: 700 new objects, some 0.05 ms; ten times as many, 0.5 ms.
YOUNG = (700, 10)
NEVER = 2**31 - 1
# Blocks of memory in use (a small object is one), since the last full collection.
GROWTH_RATIO = 1.5
GROWTH_BLOCKS = 500_000  # 50 MB or so
# However it grows, rigs are not stopped for it more often.
REST_S = 600.0
# But for so much more nothing is waited for: else memory would end.
URGENT_BLOCKS = 5_000_000  # 500 MB or so
# Of a processor; and a pool that is never quiet is not waited for any longer than this.
QUIET_LOAD = 0.25
PATIENCE_S = 600.0

GENERATIONS = 3


class Collector:
    """Says when garbage is collected in this process, from start() to stop().

    ``blocks`` tells how much memory is in use and ``processor_s`` how long the process has worked.
    """

    def __init__(
        self,
        blocks: Callable[[], int] = sys.getallocatedblocks,
        processor_s: Callable[[], float] = time.process_time,
    ) -> None:
        self._blocks = blocks
        self._processor_s = processor_s
        self._blocks_left = 0
        self._collected_at = 0.0
        self._wanted_at: float | None = None
        self._looked = (0.0, 0.0)  # at, and the processor time by then
        self._began = 0.0
        self.pauses = tuple(Histogram(QUICK_S) for _ in range(GENERATIONS))
        """How long the runs of each generation took."""

    def start(self, now_s: float) -> None:
        """Once all is loaded: what is there stays, and is not looked at again."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(*YOUNG, NEVER)
        gc.callbacks.append(self._on_run)
        self._note_full(now_s)

    def stop(self) -> None:
        """As Python has it."""
        gc.callbacks.remove(self._on_run)
        gc.set_threshold(700, 10, 10)
        gc.unfreeze()

    def look(self, now_s: float) -> bool:
        """Collect all garbage if there may be much and now is the time; whether it did.

        To be called each second; ``now_s`` is monotonic.
        """
        (looked_at, had_worked_s), worked_s = self._looked, self._processor_s()
        self._looked = now_s, worked_s
        blocks = self._blocks()
        if blocks < self._blocks_left + URGENT_BLOCKS:
            if not self._is_wanted(blocks, now_s):
                return False
            is_quiet = worked_s - had_worked_s < QUIET_LOAD * (now_s - looked_at)
            assert self._wanted_at is not None
            if not is_quiet and now_s - self._wanted_at < PATIENCE_S:
                return False
        gc.collect()
        self._note_full(now_s)
        return True

    def _is_wanted(self, blocks: int, now_s: float) -> bool:
        has_grown = blocks >= self._blocks_left * GROWTH_RATIO + GROWTH_BLOCKS
        if not has_grown or now_s - self._collected_at < REST_S:
            self._wanted_at = None
            return False
        if self._wanted_at is None:
            self._wanted_at = now_s
        return True

    def _note_full(self, now_s: float) -> None:
        self._collected_at, self._wanted_at = now_s, None
        self._blocks_left = self._blocks()
        self._looked = now_s, self._processor_s()

    def _on_run(self, phase: str, told: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self.pauses[told["generation"]].note(time.perf_counter() - self._began)


@contextmanager
def without_collector() -> Iterator[None]:
    """For a second at most, while much is made that lasts: the collector would look at all of it.

    In a handover of 10,000 rigs it saves a third of the time that they wait.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
