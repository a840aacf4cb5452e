"""The coordinator, wired to books in a folder of its own: what operators are shown."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from prometheus_client import CollectorRegistry, generate_latest

from poolserver.cluster.messages import (
    BlockEvent,
    Down,
    OurBlock,
    RigNews,
    RigsChanged,
    WorkerEnded,
    WorkerStarted,
)
from poolserver.ledger.records import Record, ShareRecord, WorkerRecord
from poolserver.ledger.segment import SegmentId, encode_header
from poolserver.ledger.totals import ShareTotals, WorkerKey
from poolserver.metrics.pool import PoolMetrics
from poolserver.mining.share import ShareOutcome
from poolserver.stats.meters import MeterName
from tests.unit.coordinating import coordinator, metered
from tests.unit.counters import worker_counters
from tests.unit.ledger.strategies import encode
from tests.unit.solving import template


class Unlooked(dict[MeterName, bytes]):
    """Who goes through it goes through 10,000 workers."""

    def _refuse(self) -> Any:
        raise AssertionError("a scrape looks at each worker")

    def __iter__(self) -> Iterator[MeterName]:
        return cast(Iterator[MeterName], self._refuse())

    def keys(self) -> Any:
        self._refuse()

    def values(self) -> Any:
        self._refuse()

    def items(self) -> Any:
        self._refuse()


def test_a_scrape_looks_at_no_worker(tmp_path: Path) -> None:
    pool = coordinator(tmp_path)
    meters = metered(pool)
    totals = ShareTotals(10**15, 10**15, 10**30, [1, *[0] * 9], best_hash=1 << 200)
    shares = [(WorkerKey("hall", "alice", f"alice.{n}"), totals) for n in range(100)]
    meters.declare("alice", "alice.1", 900.0)
    meters.update(meters.judged(shares), 950.0)
    for level in (meters.workers, meters.accounts):
        level.states = Unlooked(level.states)
    registry = CollectorRegistry()
    registry.register(PoolMetrics(pool, "regtest"))
    text = generate_latest(registry).decode()
    assert 'poolserver_site_hashrate_hashes_per_second{site="hall",window="7d"}' in text
    assert "alice" not in text
    view = pool.site_views()[0]
    assert view.reading == pool.pool_view().reading


async def test_work_of_before_a_crash_is_booked_where_the_rig_was(tmp_path: Path) -> None:
    """The journal is ahead of the books; what the rig told is known before it is read."""
    first = coordinator(tmp_path)
    await first.keeper.open()
    news = RigNews("alice.1", "alice", "10.0.0.1", "x", "Antminer S19 XP", None, None, 4.0, 1)
    first.receive(RigsChanged("pool-1/0/1", (news,)))
    await first.room.close()
    await first.keeper.close()

    segment = SegmentId("pool-1/0/1", 1, 0)
    records: list[Record] = [
        WorkerRecord(1, 1, "alice", "alice.1"),
        ShareRecord(1, ShareOutcome.ACCEPTED, True, 1, 1_750_000_000_000, 10**12, bytes(32)),
    ]
    path = tmp_path / "var" / "journal" / segment.file_name
    path.write_bytes(encode_header(segment) + encode(1, records))

    again = coordinator(tmp_path)
    await again.keeper.open()
    assert again.totals.energy_j("hall") == 21  # 21.5 J/TH by what it told, and not 17.5
    assert again.room.rigs.known("alice.1") is not None
    await again.room.close()
    await again.keeper.close()


async def test_before_the_books_are_open_templates_go_down_and_no_plan_is_made(
    tmp_path: Path,
) -> None:
    """With an empty window of shares all would be the operator's."""
    pool = coordinator(tmp_path)
    sent: list[object] = []
    planned: list[object] = []

    class Source:
        async def run(self, on_template: Any, on_confirmed: Any, on_outdated: Any) -> None:
            on_template(template(), 1000.0)
            await asyncio.Event().wait()

    class Down:
        def send(self, message: object) -> None:
            sent.append(message)

    anything: Any = pool
    anything._source, anything._down = Source(), Down()
    anything.paymaster.on_template = planned.append
    pool.watch()
    await pool.has_template.wait()
    assert [type(message).__name__ for message in sent] == ["TemplateUpdate"]
    assert planned == []
    await pool.stop()  # though it was never started
    assert not (tmp_path / "var" / "ledger.sqlite").exists()
    await pool.start()
    assert planned == [template()]
    await pool.stop()


def test_with_a_worker_go_its_gauges_and_its_rigs_and_its_counts_stay(tmp_path: Path) -> None:
    pool = coordinator(tmp_path)
    news = RigNews("alice.1", "alice", "10.0.0.1", "x", "", None, None, 4.0, 1)
    pool.receive(RigsChanged("pool-1/0/1", (news,)))
    pool.receive(worker_counters(source="pool-1/0/1", malformed=3, journal_failed=True))
    assert pool.room._is_at_fault
    pool.receive(WorkerEnded("pool-1/0/1"))
    assert not pool.room._is_at_fault
    assert (len(pool.workers), pool.tally.counts().malformed) == (0, 3)
    assert pool.room.rigs._rigs["alice.1"].sessions == 0
    assert pool.keeper._is_to_read
    assert pool.not_ready_because() is not None


def test_a_worker_that_comes_may_have_gone_on_alone_so_the_journal_is_read(tmp_path: Path) -> None:
    pool = coordinator(tmp_path)
    pool.receive(WorkerStarted("pool-1/0/1", (3333,)))
    assert pool.keeper._is_to_read


def test_rigs_that_went_while_their_worker_was_not_heard_are_gone(tmp_path: Path) -> None:
    pool, source = coordinator(tmp_path), "pool-1/0/1"
    rigs = [
        RigNews(f"alice.{n}", "alice", "10.0.0.1", "x", "", None, None, 4.0, 1) for n in range(2)
    ]
    pool.receive(WorkerStarted(source, (3333,)))
    pool.receive(RigsChanged(source, tuple(rigs)))
    pool.receive(WorkerStarted(source, (3333,)))  # its link broke
    pool.receive(RigsChanged(source, (rigs[0],), is_all=True))
    assert [rig.sessions for rig in pool.room.rigs._rigs.values()] == [1, 0]


def test_a_block_that_a_node_took_is_told_to_all_workers(tmp_path: Path) -> None:
    pool = coordinator(tmp_path)
    sent: list[Down] = []
    pool._down = SimpleNamespace(send=sent.append)
    for state in ("found", "accepted"):
        pool.receive(BlockEvent("pool-1/0/1", "ab" * 32, 101, "alice.1", state, "", 1))
    assert sent == [OurBlock("ab" * 32)]
