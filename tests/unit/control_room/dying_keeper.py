"""The keeper of the energy ledger in a process that kills itself at a step of its work.

    python -m tests.unit.control_room.dying_keeper FOLDER STEP

Prints the time and the meter's counter as they were when it died.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from poolserver.ledger import energy_sql
from poolserver.ledger.sqlite import SqliteDatabase
from tests.unit.control_room.energy_world import World
from tests.unit.ledger.energies import BEGIN

STEPS = ("told", "facts", "points", "closing", "closed")
DIES_AT_S = BEGIN + 900 + 150  # the interval is over, and its grace too


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(work: Callable[..., Any]) -> Callable[..., Any]:
    """A function that does its work, and with it the process ends."""

    def work_and_die(*args: Any) -> None:
        work(*args)
        die()

    return work_and_die


async def live(folder: Path, step: str) -> None:
    world = World(SqliteDatabase(folder / "ledger.sqlite"))
    await world.start()
    world.read_meter("main")
    world.tick()
    while world.now_s < DIES_AT_S:
        await world.keeper.save()
        world.now_s += 35
        world.draw(1234, 0)
        world.read_meter("main")
        world.tick()
        await world.mine(1000, world.now_s)
    print(world.now_s, world.counters["main"], world.work, flush=True)
    if step == "told":
        die()
    if step == "facts":
        energy_sql.put_facts = dying(energy_sql.put_facts)
    if step == "points":
        energy_sql.put_points = dying(energy_sql.put_points)
    if step == "closing":
        energy_sql._add_rows = dying(energy_sql._add_rows)
    await world.keeper.save()
    die()


if __name__ == "__main__":
    asyncio.run(live(Path(sys.argv[1]), sys.argv[2]))
