"""The pool at a glance, of a coordinator with books in a folder of its own."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from poolserver.crew import berths as berth_events
from poolserver.ledger.totals import ShareTotals
from poolserver.mining.share import ShareOutcome
from tests.unit.counters import worker_counters
from tests.unit.lookout.staged import NODE, Stage, mine
from tests.unit.share_counts import share_counts


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


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


def test_rejects_are_those_of_the_last_quarter_of_an_hour(stage: Stage) -> None:
    mine(stage.pool)
    of_hall = stage.pool.totals.sites["hall"]
    of_hall.add(ShareTotals(shares=share_counts({ShareOutcome.STALE: 500})))  # before all looks
    assert "reject_ratio" not in stage.codes()
    news = {ShareOutcome.ACCEPTED: 380, ShareOutcome.STALE: 20}
    of_hall.add(ShareTotals(shares=share_counts(news)))
    stage.now += 60.0
    assert "reject_ratio" in stage.codes()
    for _ in range(2):
        stage.now += 900.0
        codes = stage.codes()
    assert "reject_ratio" not in codes


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
