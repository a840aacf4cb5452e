"""Keeps the energy ledger: takes what each tick tells, saves it, closes intervals that are over.

All that is saved is absolute and in one transaction with where the meters' accounts stand, and
with the rows of intervals that are closed by it. So a save that failed, or whose answer was lost,
is done again with the next, and a pool that dies goes on from its last save: what its meters'
counters gained meanwhile is booked then.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from poolserver.control_room.books import Outside
from poolserver.control_room.desk import Tick
from poolserver.ledger import energy_sql
from poolserver.ledger.database import Connection, StoreError
from poolserver.ledger.days import DayCloser
from poolserver.ledger.energy import ChainedRow
from poolserver.ledger.energy_facts import AiTick, Facts, NodeTick, OpenBooks, PowerTick
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import INTERVAL_S
from poolserver.log import RateLimited
from poolserver.power.control.decision import Decision
from poolserver.power.energy_meter import MeterEnergy, MeterPoint
from poolserver.power.readings import MeterSpec
from poolserver.power.tree import AiLoad, PowerTree, parent_path

GRACE_S = 120.0
"""After an interval's end: shares are saved every ten seconds, meters are read as often, and
one whose link is cut for a minute has told by then. What comes later is booked later."""
MOST_AT_ONCE = 96
"""Intervals that a save closes: after a long stop a transaction is to stay short."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Save:
    """What is to be saved, as it was at one moment."""

    facts: Facts
    points: dict[str, MeterPoint]
    states: dict[str, str]
    close_until_s: int


