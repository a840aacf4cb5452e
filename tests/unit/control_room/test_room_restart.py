"""The room at work: what comes in from threads, wires and clocks, and what a tick makes of it."""

from pathlib import Path
from typing import Any

import pytest

from poolserver.config import parse_config
from poolserver.control_room.outfit import control_room
from poolserver.control_room.room import ControlRoom
from poolserver.ledger.database import Database
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from poolserver.power.calibration import Calibrator
from poolserver.power.estimator import Total
from tests.unit.pool_toml import POOL_TOML

SITE = """
[[sites]]
name = "A"
accounts = ["a"]
budget_mw = 5
meter = "main"
worker_pattern = "{site}-{container}-{rack}"
[[meters]]
name = "main"
source = "http"
rated_mw = 5
"""
START_S = 1_790_000_000.0


class World:
    """A pool's room, its store and its clocks."""

    def __init__(self, folder: Path, text: str = POOL_TOML + SITE) -> None:
        self.database: Database = SqliteDatabase(folder / "ledger.sqlite")
        self.config = parse_config(text, source="pool.toml", folder=folder, environ={})
        self.now_s = 0.0
        self.set_by_s = 0.0
        self.store: LedgerStore
        self.room: ControlRoom

    def unix_s(self) -> float:
        return START_S + self.now_s + self.set_by_s

    async def start(self) -> None:
        self.store = LedgerStore(self.database)
        await self.store.open()
        self.room = control_room(
            self.config,
            self.store,
            lambda account, worker: pytest.fail("nobody is measured"),
            clock=lambda: self.now_s,
            unix_time=self.unix_s,
            is_time_sure=lambda: True,
            unsaved_s=lambda: 0.0,
        )
        await self.store.read(self.room.load)

    async def stop(self) -> None:
        await self.room.close()
        await self.store.close()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def lessons(room: ControlRoom) -> Any:
    return room._desk.calibrator.lessons()


async def test_a_pool_that_stops_before_its_first_tick_keeps_what_meters_have_taught(
    world: World,
) -> None:
    await world.start()
    calibrator: Calibrator = world.room._desk.calibrator
    for minute in range(120):
        calibrator.take("A", minute * 60.0, 1.04e6, 0.003, Total(minute * 60e6, 0.0))
    taught = lessons(world.room)["A"].alpha
    assert taught > 1.01
    await world.room.tick()
    await world.stop()
    await world.start()
    await world.stop()  # a port was taken, say
    await world.start()
    assert lessons(world.room)["A"].alpha == taught
    await world.stop()
