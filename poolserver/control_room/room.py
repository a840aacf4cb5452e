"""The room: the desk at work. It takes what comes in, ticks, tells what is news, and is looked at.

Meters, AI loads and budgets are small and are kept on the event loop, so that whoever sends a
word hears at once what is wrong with it. What grows with rigs and racks (estimates, silence, the
controller) is done in a thread of its own, from copies: a tick of 10,000 racks takes part of a
second, and rigs wait for the event loop meanwhile.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple, Protocol

import structlog

from poolserver.cluster.messages import RigNews
from poolserver.control_room import legacy
from poolserver.control_room.books import Outside, OutsideBooks
from poolserver.control_room.desk import PowerDesk, Tick
from poolserver.control_room.detail import (
    NodeDetail,
    Watched,
    WindowView,
    limit_ahead,
    node_windows,
    rig_views,
    watched,
)
from poolserver.control_room.energy_keeper import EnergyKeeper
from poolserver.control_room.mapping_desk import MappingDesk
from poolserver.control_room.news import PowerNews
from poolserver.control_room.rig_keeper import RigKeeper
from poolserver.control_room.view import PowerView
from poolserver.control_room.word_keeper import WordKeeper
from poolserver.ledger.database import Connection
from poolserver.ledger.delta import Delta, NodeKey, NodeWork
from poolserver.log import RateLimited
from poolserver.power.control import Terms
from poolserver.power.rig_book import RigBook
from poolserver.power.signal import AiLoadSignal, BudgetSignal, UnknownSignalError
from poolserver.power.silence import RigState
from poolserver.power.state import MeterReading, MeterState
from poolserver.power.tree import PowerTree
from poolserver.stats.meter import Reading

# The name that what meters have taught is saved by.
CALIBRATION = "calibration"
# And what meters and AI loads said last.
WORDS = "words"

log = structlog.get_logger(__name__)


class Source(Protocol):
    """Something that signals come from for as long as it runs."""

    async def run(self) -> None:
        """Until it is cancelled. It raises only what is a bug."""


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
        reading_of: Callable[[str, str], Reading],
        books: OutsideBooks,
        word_keeper: WordKeeper,
        mappings: MappingDesk,
        energy_keeper: EnergyKeeper,
        terms: Terms,
        tick_s: float,
        clock: Callable[[], float] = time.monotonic,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        self.tree = tree
        self.rigs = rigs
        self._rig_keeper = rig_keeper
        self._reading_of = reading_of
        self.books = books
        self._word_keeper = word_keeper
        self.mappings = mappings
        self._energy_keeper = energy_keeper
        energy_keeper.states = {
            CALIBRATION: lambda: self._learned,
            WORDS: lambda: legacy.words_of(books),
        }
        self._tick_s = tick_s
        self._clock = clock
        self.unix_time = unix_time
        """What whoever brings signals is to tell the time by, too: words are judged by it."""
        self._listeners: list[Callable[[PowerView], None]] = []
        self._sources: list[Source] = []
        # Windows are measured by a clock that nobody sets, and shown by the time of day.
        self._offset_s = unix_time() - clock()
        self._desk = PowerDesk(tree, self._now_s(), terms)
        self._work: deque[_Work] = deque()
        self._rig_news: deque[RigNews] = deque()
        self._accepted: deque[str] = deque()
        self._news = PowerNews()
        self._trouble = RateLimited(log)
        self._is_at_fault = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="power")
        self._learned = "{}"  # what meters have taught, as it is saved
        self._state: legacy.RoomState | None = None
        self.last: Tick | None = None

    # --- life ----------------------------------------------------------------------------

    def load(self, connection: Connection) -> None:
        """Take up what was saved, before the journal is read; in the store's thread."""
        self.mappings.load(connection)
        self._rig_keeper.load(connection)
        self._word_keeper.load(connection)
        self._energy_keeper.load(connection)
        if saved := self._energy_keeper.restored.get(CALIBRATION):
            try:
                self._desk.calibrator.restore(json.loads(saved))
                self._learned = saved  # a pool may stop before its first tick
            except (TypeError, ValueError, AttributeError) as error:  # of another version
                log.warning("calibration_not_restored", reason=str(error))
        if said := self._energy_keeper.restored.get(WORDS):
            legacy.hear_again(self.books, said)

    def take_up(self, left: bytes, site_of: Callable[[str], str]) -> None:
        """Go on from what the room of another process has left, after load() and before tasks().

        ``site_of`` gives an account's site.
        """
        if (state := legacy.decode(left)) is not None:
            # The same clock: else what was measured would seem to be of another time.
            self._offset_s = state.offset_s
            self.rigs.reconnect(state.rigs, site_of)  # first: the tree grows by it
            self._desk.restore(state.desk)
            self._news.restore(state.news)
            self._energy_keeper.last_tick = state.last_tick

    def hear(self, source: Source) -> None:
        """A source of signals, to run as long as the room does; before the start."""
        self._sources.append(source)

    def show(self, listener: Callable[[PowerView], None]) -> None:
        """Who is told of each tick's view, on the event loop."""
        self._listeners.append(listener)

    def tasks(self) -> list[Coroutine[None, None, None]]:
        """What goes on for ever while the pool runs; each may be cancelled."""
        parts: list[Source] = [
            self._rig_keeper,
            self._word_keeper,
            self._energy_keeper,
            *self._sources,
        ]
        return [self._run(), *(each.run() for each in parts)]

    async def close(self) -> None:
        """Save what is left. The store is open still, and nothing more comes in."""
        await self._rig_keeper.close()
        await self._word_keeper.close()
        await self._energy_keeper.close()
        # A tick may be under way still, whoever waited for it: this comes after.
        desk = self._thread.submit(self._desk.state)
        self._thread.shutdown(wait=False)
        self._state = legacy.RoomState(
            self._offset_s,
            self.rigs.connected(),
            await asyncio.wrap_future(desk),
            self._news.state(),
            self._energy_keeper.last_tick,
        )

    def left(self) -> bytes:
        """What the next process may go on from, once this room is closed."""
        return b"" if self._state is None else legacy.encode(self._state)

    async def _run(self) -> None:
        at_s = self._clock()
        while True:
            try:
                await self.tick()
            except Exception as error:
                # A bug of ours. Shares and blocks do not depend on power, and go on; what is shown
                # of power grows old, and that it does is told each minute.
                self._trouble.failed("power_tick_failed", repr(error), self._clock())
                log.debug("power_tick_failed", exc_info=True)
            else:
                self._trouble.restored("power_ticks_again", self._clock())
            at_s = max(at_s + self._tick_s, self._clock())
            await asyncio.sleep(at_s - self._clock())

    async def tick(self) -> Tick:
        """Look at everything now."""
        unix_s = self.unix_time()
        outside = self.books.now(unix_s)
        tick = await asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: self._tick(outside, self._now_s(), unix_s)
        )
        self.last = tick
        self.books.expect(tick.readings.nodes)
        self._energy_keeper.take(outside, tick)
        self._news.tell(tick, self.books.budget.silences(unix_s), outside.meters)
        for listener in self._listeners:
            listener(tick.view)
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
        now_ms = int(self.unix_time() * 1000)
        for news in rigs:
            self.rigs.take(news, now_ms)
            self._rig_news.append(news)

    def take_fault_of_pool(self, is_at_fault: bool) -> None:
        """Whether the pool itself cannot take shares now: no rig is silent by that."""
        self._is_at_fault = is_at_fault

    def take_reading(self, reading: MeterReading) -> MeterState:
        """See SignalSink."""
        if reading.meter not in self.books.meters:
            raise UnknownSignalError(f"there is no meter {reading.meter!r}")
        return self.books.meters.take(reading, self.unix_time())

    def take_fault(self, meter: str, reason: str) -> None:
        """See SignalSink."""
        self.books.meters.fault(meter, reason, self.unix_time())

    def take_ai_load(self, signal: AiLoadSignal) -> None:
        """See SignalSink."""
        self.books.ai_loads.take(signal, self.unix_time())

    def take_budget(self, signal: BudgetSignal) -> None:
        """See SignalSink."""
        unix_s = self.unix_time()
        word = self.books.budget.take(signal, unix_s)
        if word is not None:
            self._word_keeper.note(word, int(unix_s * 1000))
            log.info(
                "budget_word",
                node=word.node,
                limit_w=word.limit_w,
                source=word.source,
                reason=word.reason,
                by=word.issued_by,
            )

    def accept_calibration(self, node: str) -> None:
        """See SignalSink."""
        seen = () if self.view is None else self.view.nodes
        if not any(each.path == node and each.calibration is not None for each in seen):
            raise UnknownSignalError(f"no meter has taught anything at {node!r}")
        self._accepted.append(node)
        log.info("calibration_accepted", node=node)

    # --- for those who look --------------------------------------------------------------

    @property
    def view(self) -> PowerView | None:
        """As of the last tick; None before the first."""
        return None if self.last is None else self.last.view

    @property
    def energy_closed_until_s(self) -> int:
        """The end of the last closed interval of the energy books, Unix seconds; 0 before one."""
        return self._energy_keeper.closed_until_s

    def rig_state(self, worker: str) -> RigState:
        """What a rig does as far as shares tell; from any thread."""
        return self._desk.silence.state_of(worker)

    async def detail(self, path: str, most_rigs: int) -> NodeDetail | None:
        """A node and the rigs right at it; None where there is none, or before the first tick."""
        seen = () if self.view is None else self.view.nodes
        node = next((each for each in seen if each.path == path), None)
        if node is None:
            return None
        run = asyncio.get_running_loop().run_in_executor
        windows, rigs = await run(self._thread, lambda: self._look_at(path))
        site, left_out = self.tree.site_of(path), max(0, len(rigs) - most_rigs)
        if site is None:
            rigs = []
        del rigs[most_rigs:]
        readings = [self._reading_of(each.rig.account, each.rig.worker) for each in rigs]
        views = await run(self._thread, lambda: rig_views(rigs, readings, site))
        ahead = limit_ahead(self.books.budget.next_change(path, self.unix_time()))
        return NodeDetail(node, windows, ahead, views, left_out)

    def _look_at(self, path: str) -> tuple[tuple[WindowView, ...], list[Watched]]:
        """In the thread. Rigs that are silent come first."""
        rigs = watched(self._desk, list(self.rigs.rigs_at(path)))
        rigs.sort(key=lambda each: (each.chance, each.rig.worker))
        return node_windows(self._desk, path), rigs

    # --- a tick --------------------------------------------------------------------------

    def _now_s(self) -> float:
        return self._clock() + self._offset_s

    def _tick(self, outside: Outside, now_s: float, unix_s: float) -> Tick:
        """In the thread."""
        desk = self._desk
        while self._rig_news:
            news = self._rig_news.popleft()
            desk.silence.note(news.worker, news.share_work, news.sessions, now_s)
        while self._accepted:
            desk.calibrator.accept(self._accepted.popleft())
        while self._work:
            each = self._work.popleft()
            desk.take_work(each.nodes, each.at_s)
            for worker, proven_work, squares in each.rigs:
                desk.silence.shares(worker, proven_work, squares, each.at_s)
        if self._is_at_fault:
            desk.silence.hold(now_s)
        else:
            desk.silence.resume(now_s)
        tick = desk.tick(outside, desk.groups(self.rigs.rows()), now_s, unix_s)
        self._learned = json.dumps(desk.calibrator.state())
        return tick
