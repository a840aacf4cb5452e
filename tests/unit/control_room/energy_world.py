"""An energy keeper with all that it is told by and keeps its rows in, in made-up time."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from poolserver.control_room.books import Outside
from poolserver.control_room.desk import Tick
from poolserver.control_room.energy_keeper import EnergyKeeper
from poolserver.ledger import energy_sql
from poolserver.ledger.database import Connection, Database, StoreError
from poolserver.ledger.delta import Delta, NodeKey, NodeWork, Progress
from poolserver.ledger.energy import ChainedRow
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import Earning, EarningKey
from poolserver.power.control.decision import Decision
from poolserver.power.readings import MeterSpec
from poolserver.power.state import MeterState, Quality, Readings
from tests.unit.ledger.energies import BEGIN, RATING, tree

T = TypeVar("T")
SPECS = [MeterSpec("main", 10**9), MeterSpec("f1", 10**9)]
SOURCE = "pool-1/0/1"
NBITS = 0x1D00FFFF


class FaultyStore(LedgerStore):
    """Fails to write as often as it is told to, before or after it has done it."""

    before = after = 0

    async def write(self, work: Callable[[Connection], T]) -> T:
        if self.before:
            self.before -= 1
            raise StoreError(self.database, "is locked", transient=True)
        result = await super().write(work)
        if self.after:
            self.after -= 1
            raise StoreError(self.database, "cannot be reached", transient=True)
        return result


class World:
    """A pool's energy books, its clock, and two meters with counters."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now_s = float(BEGIN + 10)
        self.counters = {"main": 5, "f1": 7}
        self.first = dict(self.counters)
        self.read: dict[str, MeterState] = {}
        self.work = self.value = 0
        self.sequence = 0
        self.caught_up = True

    async def start(self) -> None:
        self.store = FaultyStore(self.database)
        await self.store.open()
        self.keeper = EnergyKeeper(
            self.store,
            tree(),
            SPECS,
            interval_s=900,
            save_interval_s=10.0,
            states={"calibration": lambda: f"at {self.now_s}"},
            is_caught_up=lambda: self.caught_up,
            clock=lambda: self.now_s,
            unix_time=lambda: self.now_s,
        )
        await self.store.read(self.keeper.load)

    async def die(self) -> None:
        """Whatever was not saved is gone."""
        await self.store.close()

    def draw(self, main_j: int, f1_j: int) -> None:
        self.counters["main"] += main_j
        self.counters["f1"] += f1_j

    def read_meter(self, name: str) -> None:
        self.read[name] = MeterState(
            name, Quality.GOOD, "", None, self.counters[name], 0, self.now_s
        )

    def tick(self, decision: Decision | None = None, **outside: Any) -> None:
        seen = {"meters": dict(self.read), "ai_w": {}, "limits": {}, "mining_limits": {}} | outside
        found = Tick(self.now_s, Readings({}, {}), decision or Decision(), (), cast(Any, None))
        self.keeper.take(Outside(**seen), found)

    async def mine(self, hashes: int, at_s: float) -> None:
        begin_s = int(at_s) // 900 * 900
        nodes = {NodeKey(begin_s, "Hall/F1/r1", RATING): NodeWork(hashes, hashes**2, hashes)}
        earned = {EarningKey(begin_s, "Hall", "north", NBITS): Earning(hashes, hashes * 3)}
        progress = {SOURCE: Progress(self.sequence, self.sequence + 1)}
        self.sequence += 1
        self.work += hashes
        self.value += hashes * 3
        await self.store.apply(Delta(progress, nodes=nodes, earnings=earned))

    async def rows(self) -> list[ChainedRow]:
        return await self.store.read(
            lambda connection: list(energy_sql.rows_between(connection, 0, 2**40))
        )


async def closed_after(world: World, seconds: float) -> list[ChainedRow]:
    """Live on for so long, five seconds a tick, and save now and then."""
    for number in range(int(seconds / 5)):
        if number % 12 == 0:
            await world.keeper.save()
        world.now_s += 5
        world.draw(50, 30)
        for name in world.read:
            world.read_meter(name)
        world.tick()
    await world.keeper.save()
    return await world.rows()
