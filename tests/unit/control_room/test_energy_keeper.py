"""The energy ledger as it is kept: whatever fails or dies when, no joule is lost or doubled."""

import asyncio
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from structlog.testing import capture_logs

from poolserver.control_room.energy_keeper import GRACE_S
from poolserver.ledger import energy_sql
from poolserver.ledger.database import Database
from poolserver.ledger.energy import FIRST_PREVIOUS, chained
from poolserver.ledger.energy_close import close_interval
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.power.control.decision import Action, Command, Decision, Overload
from poolserver.power.state import EffectiveLimit, Limit, LimitKind
from tests.unit.control_room.energy_world import World, closed_after
from tests.unit.ledger.energies import BEGIN, RATING, tree


@pytest.fixture
async def world(database: Database) -> World:
    world = World(database)
    await world.start()
    return world


async def test_an_interval_is_closed_some_time_after_its_end(world: World) -> None:
    world.read_meter("main")
    world.tick()
    await world.mine(10**15, world.now_s)
    assert await closed_after(world, 890) == []
    assert await closed_after(world, GRACE_S - 5) == []
    with capture_logs() as logs:
        rows = await closed_after(world, 10)
    assert [row.row.node for row in rows] == ["/", "Hall", "Hall/F1", "Hall/F2"]
    assert rows == list(chained(row.row for row in rows))
    hall = rows[1].row
    assert (hall.begin_s, hall.end_s) == (BEGIN, BEGIN + 900)
    assert hall.metered_j == 890 // 5 * 50
    assert hall.covered_ms == hall.observed_ms == 890_000
    assert hall.proven_work == hall.accepted_work == 10**15
    (told,) = [each for each in logs if each["event"] == "energy_closed"]
    assert told["head"] == rows[-1].head.hex()
    await world.die()


async def test_nothing_is_closed_that_the_store_may_lack_work_of_or_by_a_doubtful_clock(
    world: World,
) -> None:
    world.tick()
    world.caught_up = False
    assert await closed_after(world, 2000) == []
    world.caught_up = True
    world.keeper.is_time_sure = lambda: False
    assert await closed_after(world, 200) == []
    world.keeper.is_time_sure = lambda: True
    assert await closed_after(world, 0) == []  # the clock has to stay there for a while
    assert len(await closed_after(world, 130)) == 8
    await world.die()


async def test_work_that_comes_late_is_booked_in_the_first_open_interval(world: World) -> None:
    world.tick()
    await world.mine(5, BEGIN + 20)
    before = await closed_after(world, 1100)
    await world.mine(3, BEGIN + 30)
    await world.mine(2, BEGIN + 910)
    rows = await closed_after(world, 900)
    assert rows[: len(before)] == before
    assert [row.row.proven_work for row in rows if row.row.node == "/"] == [5, 5]
    assert [row.row.accepted_work for row in rows if row.row.node == "Hall"] == [5, 5]
    await world.die()


async def test_limits_ai_load_and_what_would_be_shed_are_booked(world: World) -> None:
    limit = Limit("Hall", LimitKind.SCHEDULE, 1000, "season")
    decision = Decision(
        intended=(Command(Action.OFF, 0, "Hall/F1/r1", RATING, 2, 200.0),),
        overloads=(Overload("Hall", 400.0, 0.99, limit),),
    )
    told: dict[str, Any] = {
        "limits": {"Hall": EffectiveLimit(1000, (limit,)), "/": EffectiveLimit(None)},
        "ai_w": {("Hall", "ai"): 77.0},
    }
    world.tick(decision, **told)
    world.now_s += 10
    world.tick(decision, **told | {"ai_w": {("Hall", "ai"): None}})
    world.now_s += 10
    world.tick()
    rows = {row.row.node: row.row for row in await closed_after(world, 1100)}
    hall = rows["Hall"]
    assert hall.allocated_j == 20 * 1000
    assert hall.excess_j == 20 * 400
    assert hall.curtailed_j == 20 * 210  # with PUE
    assert rows["Hall/F1"].curtailed_j == 20 * 200
    assert rows["/"].allocated_j is None
    assert hall.ai_j == 10 * 77 + (900 - 20) * 500  # assumed where nobody tells
    assert hall.ai_known_ms == 10_000
    await world.die()


async def test_what_other_parts_go_on_from_is_restored(world: World) -> None:
    await world.keeper.save()
    await world.die()
    await world.start()
    assert world.keeper.restored == {"calibration": f"at {world.now_s}"}
    await world.die()