@dataclass(slots=True)
class EnergyKeeper:
    """Feed it each tick; call load() before the first, and run() meanwhile.

    ``states`` gives what other parts on power go on from, each as a text by its name.
    ``is_caught_up`` tells whether the store has what the fold has: nothing is closed before.
    ``clock`` is monotonic, ``unix_time`` the time of day, both in seconds; nothing is closed by
    the time of day unless ``is_time_sure``.
    """

    store: LedgerStore
    tree: PowerTree
    specs: Sequence[MeterSpec]
    interval_s: int
    save_interval_s: float
    states: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    is_caught_up: Callable[[], bool] = lambda: True
    clock: Callable[[], float] = time.monotonic
    unix_time: Callable[[], float] = time.time
    is_time_sure: Callable[[], bool] = lambda: True
    restored: dict[str, str] = field(init=False, default_factory=dict)
    """The states that were saved."""
    _books: OpenBooks = field(init=False, default_factory=OpenBooks)
    _meters: dict[str, MeterEnergy] = field(init=False, default_factory=dict)
    _configured: list[str] = field(init=False)
    _ai_loads: list[AiLoad] = field(init=False)
    _homes: dict[str, str] = field(init=False, default_factory=dict)
    _closer: DayCloser = field(init=False)
    _saving: asyncio.Task[None] | None = field(init=False, default=None)
    _trouble: RateLimited = field(init=False)

    def __post_init__(self) -> None:
        self._configured = [node.path for node in self.tree if node.is_configured]
        self._ai_loads = [load for node in self.tree for load in node.ai_loads]
        self._closer = DayCloser(GRACE_S, self.interval_s)
        self._trouble = RateLimited(log)
        self._meters = {spec.name: MeterEnergy(spec, INTERVAL_S) for spec in self.specs}

    # --- life ----------------------------------------------------------------------------

    def load(self, connection: Connection) -> None:
        """Take up what was saved; in the store's thread, before there is anything else."""
        state = energy_sql.load_state(connection)
        self._books = OpenBooks(state.facts, state.closed_until_s)
        self.restored = state.states
        for spec in self.specs:
            self._meters[spec.name] = MeterEnergy(spec, INTERVAL_S, state.points.get(spec.name))

    @property
    def closed_until_s(self) -> int:
        """The end of the last closed interval, Unix seconds; 0 before the first."""
        return self._books.closed_until_s

    async def run(self) -> None:
        """Save now and then; for ever."""
        while True:
            await asyncio.sleep(self.save_interval_s)
            await self.save()

    async def close(self) -> None:
        """Save what is left. The store is open still."""
        if self._saving is not None:
            await asyncio.wait([self._saving])
        await self.save()

    @property
    def last_tick(self) -> PowerTick | None:
        """What is so until the next tick tells more; to go on from that of another process."""
        return self._books.last_tick

    @last_tick.setter
    def last_tick(self, tick: PowerTick | None) -> None:
        self._books.last_tick = tick

    # --- what comes in -------------------------------------------------------------------

    def take(self, outside: Outside, tick: Tick) -> None:
        """What a tick found. On the event loop: what is of many racks is added up first."""
        curtailed_w = self._curtailed_w(tick.decision)
        excess_w = {each.node: each.excess_w for each in tick.decision.overloads}
        nodes = {}
        for path in self._configured:
            limit = outside.limits.get(path)
            nodes[path] = NodeTick(
                None if limit is None else limit.limit_w,
                round(excess_w.get(path, 0)),
                round(curtailed_w.get(path, 0)),
            )
        ai_loads = {}
        for load in self._ai_loads:
            power_w = outside.ai_w.get((load.site, load.name))
            ai_loads[load.site, load.name] = (
                AiTick(load.assumed_w, is_known=False)
                if power_w is None
                else AiTick(round(power_w), is_known=True)
            )
        self._books.take_tick(PowerTick(int(tick.unix_s * 1000), nodes, ai_loads))
        for name, state in outside.meters.items():
            if (meter := self._meters.get(name)) is not None:
                self._books.take_pieces(name, meter.take(state))

    def _curtailed_w(self, decision: Decision) -> dict[str, float]:
        """What would be switched off, by configured node: with PUE at sites and above."""
        there_w: dict[str, float] = {}
        for command in decision.intended:
            home = self._homes.get(command.node) or self._home(command.node)
            there_w[home] = there_w.get(home, 0.0) + command.power_w
        found: dict[str, float] = {}
        for home, power_w in there_w.items():
            for node in self.tree.lineage(home):
                power_w *= float(node.pue)
                found[node.path] = found.get(node.path, 0.0) + power_w
        return found

    def _home(self, path: str) -> str:
        """The configured node that a node is, or that it is in."""
        home = path
        while not self.tree[home].is_configured:
            home = parent_path(home)
        self._homes[path] = home
        return home

    # --- to the store --------------------------------------------------------------------

    async def save(self) -> None:
        """Save, and close what is over. If that fails it is done again with the next."""
        # A task of its own: its end must be known even if the caller is cancelled.
        self._saving = asyncio.create_task(self._save(), name="energy save")
        await asyncio.shield(self._saving)

    async def _save(self) -> None:
        saving = self._snapshot()
        try:
            closed = await self.store.write(lambda connection: self._write(connection, saving))
        except StoreError as error:
            self._trouble.failed("energy_not_saved", str(error), self.clock())
            return
        self._trouble.restored("energy_saved_again", self.clock())
        if closed:
            last = closed[-1]
            self._books.facts.forget_before(last.row.end_s)
            log.info(
                "energy_closed",
                until_s=last.row.end_s,
                rows=len(closed),
                number=last.number,
                head=last.head.hex(),
            )

    def _snapshot(self) -> _Save:
        """From here on nothing is booked in what is to be closed: it is written down as it is,
        and so again if it has to be written twice."""
        if self.is_time_sure() and self.is_caught_up():
            over = self._closer.over(self.unix_time(), self.clock())
            self._books.close((over + 1) * self.interval_s)
        points = {name: meter.point for name, meter in self._meters.items() if meter.point}
        states = {part: state_of() for part, state_of in self.states.items()}
        return _Save(self._books.facts.copy(), points, states, self._books.closed_until_s)

    def _write(self, connection: Connection, saving: _Save) -> list[ChainedRow]:
        """In the store's thread, within a transaction."""
        energy_sql.put_facts(connection, saving.facts)
        energy_sql.put_points(connection, saving.points)
        energy_sql.put_states(connection, saving.states)
        closed: list[ChainedRow] = []
        for _ in range(MOST_AT_ONCE):
            rows = energy_sql.close_next(
                connection, self.tree, self.interval_s, saving.close_until_s
            )
            if not rows:
                break
            closed += rows
        return closed
