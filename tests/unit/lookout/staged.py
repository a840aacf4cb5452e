"""An overview of a coordinator that mines nothing by itself."""

from pathlib import Path

from poolserver.coordinator import Coordinator
from poolserver.crew import berths as berth_events
from poolserver.crew.berths import Berths
from poolserver.handover.reload import ReloadFacts
from poolserver.ledger.totals import ShareTotals, WorkerKey
from poolserver.lookout.overview import Life, Overview
from poolserver.node.group import NodeFigures
from tests.unit.coordinating import coordinator, metered
from tests.unit.counters import node_group, worker_counters
from tests.unit.solving import template

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


def mine(pool: Coordinator) -> None:
    pool.template, pool.template_at = template(), 1000.0
    pool.receive(worker_counters(rigs={"alice": 3, "bob": 1}, connections=4))
    totals = ShareTotals(10**15, 10**15, 10**30, [10, *[0] * 9], best_hash=1 << 200)
    pool.totals.add({"hall": totals}, {})
    meters = metered(pool)
    meters.declare("alice", "alice.1", 900.0)
    meters.update(meters.judged([(WorkerKey("hall", "alice", "alice.1"), totals)]), 990.0)
