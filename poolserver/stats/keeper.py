"""Keeps the statistics: of what the fold made, every second; saved every minute and at the end.

It runs on the event loop in short steps, since rigs wait meanwhile. The saved meters say which
records of the journal are in them, as the sums do: what the journal has beyond that is counted
at the next start, once.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from poolserver.ledger import meter_sql
from poolserver.ledger.database import Connection, StoreError
from poolserver.ledger.delta import Delta, WorkerRef
from poolserver.ledger.meter_sql import MeteredSource, MeterRow
from poolserver.ledger.store import LedgerStore
from poolserver.log import RateLimited
from poolserver.stats.catch_up import CatchUp
from poolserver.stats.meters import IDLE_S, Changes, Level, Meters
from poolserver.stats.saved import meters_of, rows_of

# What a crash leaves to be read from the journal again: of 10,000 rigs, in one to two seconds.
SAVE_INTERVAL_S = 60.0
# Workers that are updated in one go: under a millisecond.
STEP = 64

log = structlog.get_logger(__name__)


class _News:
    """What a delta has for the meters, in a form of its own: the sums in it go on."""

    __slots__ = ("metered", "rounds", "shares", "workers")

    def __init__(self, delta: Delta, meters: Meters) -> None:
        self.shares = meters.judged((key.worker, each) for key, each in delta.intervals.items())
        self.workers = list(delta.workers.values())
        self.rounds = len(delta.blocks)
        self.metered = {source: through for source, (_, through) in delta.progress.items()}

    def step(self, meters: Meters, now_s: float) -> bool:
        """Measure some of it, each thing once; whether that was all."""
        workers, shares = self.workers[-STEP:], self.shares[-STEP:]
        if workers:  # all of them before the first share
            del self.workers[-STEP:]
            for account, worker in workers:
                meters.declare(account, worker, now_s)
            return False
        if shares:
            del self.shares[-STEP:]
            meters.update(shares, now_s)
        if self.shares:
            return False
        for _ in range(self.rounds):
            meters.end_round(now_s)
        meters.leave(now_s)
        return True


class StatisticsKeeper:
    """Feeds and saves ``meters``. ``clock`` is monotonic, ``unix_time`` the time of day, in s."""

    def __init__(
        self,
        meters: Meters,
        store: LedgerStore,
        journal_dir: Path,
        *,
        site_of: Callable[[str], str],
        clock: Callable[[], float] = time.monotonic,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        self._meters = meters
        self._store = store
        self._journal_dir = journal_dir
        self._site_of = site_of
        self._clock = clock
        self._unix_time = unix_time
        self._news: list[_News] = []
        self._has_news = asyncio.Event()
        self._metered: dict[str, int] = {}  # of sources that moved since the last save
        self._save_at = clock()
        self._saving: asyncio.Task[None] | None = None
        self._trouble = RateLimited(log)

    # --- life ----------------------------------------------------------------------------

    async def open(self) -> None:
        """Take up the saved meters, and what the journal has beyond them.

        The books are open, so they have all of it. Without a single meter, as where the
        database was lost, the journal is not read: statistics begin anew.

        Raises:
            StoreError: the database cannot be used.
        """
        rows, sources = await self._store.read(_saved)
        metered = {name: stands.metered for name, stands in sources.items()}
        if rows:
            workers = await self._store.read(meter_sql.workers)
            metered |= await asyncio.to_thread(self._take_up, rows, sources, workers)
        for name, stands in sources.items():
            # What could not be read of a source is not read at the next start either.
            through = max(metered[name], stands.sequence)
            if through != stands.metered:
                self._metered[name] = through
        if rows:
            await self.save()  # else as soon as there is something

    async def run(self) -> None:
        """Take in what comes, and save it every minute; for ever."""
        while True:
            await self._has_news.wait()
            await self.take_in()
            if self._clock() >= self._save_at:
                await self.save()

    async def close(self) -> None:
        """Take in and save what is left. The store is open still."""
        if self._saving is not None:
            await asyncio.wait([self._saving])
        await self.take_in()
        await self.save()

    # --- from the fold -------------------------------------------------------------------

    def add(self, delta: Delta) -> None:
        """Take what the fold made, to be measured after the next wake(); from any thread."""
        self._news.append(_News(delta, self._meters))

    def wake(self) -> None:
        """There is news."""
        self._has_news.set()

    async def take_in(self) -> None:
        """Measure what has come. Whoever is cancelled here leaves the rest to the next call."""
        self._has_news.clear()
        while self._news:
            news = self._news[0]
            if news.step(self._meters, self._clock()):
                # Nothing is saved before this: between two deltas it is known what is in them.
                self._metered |= news.metered
                del self._news[0]
            await asyncio.sleep(0)

    # --- to the store --------------------------------------------------------------------

    async def save(self) -> None:
        """Save what changed. If that fails it is tried again with the next."""
        # A task of its own: its end must be known even if the caller is cancelled.
        self._saving = asyncio.create_task(self._save(), name="statistics save")
        await asyncio.shield(self._saving)

    async def _save(self) -> None:
        now_s, now_ms = self._clock(), int(self._unix_time() * 1000)
        self._save_at = now_s + SAVE_INTERVAL_S
        changes, at_most = self._meters.take_changes(), self._meters.max_names
        metered, self._metered = self._metered, {}
        if not metered and not any(changes.values()):
            return

        def put(connection: Connection) -> None:
            meter_sql.put(connection, rows_of(changes, now_s, now_ms), metered)
            for level in (Level.ACCOUNT, Level.WORKER):
                meter_sql.leave(connection, level, now_ms - int(IDLE_S * 1000), at_most)

        try:
            await self._store.write(put)
        except StoreError as error:
            self._put_back(changes, metered)
            self._trouble.failed("statistics_not_saved", str(error), now_s)
        else:
            self._trouble.restored("statistics_saved_again", now_s)

    def _put_back(self, changes: Changes, metered: dict[str, int]) -> None:
        self._meters.put_back(changes)
        self._metered = metered | self._metered

    # --- at a start ----------------------------------------------------------------------

    def _take_up(
        self,
        rows: list[MeterRow],
        sources: dict[str, MeteredSource],
        workers: dict[WorkerRef, tuple[str, str]],
    ) -> dict[str, int]:
        """In a thread."""
        now_s, unix_s = self._clock(), self._unix_time()
        saved, dropped = meters_of(rows, now_s, int(unix_s * 1000))
        for reason, count in dropped.items():
            log.warning("statistics_dropped", meters=count, reason=reason)
        self._meters.restore(saved, now_s)
        catch_up = CatchUp(self._meters, now_s, unix_s)
        return catch_up.read(self._journal_dir, sources, workers, self._site_of)


def _saved(connection: Connection) -> tuple[list[MeterRow], dict[str, MeteredSource]]:
    return list(meter_sql.meters(connection)), meter_sql.sources(connection)
