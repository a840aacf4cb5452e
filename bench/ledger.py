"""What the ledger costs at 10,000 rigs: a save, and how its database grows in a day.

    python -m bench.ledger [sqlite] [postgresql] [--rigs N] [--intervals N] [--saved N]

A day is 96 intervals; the last ``--saved`` of them are written as a pool does, in 90 saves each,
the others in one save (a whole day of saves would take hours). PostgreSQL's autovacuum looks once
a minute, which is too seldom for this: a VACUUM after each interval stands for it.
"""

import argparse
import asyncio
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from poolserver.ledger.delta import Delta, Progress
from poolserver.ledger.postgresql import PostgresDatabase
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import (
    INTERVAL_S,
    Earning,
    EarningKey,
    IntervalKey,
    ShareTotals,
    WorkerKey,
)
from tests.integration.postgres import PostgresCluster, find_bin

SAVES_AN_INTERVAL = 90
SHARES_A_SAVE = 2  # at 12 a minute
WORK = 10**15  # of a share of 200 TH/s, each 5 s
BEGIN_S = 1_767_225_600
NBITS, VALUE_SAT = 0x17022F5B, 314_159_265
SITES = 20


def delta(rigs: int, sequence: int, begin_s: int, saves: int = 1) -> Delta:
    """What so many saves of ten seconds add, of rigs that each find their shares."""
    shares, ms = SHARES_A_SAVE * saves, begin_s * 1000
    made = Delta({"bench/0/1": Progress(sequence, sequence + shares * rigs)})
    for number in range(rigs):
        site = f"site{number % SITES}"
        totals = ShareTotals(
            WORK * shares,
            WORK * shares,
            WORK * WORK * shares,
            [shares] + [0] * 9,
            random.getrandbits(256) >> 70,
            ms + number,
            ms + 1000 * saves * 10 - number % 1000,
        )
        key = WorkerKey(site, site, f"{site}.rig{number:05}")
        made.intervals[IntervalKey(begin_s, key)] = totals
    for number in range(SITES):
        work = WORK * shares * rigs // SITES
        earned = EarningKey(begin_s, f"site{number}", f"site{number}", NBITS)
        made.earnings[earned] = Earning(work, work * VALUE_SAT)
    return made


class Books:
    """A store, and how far its one source is."""

    def __init__(self, store: LedgerStore, rigs: int) -> None:
        self._store = store
        self._rigs = rigs
        self._sequence = 0

    async def save(self, begin_s: int, saves: int = 1) -> tuple[float, float]:
        """Seconds, and seconds of this process's CPU, that a save takes."""
        made = delta(self._rigs, self._sequence, begin_s, saves)
        self._sequence = made.progress["bench/0/1"].through
        wall, cpu = time.perf_counter(), time.process_time()
        await self._store.apply(made)
        return time.perf_counter() - wall, time.process_time() - cpu


class Sqlite:
    """A database in a folder, and what can be told of it."""

    def __init__(self, folder: Path) -> None:
        self.database = SqliteDatabase(folder / "ledger.sqlite")

    @classmethod
    @contextmanager
    def made(cls) -> Iterator["Sqlite"]:
        folder = Path(tempfile.mkdtemp(prefix="bench-ledger-"))
        try:
            yield cls(folder)
        finally:
            shutil.rmtree(folder)

    def size(self) -> int:
        with closing(sqlite3.connect(self.database.path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return self.database.path.stat().st_size

    def written(self) -> int:
        """Bytes that went to the disk; 0 on a file system that is memory."""
        with open("/proc/self/io") as file:
            return int(dict(line.split(": ") for line in file)["write_bytes"])

    def after_interval(self) -> None: ...

    def vacuum(self) -> None:
        with closing(sqlite3.connect(self.database.path)) as connection:
            connection.execute("VACUUM")


class Postgresql:
    """A server of its own."""

    def __init__(self, cluster: PostgresCluster) -> None:
        self._empty = cluster.new_database()
        self.database = PostgresDatabase(self._empty.url)

    @classmethod
    @contextmanager
    def made(cls) -> Iterator["Postgresql"]:
        folder = find_bin()
        assert folder is not None, "no PostgreSQL: scripts/get-postgresql.sh fetches one"
        with PostgresCluster.running(folder) as cluster:
            yield cls(cluster)

    def _ask(self, sql: str) -> int:
        with self._empty.connect() as admin:
            row = admin.execute(sql).fetchone()
        assert row is not None
        return int(row[0])

    def size(self) -> int:
        return self._ask("SELECT pg_database_size(current_database())")

    def written(self) -> int:
        """Of the log; the tables' pages come to it, later and fewer times."""
        return self._ask("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")

    def after_interval(self) -> None:
        with self._empty.connect() as admin:
            admin.execute("VACUUM")

    def vacuum(self) -> None:
        with self._empty.connect() as admin:
            admin.execute("VACUUM FULL")


async def measure(name: str, kind: Sqlite | Postgresql, args: Any) -> None:
    store = LedgerStore(kind.database)
    await store.open()
    books = Books(store, args.rigs)
    wall, cpu = await books.save(BEGIN_S)
    print(f"{name}: first save of {args.rigs:,} new workers {wall:.2f} s, CPU {cpu:.2f} s")
    before = kind.size()
    once = args.intervals - args.saved
    for number in range(1, 1 + once):
        await books.save(BEGIN_S + number * INTERVAL_S, SAVES_AN_INTERVAL)
        kind.after_interval()
    grown = (kind.size() - before) / once
    print(
        f"{name}: {grown / args.rigs:.0f} bytes a row that is written once, "
        f"{grown * 96 / 1e6:.0f} MB a day"
    )
    timings: list[tuple[float, float]] = []
    before, written = kind.size(), kind.written()
    for number in range(1 + once, 1 + args.intervals):
        begin_s = BEGIN_S + number * INTERVAL_S
        timings += [await books.save(begin_s) for _ in range(SAVES_AN_INTERVAL)]
        kind.after_interval()
        print(f"{name}: {kind.size() / 1e6:.0f} MB")
    if timings:
        walls, cpus = zip(*timings, strict=True)
        print(
            f"{name}: a save of {args.rigs:,} rigs {statistics.median(walls) * 1e3:.0f} ms "
            f"(longest {max(walls) * 1e3:.0f}), CPU {statistics.median(cpus) * 1e3:.0f} ms: "
            f"{args.rigs / statistics.median(walls):,.0f} rigs/s; "
            f"{(kind.written() - written) / len(timings) / 1e6:.1f} MB written each"
        )
        grown = kind.size() - before
        print(f"{name}: {args.saved} intervals in {len(timings)} saves: {grown / 1e6:.0f} MB more")
    size, rows = kind.size(), args.rigs * (args.intervals + 1)
    await store.close()
    kind.vacuum()
    print(
        f"{name}: {size / 1e6:.0f} MB for {rows:,} rows, {size / rows:.0f} bytes each; "
        f"after VACUUM {kind.size() / rows:.0f}"
    )


def main() -> None:
    kinds: dict[str, Any] = {"sqlite": Sqlite, "postgresql": Postgresql}
    parser = argparse.ArgumentParser()
    parser.add_argument("kinds", nargs="*", default=list(kinds))
    parser.add_argument("--rigs", type=int, default=10_000)
    parser.add_argument("--intervals", type=int, default=96)
    parser.add_argument("--saved", type=int, default=2)
    args = parser.parse_args()
    for name in args.kinds:
        with kinds[name].made() as kind:
            asyncio.run(measure(name, kind, args))


if __name__ == "__main__":
    main()
