"""The database is away under load: mining must not notice, and the books must catch up."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.torture.evidence import percentile
from tests.torture.journal_reader import SourceJournal, read_journal
from tests.torture.kill_judge import Verdict, judge
from tests.torture.ledger_stage import LedgerStage, ledger_stage
from tests.torture.ledger_stores import PostgresStore, SqliteStore, torture_store
from tests.torture.load import LoadPlan

LOOK_S = 0.1
# Who waits for a database waits for as long as it is away, which is three seconds or more; an
# answer that waits for nothing takes milliseconds.
LATE_MS = 1000.0
CATCH_UP_TIMEOUT_S = 120.0
# What the pool may say of it, as an error.
TOLD = ("ledger_store",)

LOCK = """
import sqlite3, sys
books = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
books.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class OutagesPlan:
    """How long the database is away each time, and how long all is well before and after."""

    store: str = "sqlite"
    seed: int = 0
    away_s: float = 60.0
    calm_s: float = 15.0
    save_interval_s: float = 10.0
    load: LoadPlan = field(default_factory=LoadPlan)


@dataclass
class Outage:
    """One time that it was away. Milliseconds are of answers to shares."""

    name: str
    before: list[float]
    during: list[float]
    ended_unix_ms: int
    last: dict[str, int]
    """How far each source was counted in just before."""
    looks: list[tuple[int, dict[str, int]]] = field(default_factory=list)
    """When it was looked at afterwards (Unix ms), and how far each source was counted in then."""
    behind: int = 0
    """Records that were waiting for it at its end, of all that were written until then."""
    caught_up_s: float | None = None
    """So long after its end all of these were in."""

    @staticmethod
    def head() -> str:
        return (
            f"{'outage':18} {'answers':>8} {'p50 ms':>7} {'p99 ms':>7} {'max ms':>7} "
            f"{'before: p50':>11} {'p99':>7} {'max':>7} {'behind':>8} {'caught up, s':>12}"
        )

    def row(self) -> str:
        before, during = self.before, self.during
        figures = " ".join(f"{percentile(during, part):7.1f}" for part in (0.5, 0.99, 1.0))
        former = " ".join(
            f"{percentile(before, part):{width}.1f}"
            for part, width in ((0.5, 11), (0.99, 7), (1.0, 7))
        )
        caught_up = "never" if self.caught_up_s is None else f"{self.caught_up_s:.1f}"
        return f"{self.name:18} {len(during):8} {figures} {former} {self.behind:8} {caught_up:>12}"

    def wrong(self) -> list[str]:
        """What is not as it must be."""
        found = []
        if not self.during:
            found.append(f"{self.name}: no share was answered")
        late = sum(each > LATE_MS for each in self.during)
        if late:
            found.append(f"{self.name}: {late} answers took longer than {LATE_MS:.0f} ms")
        if not self.behind:
            found.append(f"{self.name}: nothing waited for the database: was it away?")
        if self.caught_up_s is None:
            found.append(f"{self.name}: the database never caught up")
        return found

    def measure(self, journal: dict[str, SourceJournal]) -> None:
        """What was behind at its end, and when it had come in, by the journal's own times."""
        due = {
            name: max(
                (each.sequence for each in source.shares if each.unix_ms <= self.ended_unix_ms),
                default=0,
            )
            for name, source in journal.items()
        }
        self.behind = sum(max(0, due[name] - self.last.get(name, 0)) for name in due)
        for unix_ms, progress in self.looks:
            if all(progress.get(name, 0) >= sequence for name, sequence in due.items()):
                self.caught_up_s = (unix_ms - self.ended_unix_ms) / 1000
                return


