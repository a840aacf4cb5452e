"""The room: the desk at work. It takes what comes in, ticks, tells what is news, and is looked at.

Meters, AI loads and budgets are small and are kept on the event loop, so that whoever sends a
word hears at once what is wrong with it. What grows with rigs and racks (estimates, silence, the
controller) is done in a thread of its own, from copies: a tick of 10,000 racks takes part of a
second, and rigs wait for the event loop meanwhile.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import structlog

from poolserver.cluster.messages import RigNews
from poolserver.control_room.desk import Outside, PowerDesk, Tick
from poolserver.control_room.news import PowerNews
from poolserver.control_room.rig_keeper import RigKeeper
from poolserver.control_room.view import PowerView
from poolserver.ledger.database import Connection
from poolserver.ledger.delta import Delta, NodeKey, NodeWork
from poolserver.power.ai_loads import AiLoadBook
from poolserver.power.budget import BudgetBook
from poolserver.power.readings import MeterBook
from poolserver.power.rig_book import RigBook
from poolserver.power.signal import AiLoadSignal, BudgetSignal, UnknownSignalError
from poolserver.power.state import MeterReading, MeterState
from poolserver.power.tree import PowerTree

log = structlog.get_logger(__name__)


class _Work(NamedTuple):
    """What a delta has for us, in a form of its own: the sums in it go on."""

    at_s: float
    nodes: dict[NodeKey, NodeWork]
    rigs: list[tuple[str, int, int]]
    """Worker, proven work and the sum of its squares."""


class ControlRoom:
    """Keeps the sites' power in view. It is a ``power.signal.SignalSink``.

    ``clock`` is monotonic, ``unix_time`` the time of day; both in seconds.
    """

    def __init__(
        self,
        tree: PowerTree,
        *,
        rigs: RigBook,
        rig_keeper: RigKeeper,
        meters: MeterBook,
        ai_loads: AiLoadBook,
        budget: BudgetBook,
        tick_s: float,
        clock: Callable[[], float] = time.monotonic,
        unix_time: Callable[[], float] = time.time,
        on_tick: Callable[[Tick], None] = lambda tick: None,
    ) -> None:
        """``on_tick`` is told of each on the event loop."""
        self.tree = tree
        self.rigs = rigs
        self._rig_keeper = rig_keeper
        self.meters = meters
        self.ai_loads = ai_loads
        self.budget = budget
        self._tick_s = tick_s
        self._clock = clock
        self._unix_time = unix_time
        self._on_tick = on_tick
        # Windows are measured by a clock that nobody sets, and shown by the time of day.
        self._offset_s = unix_time() - clock()
        self._desk = PowerDesk(tree, self._now_s())
        self._work: list[_Work] = []
        self._rig_news: list[RigNews] = []
        self._news = PowerNews()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="power")
        self.last: Tick | None = None

    # --- life ----------------------------------------------------------------------------

    def load(self, connection: Connection) -> None:
        """Take up what was saved, before the journal is read; in the store's thread."""
        self._rig_keeper.load(connection)

    def tasks(self) -> list[Coroutine[None, None, None]]:
        """What goes on for ever while the pool runs; each may be cancelled."""
        return [self._run(), self._rig_keeper.run()]

    async def close(self) -> None:
        """Save what is left. The store is open still, and nothing more comes in."""
        await self._rig_keeper.close()
        self._thread.shutdown(wait=False)

    async def _run(self) -> None:
        at_s = self._clock()
        while True:
            await self.tick()
            at_s = max(at_s + self._tick_s, self._clock())
            await asyncio.sleep(at_s - self._clock())

    async def tick(self) -> Tick:
        """Look at everything now."""
        outside, unix_s = self._outside(), self._unix_time()
        tick = await asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: self._tick(outside, self._now_s(), unix_s)
        )
        self.last = tick
        self._news.tell(tick, self.budget.silences(unix_s), outside.meters)
        self._on_tick(tick)
        return tick

    # --- what comes in -------------------------------------------------------------------

    def take_delta(self, delta: Delta) -> None:
        """What the fold made, before it is merged into others; from any thread."""
        nodes = {key: replace(work) for key, work in delta.nodes.items()}
        rigs = [
            (key.worker.worker, totals.proven_work, totals.proven_work_sq)
            for key, totals in delta.intervals.items()
            if totals.proven_work
        ]
        if nodes or rigs:
            self._work.append(_Work(self._now_s(), nodes, rigs))

    def take_rigs(self, rigs: Iterable[RigNews]) -> None:
        """Rigs that came, went or changed."""
        now_ms = int(self._unix_time() * 1000)
        now_ms = int(self._unix_time() * 1000)
        for news in rigs:
            self.rigs.take(news, now_ms)
            self._rig_news.append(news)

    def take_reading(self, reading: MeterReading) -> MeterState:
        """See SignalSink."""
        if reading.meter not in self.meters:
            raise UnknownSignalError(f"there is no meter {reading.meter!r}")
        return self.meters.take(reading, self._unix_time())

    def take_fault(self, meter: str, reason: str) -> None:
        """See SignalSink."""
        self.meters.fault(meter, reason, self._unix_time())

    def take_ai_load(self, signal: AiLoadSignal) -> None:
        """See SignalSink."""
        self.ai_loads.take(signal, self._unix_time())

    def take_budget(self, signal: BudgetSignal) -> None:
        """See SignalSink."""
        self.budget.take(signal, self._unix_time())

    # --- for those who look --------------------------------------------------------------

    @property
    def view(self) -> PowerView | None:
        """As of the last tick; None before the first."""
        return None if self.last is None else self.last.view

    # --- a tick --------------------------------------------------------------------------

    def _now_s(self) -> float:
        return self._clock() + self._offset_s

    def _outside(self) -> Outside:
        unix_s = self._unix_time()
        return Outside(
            {spec.name: self.meters.state(spec.name, unix_s) for spec in self.meters.specs},
            {
                (node.site, load.name): self.ai_loads.power_w(load, unix_s)
                for node in self.tree
                for load in node.ai_loads
            },
            self.budget.limits(unix_s),
            self.budget.mining_limits(unix_s),
        )

    def _tick(self, outside: Outside, now_s: float, unix_s: float) -> Tick:
        """In the thread."""
        desk = self._desk
        rig_news, self._rig_news = self._rig_news, []
        work, self._work = self._work, []
        for news in rig_news:
            desk.silence.note(news.worker, news.share_work, news.sessions, now_s)
        for each in work:
            desk.take_work(each.nodes, each.at_s)
            for worker, proven_work, squares in each.rigs:
                desk.silence.shares(worker, proven_work, squares, each.at_s)
        return desk.tick(outside, desk.groups(self.rigs.rows()), now_s, unix_s)
