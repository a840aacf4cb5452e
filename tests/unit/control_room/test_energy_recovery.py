"""The energy ledger after a kill: whatever dies when, each joule and each hash is there once."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from poolserver.ledger import energy_sql
from poolserver.ledger.energy import chained
from poolserver.ledger.sqlite import SqliteDatabase
from tests.unit.control_room.dying_keeper import STEPS
from tests.unit.control_room.energy_world import World, closed_after

ROOT = Path(__file__).parents[3]


async def live_and_die(folder: Path, step: str) -> tuple[float, int, int]:
    """The time, the counter and the work as it died."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.unit.control_room.dying_keeper", str(folder), step),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == -signal.SIGKILL
    told, *log = output.splitlines()
    assert bool(log) is (step == "closed")  # it says that it has closed an interval, or died before
    now_s, counter_j, work = told.split()
    return float(now_s), int(counter_j), int(work)


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
async def test_a_pool_killed_at_any_step_of_a_closing_has_each_joule_once(
    tmp_path: Path, step: str
) -> None:
    now_s, counter_j, work = await live_and_die(tmp_path, step)
    world = World(SqliteDatabase(tmp_path / "ledger.sqlite"))
    first_j = world.first["main"]
    world.now_s = now_s + 20  # it was away for a while, and the meter went on
    world.counters["main"] = counter_j + 777
    await world.start()
    world.read_meter("main")
    world.tick()
    await closed_after(world, 130)
    rows = await closed_after(world, 900 + 130)
    assert rows == list(chained(row.row for row in rows))
    assert len({(row.row.begin_s, row.row.node) for row in rows}) == len(rows) == 8
    state = await world.store.read(energy_sql.load_state)
    open_j = sum(fact.energy_j + fact.late_j for fact in state.facts.meters.values())
    closed_j = sum(
        (row.row.metered_j or 0) + row.row.late_j for row in rows if row.row.node == "Hall"
    )
    assert closed_j + open_j == world.counters["main"] - first_j
    assert sum(row.row.proven_work for row in rows if row.row.node == "/") == work
    await world.die()
