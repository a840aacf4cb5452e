"""A scrape of a pool that has something of everything that metrics are made of."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector as MetricCollector

from poolserver.config.metrics import MetricsConfig
from poolserver.control_room.view import PowerView, power_view
from poolserver.coordinator import Coordinator
from poolserver.crew.berths import Berths
from poolserver.crew.tally import Tally
from poolserver.handover.reload import ReloadFacts
from poolserver.histogram import QUICK_S, Histogram
from poolserver.ledger.audit import SignedDay
from poolserver.ledger.auditor import Auditor
from poolserver.ledger.blocks import BlockBook
from poolserver.ledger.rewards import Rewards
from poolserver.ledger.totals import Earning, ShareTotals, Totals, WorkerKey
from poolserver.metrics.audit import AuditMetrics
from poolserver.metrics.crew import CrewMetrics
from poolserver.metrics.http import HttpMetrics
from poolserver.metrics.nodes import NodeMetrics, ProposalMetrics, RpcMetrics
from poolserver.metrics.pool import PoolMetrics
from poolserver.metrics.power import PowerSeries
from poolserver.metrics.process import DiskMetrics, ProcessMetrics
from poolserver.metrics.reloads import ReloadMetrics
from poolserver.metrics.signals import BusMetrics, ReadingSeries
from poolserver.metrics.workers import WorkerSeries
from poolserver.mining.payout import PayoutPlan
from poolserver.mining.share import ShareOutcome
from poolserver.node.group import NodeFigures
from poolserver.power.readings import MeterBook, MeterSpec
from poolserver.power.state import (
    EffectiveLimit,
    Limit,
    LimitKind,
    MeterState,
    NodePower,
    Quality,
    Readings,
)
from poolserver.power.tree import PowerNode, PowerTree
from poolserver.power.uncertain import Uncertain
from poolserver.process_watch import ProcessWatch
from poolserver.sites import PoolView, SiteView
from poolserver.stats.meter import Hashrates, Reading, Rejects
from poolserver.stats.meters import Meters
from tests.unit.counters import node_group, worker_counters

READING = Reading(Hashrates(*[1.0] * 7), Hashrates(*[1.0] * 7), (Rejects(0.0, 0.0),) * 2, 1.0)


def a_power_view() -> PowerView:
    """A site with a limit and a meter, and all that it can show."""
    meter = MeterState("m", Quality.GOOD, power_w=1.0, at_s=1.0)
    hall = NodePower("hall", meter=meter, residual_w=Uncertain(1.0), hashrate_h_s=Uncertain(1e12))
    limits = {"hall": EffectiveLimit(1, (Limit("hall", LimitKind.PHYSICAL, 1, "site"),))}
    readings = Readings({"hall": hall}, limits, limits)
    tree = PowerTree([PowerNode("hall", "site")])
    return power_view(tree, readings, at_s=0.0, mode="observe", state="within", intended=())


class FakeCoordinator:
    """Has something of everything that metrics are made of."""

    def __init__(self) -> None:
        self.totals = Totals({"hall": ShareTotals(shares=[1] * len(ShareOutcome))})
        self.template = SimpleNamespace(height=1)
        rewards = Rewards()
        rewards.luck.earned["hall", 0x207FFFFF] = Earning(2, 2)
        self.keeper = SimpleNamespace(
            blocks=BlockBook(),
            rewards=rewards,
            saves=Histogram(QUICK_S),
            stuck=(),
            lag_s=lambda: 0.0,
            unsaved_s=lambda: 0.0,
        )
        self.room = SimpleNamespace(energy_closed_until_s=3600)
        self.is_clock_wrong = False
        self.paymaster = SimpleNamespace(plan=PayoutPlan(b"\x51"), holds_debts=False)
        self.tally = Tally()
        self.tally.take(worker_counters())
        self.workers = self.tally.living

    def not_ready_because(self) -> str | None:
        return None

    def template_age_s(self) -> float:
        return 1.0

    def site_views(self) -> list[SiteView]:
        return [SiteView("hall", 1, 1, READING, 1.0, 0, 1)]

    def pool_view(self) -> PoolView:
        return PoolView(READING, 1.0)


class Written(MetricCollector):
    """Families that are written as lines, and are none of the client's."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._text = b"".join(lines).decode()

    def collect(self) -> Iterator[Metric]:
        yield from text_string_to_metric_families(self._text)


def worker_series() -> WorkerSeries:
    """A worker and its account."""
    meters = Meters(lambda account: "hall")
    meters.declare("a", "a.rig", 0.0)
    sums = ShareTotals(proven_work=1, proven_work_sq=1, shares=[1] * len(ShareOutcome))
    meters.update(meters.judged([(WorkerKey("hall", "a", "a.rig"), sums)]), 1.0)
    return WorkerSeries(meters, MetricsConfig(workers="all"), lambda: 2.0)


def full_registry() -> CollectorRegistry:
    """Every family has a sample."""
    registry = CollectorRegistry()
    rpc = RpcMetrics()
    rpc.observe("getblocktemplate", 0.1, "timeout")
    registry.register(rpc)
    coordinator = FakeCoordinator()
    registry.register(PoolMetrics(cast(Coordinator, coordinator), "regtest"))
    registry.register(ProcessMetrics(ProcessWatch(), coordinator.tally))
    registry.register(DiskMetrics(Path(__file__).parent))
    facts = SimpleNamespace(config_sha256="ab", counts=Counter())
    registry.register(ReloadMetrics(cast(ReloadFacts, facts)))
    http = HttpMetrics(lambda: 1)
    http.observe("GET /metrics", 200, 0.001)
    registry.register(http)
    registry.register(Written(worker_series().lines(generate_latest)))
    registry.register(ProposalMetrics({}))
    last = SignedDay(20_000, 1, b"", b"", b"", b"", 1)
    registry.register(AuditMetrics(cast(Auditor, SimpleNamespace(last=last))))
    registry.register(CrewMetrics(Berths(1)))
    figures = NodeFigures("a", True, True, True, 1, 0, 8, 0.1, 1.0)
    registry.register(NodeMetrics(node_group(figures=lambda: [figures])))
    bus = SimpleNamespace(is_connected=True, outcomes={("meter", "taken"): 1})
    meters = MeterBook([MeterSpec("t2", 1)])
    meters.fault("t2", "", 0.0)
    registry.register(BusMetrics(bus))
    registry.register(Written(ReadingSeries(meters).lines(generate_latest)))
    registry.register(Written(PowerSeries(a_power_view).lines(generate_latest)))
    return registry
