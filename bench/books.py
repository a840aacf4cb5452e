"""What the books cost for each worker that sends: the fold, the meters, the sums to be saved.

    python -m bench.books [--names 15000] [--shares 5000] [--accounts 1]

A second's shares, each by another worker chosen at random, are folded; that is done over and over,
so that nothing is new any more, as in a pool that has run for a while. Nanoseconds a share, by the
thread's processor time, the median of the rounds; and who pays: the fold's thread, the event
loop, or the thread of power.
"""

import argparse
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from typing import TypeVar

from poolserver.ledger.delta import Delta
from poolserver.ledger.fold import Fold
from poolserver.ledger.held import HeldRecords
from poolserver.ledger.records import JournalBatch, WorkerRecord, encode_worker
from poolserver.ledger.share_sql import sums
from poolserver.ledger.unsaved import Unsaved
from poolserver.power.rating import Place, Rating, RatingSource
from poolserver.power.silence import SilenceWatch
from poolserver.stats.meters import Meters

ROUNDS = 30
WARM_UP = 12
SAVE_EVERY = 10  # folds
WORK = 65_536 * 4_295_032_833
BEGIN_MS = 1_763_942_400_000
AT_THE_SITE = Place("site", Rating(Fraction(1), RatingSource.SITE_DEFAULT, ""), Fraction(1))
STEP = 64

T = TypeVar("T")


class Bench:
    """One pool's books."""

    def __init__(self, names: int, shares: int, accounts: int) -> None:
        self.took: dict[str, list[float]] = defaultdict(list)
        self._names, self._shares, self._accounts = names, shares, accounts
        self._fold = Fold(site_of=lambda account: "site", place_of=lambda key: AT_THE_SITE)
        self._meters = Meters(lambda account: "site")
        self._silence = SilenceWatch()
        self._unsaved = Unsaved()
        self._draw = random.Random(1)
        self._sequence = 1

    def run(self) -> None:
        held = HeldRecords(1, 64 << 20)
        for ref in range(1, self._names + 1):
            account = f"site{ref % self._accounts}"
            worker = WorkerRecord(ref, BEGIN_MS, account, f"{account}.rig{ref}")
            held.append(encode_worker(held.next_sequence, worker))
        self._sequence = held.next_sequence
        batch = JournalBatch("b/0/1", 1, len(held), bytes(held.unwritten()))
        self._unsaved.add(self._fold.fold(batch))
        for number in range(WARM_UP + ROUNDS):
            self._second(number)

    def _second(self, number: int) -> None:
        held = HeldRecords(self._sequence, 64 << 20)
        for ref in self._draw.choices(range(1, self._names + 1), k=self._shares):
            hash_le = self._draw.randbytes(28) + bytes(4)
            held.append_share(ref, 0, True, WORK, 7, BEGIN_MS + 1000 * number, hash_le)
        batch = JournalBatch("b/0/1", self._sequence, len(held), bytes(held.unwritten()))
        self._sequence = held.next_sequence
        self._time("fold: settling what was joined", self._unsaved.settle)
        folded = self._time("fold: folding", lambda: self._fold.fold(batch))
        delta = Delta()
        self._time("fold: merging", lambda: delta.merge(folded))
        self._others(delta, float(number))
        self._time("loop: joining", lambda: self._unsaved.add(delta))
        if number % SAVE_EVERY == SAVE_EVERY - 1:
            self._save()

    def _others(self, delta: Delta, now_s: float) -> None:
        """All who are told of a delta besides the books."""
        judged = self._time(
            "fold: for the meters",
            lambda: self._meters.judged(
                (key.worker, each) for key, each in delta.intervals.items()
            ),
        )
        rigs = [
            (key.worker.worker, totals.proven_work, totals.proven_work_sq)
            for key, totals in delta.intervals.items()
        ]

        def measure() -> None:
            while judged:
                self._meters.update(judged[-STEP:], now_s)
                del judged[-STEP:]

        self._time("loop: meters", measure)

        def watch() -> None:
            for worker, proven_work, squares in rigs:
                self._silence.shares(worker, proven_work, squares, now_s)

        self._time("power: silence", watch)

    def _save(self) -> None:
        part = self._unsaved.begin()
        self._time("store: settling", part.delta.settle, SAVE_EVERY)

        def rows() -> None:
            for each in part.delta.intervals.values():
                sums(each)
            for each in part.delta.by_worker().values():
                sums(each)

        self._time("store: rows, without the database", rows, SAVE_EVERY)
        self._unsaved.end()

    def _time(self, step: str, work: Callable[[], T], folds: int = 1) -> T:
        begun_ns = time.thread_time_ns()
        made = work()
        self.took[step].append((time.thread_time_ns() - begun_ns) / self._shares / folds)
        return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--names", type=int, default=15_000)
    parser.add_argument("--shares", type=int, default=5_000)
    parser.add_argument("--accounts", type=int, default=1)
    given = parser.parse_args()
    bench = Bench(given.names, given.shares, given.accounts)
    bench.run()
    total = 0.0
    for step, each in bench.took.items():
        ns = statistics.median(each[-ROUNDS:])
        total += ns
        print(f"{step:40}{ns:8.0f} ns")
    print(f"{'together':40}{total:8.0f} ns")


if __name__ == "__main__":
    main()
