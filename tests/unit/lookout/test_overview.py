"""The pool at a glance, of a coordinator with books in a folder of its own."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from poolserver.coordinator import Coordinator
from poolserver.crew import berths as berth_events
from poolserver.crew.berths import Berths
from poolserver.handover.reload import ReloadFacts
from poolserver.ledger.totals import ShareTotals, WorkerKey
from poolserver.lookout.overview import Life, Overview
from poolserver.node.group import NodeFigures
from tests.unit.counters import node_group, worker_counters
from tests.unit.solving import template
from tests.unit.test_coordinator import coordinator, metered

NODE = NodeFigures("a", True, True, True, 100, 0, 8, 0.01, 1.0)


class Stage:
    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self.pool: Coordinator = coordinator(folder)
        self.nodes = node_group(figures=lambda: [NODE], laggards={})
        self.berths = Berths(1)
        (berth,) = self.berths
        berth_events.begin(berth, 1.0)
        berth.is_linked = berth.has_listened = True
        life = Life("regtest", "pool-1", ReloadFacts(self.pool._config, 1.0))
        self.overview = Overview(
            self.pool,
            self.nodes,
            self.berths,
            life,
            folder,
            clock=lambda: self.now,
            unix_time=lambda: 1_700_000_000.0,
        )

    def codes(self) -> list[str]:
        return [each.code for each in self.overview.status().troubles]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def mine(pool: Coordinator) -> None:
    pool.template, pool.template_at = template(), 1000.0
    pool.receive(worker_counters(rigs={"alice": 3, "bob": 1}, connections=4))
    totals = ShareTotals(10**15, 10**15, 10**30, [10, *[0] * 9], best_hash=1 << 200)
    pool.totals.add({"hall": totals}, {})
    meters = metered(pool)
    meters.declare("alice", "alice.1", 900.0)
    meters.update(meters.judged([(WorkerKey("hall", "alice", "alice.1"), totals)]), 990.0)


def test_before_anything_is_known_there_is_a_status_all_the_same(stage: Stage) -> None:
    status = stage.overview.status()
    assert status.template is None
    assert status.power is None
    assert status.luck is None
    assert status.rejects is None
    assert stage.codes() == ["no_template"]
    assert b"Infinity" not in msgspec.json.encode(status)
    assert status.hashrate_h_s._1h == msgspec.json.decode(
        b'{"value":0.0,"sigma":0.0}', type=type(status.hashrate_h_s._1h)
    )


def test_sums_are_of_all_sites_and_processes(stage: Stage) -> None:
    mine(stage.pool)
    status = stage.overview.status()
    assert (status.rigs, status.connections, status.worker_processes) == (3, 4, 1)
    assert (status.shares.accepted, status.shares.stale) == (10, 0)
    assert status.hashrate_h_s._1m.value > 0
    assert status.hashrate_h_s._1m.sigma == pytest.approx(status.hashrate_h_s._1m.value)
    assert status.template is not None
    assert (status.started_at, status.network, status.last_reload) == (1.0, "regtest", None)
    assert len(status.config_sha256) == 64
    assert stage.codes() == []
    (hall,) = stage.overview.sites()
    assert (hall.name, hall.rigs, hall.budget_w, hall.power) == ("hall", 3, 1_000_000, None)


def test_the_shape_survives_json_and_back(stage: Stage) -> None:
    mine(stage.pool)
    status = stage.overview.status()
    assert msgspec.json.decode(msgspec.json.encode(status), type=type(status)) == status
    nodes = stage.overview.nodes()
    assert msgspec.to_builtins(nodes) == [
        {name: getattr(NODE, name) for name in NODE.__dataclass_fields__}
    ]


def test_a_block_without_a_word_is_a_trouble_only_after_a_while(stage: Stage) -> None:
    mine(stage.pool)
    stage.pool.receive(worker_counters(blocks_unsettled=1))
    assert stage.codes() == []
    stage.now += 121.0
    assert stage.codes() == ["block_stuck"]
    stage.pool.receive(worker_counters(blocks_unsettled=0))
    assert stage.codes() == []
    stage.pool.receive(worker_counters(blocks_unsettled=1))
    assert stage.codes() == []


def test_signs_of_all_parts_become_troubles(stage: Stage) -> None:
    mine(stage.pool)
    changes: list[tuple[str, Any]] = [
        ("is_split", True),
        ("is_stale", True),
    ]
    for name, value in changes:
        setattr(stage.nodes, name, value)
    stage.pool.receive(
        worker_counters(pool_at_fault=True, journal_failed=True, certificate_expires_unix=1)
    )
    berth_events.part(next(iter(stage.berths)))
    assert {
        "chain_split",
        "stale_tip",
        "pool_at_fault",
        "journal_failed",
        "certificate",
        "worker_down",
    } == {*stage.codes()}
