"""A room with its store, opened, in made-up time."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poolserver.cluster.messages import RigNews
from poolserver.config import Config, parse_config
from poolserver.control_room.desk import Tick
from poolserver.control_room.outfit import control_room
from poolserver.control_room.room import ControlRoom
from poolserver.control_room.view import NodeView
from poolserver.ledger.delta import Delta, NodeKey, NodeWork
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import IntervalKey, ShareTotals, WorkerKey
from poolserver.stats.meter import NO_READING
from tests.unit.pool_toml import POOL_TOML

SITE = """
[programme]
limit_mw = 3

[[sites]]
name = "hall"
accounts = ["alice"]
budget_mw = 2
pue = 1.1
meter = "main"
worker_pattern = "{rack}-{slot}"

[[sites.nodes]]
name = "T1"
kind = "transformer"
limit_mw = 1
workers = ["*"]

[[sites.ai_loads]]
name = "ai"
assumed_mw = 0.5

[[meters]]
name = "main"
source = "http"
rated_mw = 2
"""
TH = 10**12
# A share of a rig of 200 TH/s at 12 a minute; at 17.5 J/TH it draws 3.5 kW.
SHARE = 1000 * TH


@dataclass
class Pool:
    """A room whose clocks are the test's."""

    room: ControlRoom
    store: LedgerStore
    now_s: float = 1_800_000_000.0

    async def tick(self, passed_s: float = 5.0) -> Tick:
        self.now_s += passed_s
        return await self.room.tick()

    def prove(self, *rigs: str, shares: int = 1) -> None:
        """Each rig sends shares."""
        delta = Delta()
        for rig in rigs:
            key = WorkerKey("hall", "alice", f"alice.{rig}")
            place = self.room.rigs.place_of(key)
            assert place is not None
            totals = ShareTotals(SHARE * shares, SHARE * shares, SHARE * SHARE * shares)
            delta.intervals[IntervalKey(0, key)] = totals
            work = NodeWork(totals.proven_work, totals.proven_work_sq, totals.accepted_work)
            at = NodeKey(0, place.node, place.rating)
            delta.nodes.setdefault(at, NodeWork()).add(work)
        self.room.take_delta(delta)

    def connect(self, *rigs: str, sessions: int = 1) -> None:
        self.room.take_rigs(
            RigNews(f"alice.{rig}", "alice", "", "", "", None, None, float(SHARE), sessions)
            for rig in rigs
        )

    def node(self, path: str) -> NodeView:
        assert self.room.view is not None
        return next(node for node in self.room.view.nodes if node.path == path)


def config(folder: Path, more: str = "") -> Config:
    return parse_config(POOL_TOML + SITE + more, source="pool.toml", folder=folder, environ={})


async def opened(folder: Path, more: str = "") -> Pool:
    store = LedgerStore(SqliteDatabase(folder / "ledger.sqlite"))
    await store.open()
    pool: Any = Pool(None, store)  # type: ignore[arg-type]
    pool.room = control_room(
        config(folder, more),
        store,
        lambda account, worker: NO_READING,
        clock=lambda: pool.now_s - 1_700_000_000.0,
        unix_time=lambda: pool.now_s,
        is_time_sure=lambda: True,
        unsaved_s=lambda: 0.0,
    )
    await store.read(pool.room.load)
    opened_pool: Pool = pool
    return opened_pool