async def test_a_stop_of_days_is_closed_in_pieces_and_counted_by_the_meter(world: World) -> None:
    world.read_meter("main")
    world.tick()
    await closed_after(world, 60)
    await world.die()
    world.now_s += 3 * 86_400
    world.draw(3 * 86_400 * 100, 0)
    await world.start()
    world.read_meter("main")
    world.tick()
    await world.keeper.save()
    world.now_s += GRACE_S
    for closed in (96, 192, 288):
        assert len(await closed_after(world, 0)) == 4 * closed
    rows = await closed_after(world, 0)
    halls = [row.row for row in rows if row.row.node == "Hall"]
    assert all(row.metered_j == 90_000 for row in halls[1:])
    assert all(row.spread_ms == 900_000 and not row.observed_ms for row in halls[1:])
    await world.die()


class EnergyBooks(RuleBasedStateMachine):
    """Random work, readings, ticks, faults, deaths; at any time the books add up to the truth."""

    @initialize()
    def begin(self) -> None:
        self.folder = TemporaryDirectory()
        self.runner = asyncio.Runner()
        path = Path(self.folder.name) / "ledger.sqlite"
        self.world = World(SqliteDatabase(path))
        self.runner.run(self.world.start())
        for name in self.world.counters:
            self.world.read_meter(name)
        self.world.tick()
        self.runner.run(self.world.keeper.save())

    @rule(hashes=st.integers(1, 2**90), age_s=st.integers(0, 4000))
    def work(self, hashes: int, age_s: int) -> None:
        self.runner.run(self.world.mine(hashes, max(BEGIN, self.world.now_s - age_s)))

    @rule(
        seconds=st.sampled_from([1, 5, 5, 5, 70, 500, 899, 1500, 9000]),
        main_j=st.integers(0, 10**6),
        f1_j=st.integers(0, 10**6),
        read=st.sets(st.sampled_from(["main", "f1"])),
    )
    def live(self, seconds: int, main_j: int, f1_j: int, read: set[str]) -> None:
        self.world.now_s += seconds
        self.world.draw(main_j, f1_j)
        for name in read:
            self.world.read_meter(name)
        self.world.tick()

    @rule(fault=st.sampled_from(["none", "none", "before", "after"]))
    def save(self, fault: str) -> None:
        self.world.store.before = int(fault == "before")
        self.world.store.after = int(fault == "after")
        self.runner.run(self.world.keeper.save())
        self.world.store.before = self.world.store.after = 0
        self.runner.run(self.check())

    @rule(fault=st.sampled_from(["none", "before", "after"]))
    def close_intervals(self, fault: str) -> None:
        self.runner.run(self.world.keeper.save())
        self.world.now_s += GRACE_S + 1
        self.save(fault)

    @rule()
    def restart(self) -> None:
        self.runner.run(self.world.die())
        self.runner.run(self.world.start())
        self.runner.run(self.check())

    async def check(self) -> None:
        world = self.world
        rows = await world.rows()
        assert rows == list(chained([row.row for row in rows], 0, FIRST_PREVIOUS))
        closed_s = rows[-1].row.end_s if rows else 0
        state = await world.store.read(energy_sql.load_state)
        assert state.closed_until_s == closed_s
        whole = {row.row.begin_s: row.row for row in rows if row.row.node == "/"}
        open_work = await world.store.read(
            lambda connection: [
                work.proven_work for _, work in energy_sql.node_work(connection, closed_s, 2**40)
            ]
        )
        assert sum(row.proven_work for row in whole.values()) + sum(open_work) == world.work
        for node, meter in (("Hall", "main"), ("Hall/F1", "f1")):
            closed_j = sum(
                (row.row.metered_j or 0) + row.row.late_j for row in rows if row.row.node == node
            )
            open_j = sum(
                fact.energy_j + fact.late_j
                for (_, name), fact in state.facts.meters.items()
                if name == meter
            )
            counter_j = state.points[meter].counter_j
            assert counter_j is not None
            assert closed_j + open_j == counter_j - world.first[meter]

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.runner.run(self.finish())
        self.runner.run(self.world.die())
        self.runner.close()
        self.folder.cleanup()

    async def finish(self) -> None:
        """At the end all that was drawn is in the books, and each row can be made again."""
        world = self.world
        for name in world.counters:
            world.read_meter(name)
        world.now_s += 1
        for name in world.counters:
            world.read_meter(name)
        world.tick()
        await world.keeper.save()
        await self.check()
        state = await world.store.read(energy_sql.load_state)
        for name, counter_j in world.counters.items():
            assert state.points[name].counter_j == counter_j
        rows = await world.rows()
        for begin_s, end_s in {(row.row.begin_s, row.row.end_s) for row in rows}:
            interval = await world.store.read(
                lambda connection, begin_s=begin_s, end_s=end_s: energy_sql.read_interval(  # type: ignore[misc]
                    connection, begin_s, end_s
                )
            )
            again = close_interval(tree(), interval)
            assert again == [row.row for row in rows if row.row.begin_s == begin_s]
            (programme,) = [row for row in again if row.node == "/"]
            assert programme.estimated_pj == programme.proven_work * 20 * Fraction("1.05")


TestEnergyBooks = EnergyBooks.TestCase
TestEnergyBooks.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