@dataclass
class OutagesReport:
    """What was seen."""

    plan: OutagesPlan
    outages: list[Outage]
    verdict: Verdict
    wrong: list[str]

    def problems(self) -> list[str]:
        """All that is not as it must be; empty is good."""
        return self.verdict.wrong + self.wrong + [w for each in self.outages for w in each.wrong()]

    def text(self) -> str:
        """The figures, for people."""
        verdict = self.verdict
        lines = [
            f"books in {self.plan.store}, away for {self.plan.away_s:.0f} s under load:",
            Outage.head(),
            *(outage.row() for outage in self.outages),
            f"{verdict.answered} shares answered true, {verdict.unanswered} not answered, "
            f"{verdict.lost} lost, {verdict.doubled} doubled",
        ]
        return "\n".join(lines + [f"WRONG: {problem}" for problem in self.problems()])


Away = Callable[[], Awaitable[None]]
Fault = tuple[str, Away, Away]
"""Its name, what takes the database away and what brings it back."""


async def perform_outages(plan: OutagesPlan, bitcoind: Path, folder: Path) -> OutagesReport:
    """Play each fault that this database knows; the pool lives in ``folder``."""
    rng = Random(plan.seed)
    with torture_store(plan.store, folder, plan.save_interval_s) as store:
        async with ledger_stage(bitcoind, folder, store, plan.load, rng) as stage:
            await stage.pool.start()
            await stage.has_load()
            async with faults_of(store) as faults:
                outages = [await _play(plan, stage, *fault) for fault in faults]
            wrong = await stage.end(TOLD)
            journal = await asyncio.to_thread(read_journal, stage.journal)
            for outage in outages:
                outage.measure(journal)
            verdict = judge(stage.load.evidence, journal, store.books())
            return OutagesReport(plan, outages, verdict, wrong)


async def _play(plan: OutagesPlan, stage: LedgerStage, name: str, go: Away, come: Away) -> Outage:
    latencies = stage.load.evidence.latencies_ms
    begun = len(latencies)
    await asyncio.sleep(plan.calm_s)
    last, gone = await asyncio.to_thread(stage.store.live_progress), len(latencies)
    await go()
    await asyncio.sleep(plan.away_s)
    back, unix_ms = len(latencies), time.time_ns() // 1_000_000
    await come()
    outage = Outage(
        name,
        [ms for _, ms in latencies[begun:gone]],
        [ms for _, ms in latencies[gone:back]],
        unix_ms,
        last,
    )
    await _look_on(stage, outage)
    return outage


async def _look_on(stage: LedgerStage, outage: Outage) -> None:
    """Watch the database until it has had time enough to catch up."""
    deadline = time.monotonic() + CATCH_UP_TIMEOUT_S
    moves, last = 0, None
    while moves < 2 and time.monotonic() < deadline:
        progress = await asyncio.to_thread(stage.store.live_progress)
        outage.looks.append((time.time_ns() // 1_000_000, progress))
        # The first commit after the outage may have begun before its end; the second has not.
        moves += last is not None and progress != last
        last = progress
        await asyncio.sleep(LOOK_S)


@asynccontextmanager
async def faults_of(store: SqliteStore | PostgresStore) -> AsyncIterator[list[Fault]]:
    """What can happen to this database."""
    if isinstance(store, PostgresStore):
        cluster = store.cluster
        yield [
            ("stopped", _in_thread(cluster.stop), _in_thread(cluster.start)),
            ("kill -9", _in_thread(cluster.kill), _in_thread(cluster.start)),
            ("paused", _in_thread(cluster.pause), _in_thread(cluster.resume)),
        ]
        return
    locker = Locker(store.path)
    try:
        yield [("locked", _in_thread(locker.lock), _in_thread(locker.unlock))]
    finally:
        locker.unlock()


class Locker:
    """Another process that holds an SQLite file's lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process: subprocess.Popen[bytes] | None = None

    def lock(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", LOCK, str(self._path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"locked\n"

    def unlock(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.communicate(timeout=10)


def _in_thread(work: Callable[[], None]) -> Away:
    async def call() -> None:
        await asyncio.to_thread(work)

    return call
