"""What statistics cost: an update, a worker's memory, a save; and how long the loop is held.

    python -m bench.meters [--workers 10000] [--minutes 2]

Shares of ``workers`` rigs come at 12 a minute each, a delta a second, as the fold makes them;
the store is SQLite. ``nothing`` is what other programs on the machine do to the loop meanwhile.
"""

import argparse
import asyncio
import gc
import random
import statistics
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from poolserver.ledger.delta import Delta
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import IntervalKey, ShareTotals, WorkerKey
from poolserver.mining.share import ShareOutcome
from poolserver.stats import meter
from poolserver.stats.keeper import StatisticsKeeper
from poolserver.stats.meter import Judged, Moment
from poolserver.stats.meters import Meters

WORK = 10**15
SHARES_PER_MINUTE = 12


def share() -> ShareTotals:
    accepted = (1, *[0] * (len(ShareOutcome) - 1))
    return ShareTotals(WORK, WORK, WORK**2, accepted, best_hash=random.getrandbits(200))


def keys_of(workers: int) -> list[WorkerKey]:
    return [WorkerKey("hall", f"a{n % 20}", f"a{n % 20}.rig-{n:06d}") for n in range(workers)]


def microseconds(work: Callable[[], object], count: int) -> float:
    return min(_timed(work, count) for _ in range(7)) / count * 1e6


def _timed(work: Callable[[], object], count: int) -> float:
    began = time.thread_time()
    for _ in range(count):
        work()
    return time.thread_time() - began


def costs(keys: list[WorkerKey]) -> None:
    meters = Meters(lambda account: "hall")
    gc.collect()
    tracemalloc.start()
    for key in keys:
        meters.declare(key.account, key.worker, 0.0)
    meters.update(meters.judged((key, share()) for key in keys), 1.0)
    gc.collect()
    print(f"a worker's memory      {tracemalloc.get_traced_memory()[0] / len(keys):8.0f} bytes")
    tracemalloc.stop()

    state, moment, shares = meter.begin(0.0), Moment(5.0), Judged.of(share())
    update_us = microseconds(lambda: meter.updated(state, moment, shares, 0), 20_000)
    look_us = microseconds(lambda: meter.read(state, 6.0, 0), 20_000)
    print(f"an update              {update_us:8.2f} us")
    print(f"a look                 {look_us:8.2f} us")
    took: list[float] = []
    took_judged: list[float] = []
    for second in range(10, 60):
        rows = [(key, share()) for key in random.sample(keys, len(keys) // 5)]
        began = time.thread_time()
        judged = meters.judged(rows)
        between = time.thread_time()
        meters.update(judged, float(second))
        took.append((time.thread_time() - between) / len(rows))
        took_judged.append((between - began) / len(rows))
    print(f"a worker's second      {statistics.median(took) * 1e6:8.2f} us on the loop, with sums")
    print(f"  and in the thread    {statistics.median(took_judged) * 1e6:8.2f} us")


async def holds(keys: list[WorkerKey], minutes: int) -> None:
    with TemporaryDirectory() as folder:
        meters = Meters(lambda account: "hall")
        store = LedgerStore(SqliteDatabase(Path(folder) / "ledger.sqlite"))
        await store.open()
        keeper = StatisticsKeeper(meters, store, Path(folder), site_of=lambda account: "hall")
        await keeper.open()
        for key in keys:
            meters.declare(key.account, key.worker, time.monotonic())
        probe, saves = Probe(), []
        for _ in range(minutes):
            for _ in range(60):
                some = random.sample(keys, len(keys) * SHARES_PER_MINUTE // 60)
                delta = Delta(intervals={IntervalKey(0, key): share() for key in some})
                await asyncio.to_thread(keeper.add, delta)
                async with probe.of("updating"):
                    await keeper.take_in()
            async with probe.of("saving"):
                began = time.perf_counter()
                await keeper.save()
                saves.append(time.perf_counter() - began)
            await probe.idle(saves[-1])
        probe.end()
        print(f"a save, in the store's thread {statistics.median(saves) * 1e3:.0f} ms")
        await store.close()


@dataclass
class Longest:
    """The longest turn of the loop, by the clock and by the loop's own CPU time."""

    clock_s: float = 0.0
    cpu_s: float = 0.0


class Probe:
    """Asks for the next turn again and again, and notes how long it did not come.

    By the clock, with whatever other programs take meanwhile, and by the loop's own CPU time.
    """

    def __init__(self) -> None:
        self._held = Longest()
        self._of: dict[str, list[Longest]] = {}
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            began, cpu_began = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0)
            held, cpu = time.perf_counter() - began, time.thread_time() - cpu_began
            self._held.clock_s = max(self._held.clock_s, held)
            self._held.cpu_s = max(self._held.cpu_s, cpu)

    async def idle(self, seconds: float) -> None:
        """What other programs do to the loop meanwhile."""
        async with self.of("nothing"):
            await asyncio.sleep(seconds)

    @asynccontextmanager
    async def of(self, what: str) -> AsyncIterator[None]:
        self._held = Longest()
        yield
        await asyncio.sleep(0)  # a turn that is under way belongs to it
        self._of.setdefault(what, []).append(self._held)
        self._held = Longest()

    def end(self) -> None:
        self._task.cancel()
        print("longest hold of the loop, ms: median and worst by the clock; by its CPU time")
        for what, many in self._of.items():
            clock = sorted(each.clock_s * 1e3 for each in many)
            cpu = sorted(each.cpu_s * 1e3 for each in many)
            print(
                f"  {what:15} {statistics.median(clock):8.2f} {clock[-1]:8.2f}"
                f" {statistics.median(cpu):11.2f} {cpu[-1]:8.2f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=10_000)
    parser.add_argument("--minutes", type=int, default=2)
    options = parser.parse_args()
    random.seed(1)
    keys = keys_of(options.workers)
    costs(list(keys))
    asyncio.run(holds(keys, options.minutes))


if __name__ == "__main__":
    main()
