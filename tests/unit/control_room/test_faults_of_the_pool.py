"""While the pool itself cannot take shares no rig is silent: from a worker's word to the tick."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from poolserver.cluster.messages import RigNews, RigsChanged, WorkerCounters
from poolserver.config import parse_config
from poolserver.coordinator import Coordinator
from poolserver.ledger.delta import Delta
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.totals import IntervalKey, ShareTotals, WorkerKey
from poolserver.power.silence import RigState
from tests.unit.coordinating import SITE
from tests.unit.pool_toml import POOL_TOML

WORK = 10**15
COUNTERS = WorkerCounters(
    source="a", connections=1, rigs={}, jobs=1, malformed=0, unresolved=0, resumed=0, refused={},
    bans=0, rejecting=0, pool_at_fault=False, stopgap_seconds=0.0, stopgap_work=0.0,
    certificate_expires_unix=None, blocks_unsettled=0, blocks_unspooled=0, journal_failed=False,
    journal_dropped=0,
)  # fmt: skip


class Pool:
    """A rig of twelve shares a minute, and the time."""

    def __init__(self, folder: Path) -> None:
        self.now_s = 1000.0
        config = parse_config(POOL_TOML + SITE, source="pool.toml", folder=folder, environ={})
        database = SqliteDatabase(folder / "ledger.sqlite")
        nothing: Any = None
        self.coordinator = Coordinator(
            config, nothing, nothing, nothing, database, clock=lambda: self.now_s
        )
        news = RigNews("alice.1", "alice", "10.0.0.1", "x", "", None, None, float(WORK), 1)
        self.coordinator.receive(RigsChanged("a", (news,)))

    async def run(self, for_s: float, *, sends: bool, tick_s: float = 5.0) -> list[RigState]:
        """What became of the rig."""
        found, until_s = [], self.now_s + for_s
        while self.now_s < until_s:
            self.now_s += tick_s
            if sends:
                totals = ShareTotals(WORK, WORK, WORK**2)
                key = IntervalKey(0, WorkerKey("hall", "alice", "alice.1"))
                self.coordinator.room.take_delta(Delta(intervals={key: totals}))
            tick = await self.coordinator.room.tick()
            found += [change.state for change in tick.changes]
        return found


@pytest.fixture
async def pool(tmp_path: Path) -> Pool:
    pool = Pool(tmp_path)
    assert await pool.run(1200, sends=True) == [RigState.NEW, RigState.HASHING]
    return pool


async def test_a_rig_that_sends_nothing_is_told_within_three_minutes(pool: Pool) -> None:
    assert await pool.run(180, sends=False) == [RigState.SILENT]


@pytest.mark.parametrize("fault", ["journal_failed", "pool_at_fault"])
async def test_no_rig_is_silent_while_the_pool_itself_takes_no_shares(
    pool: Pool, fault: str
) -> None:
    pool.coordinator.receive(msgspec.structs.replace(COUNTERS, **{fault: True}))
    assert await pool.run(600, sends=False) == []
    pool.coordinator.receive(COUNTERS)
    assert await pool.run(60, sends=True) == []
    assert await pool.run(300, sends=False) == [RigState.SILENT]


async def test_no_rig_is_silent_because_the_pool_stood_still(pool: Pool) -> None:
    assert await pool.run(600, sends=False, tick_s=600.0) == []
    assert await pool.run(60, sends=True) == []
