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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from poolserver.ledger.delta import Delta
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import IntervalKey, ShareTotals, WorkerKey
from poolserver.stats import meter
from poolserver.stats.keeper import StatisticsKeeper
from poolserver.stats.meter import Judged, Moment
from poolserver.stats.meters import Meters

WORK = 10**15
SHARES_PER_MINUTE = 12


def share() -> ShareTotals:
    totals = ShareTotals(WORK, WORK, WORK**2, best_hash=random.getrandbits(200))
    totals.shares[0] = 1
    return totals


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
    print(
        f"an update              {microseconds(lambda: meter.updated(state, moment, shares, 0), 20_000):8.2f} us"
    )
    print(
        f"a look                 {microseconds(lambda: meter.read(state, 6.0, 0), 20_000):8.2f} us"
    )
    random.shuffle(keys)
    second, took = 10.0, []
    for _ in range(20):
        rows = [(key, share()) for key in random.sample(keys, max(1, len(keys) // 5))]
        took.append(_timed(lambda: meters.update(meters.judged(rows), second), 1) / len(rows))
        second += 1
    print(f"a worker's second      {statistics.median(took) * 1e6:8.2f} us, with its sums")


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
                await probe.idle()
                with probe.of("taking a delta"):
                    keeper.add(delta)
                    await asyncio.sleep(0)
                with probe.of("updating"):
                    await keeper.take_in()
            with probe.of("saving"):
                began = time.perf_counter()
                await keeper.save()
                saves.append(time.perf_counter() - began)
        probe.end()
        print(f"a save, in the store's thread {statistics.median(saves) * 1e3:.0f} ms")
        await store.close()


class Probe:
    """Asks for the next turn again and again, and notes how long it did not come.

    By the clock, with whatever other programs take meanwhile, and by the loop's own CPU time.
    """

    def __init__(self) -> None:
        self._held: list[tuple[float, float]] = []
        self._of: dict[str, list[list[tuple[float, float]]]] = {}
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            began, cpu_began = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0)
            self._held.append((time.perf_counter() - began, time.thread_time() - cpu_began))

    async def idle(self) -> None:
        with self.of("nothing"):
            for _ in range(200):
                await asyncio.sleep(0)

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        self._held = []
        yield
        self._of.setdefault(what, []).append(self._held)

    def end(self) -> None:
        self._task.cancel()
        print("longest hold of the loop, ms: median and worst by the clock; by its CPU time")
        for what, many in self._of.items():
            clock, cpu = (
                sorted(max((turn[by] for turn in held), default=0.0) * 1e3 for held in many)
                for by in (0, 1)
            )
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
