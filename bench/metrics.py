"""A scrape with very many series: what it costs, and how long the event loop waits meanwhile.

    python -m bench.metrics [--workers 100000] [--nodes 10000] [--sites 100] [--runs 5]

"loop" is the processor time on the event loop, before the first line; "thread" that of all lines,
in a thread; "memory" the most that is allocated at once meanwhile, and given up behind it. "in all"
is until a reader over loopback, a thread in this process, has it, and "waits" the longest that a
timer of a millisecond was late meanwhile: the least of all runs, since others' work only adds.
"""

import argparse
import asyncio
import time
import tracemalloc
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain
from statistics import median
from typing import NamedTuple, cast

from prometheus_client import CollectorRegistry, generate_latest

from poolserver.api.http import HttpServer
from poolserver.collector import Collector
from poolserver.config import SiteConfig
from poolserver.config.metrics import MetricsConfig
from poolserver.control_room.view import PowerView, power_view
from poolserver.coordinator import Coordinator
from poolserver.event_loop import run_async
from poolserver.ledger.totals import Earning, ShareTotals, WorkerKey
from poolserver.metrics.lines import Encoder
from poolserver.metrics.pool import PoolMetrics
from poolserver.metrics.power import PowerSeries
from poolserver.metrics.signals import ReadingSeries
from poolserver.metrics.workers import WorkerSeries
from poolserver.mining.share import ShareOutcome
from poolserver.power.readings import MeterBook
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
from poolserver.sites import PoolView, Sites, SiteView
from poolserver.stats.meters import Meters
from tests.unit.metrics.full_stage import FakeCoordinator
from tests.unit.share_counts import share_counts

TICK_S = 0.001


def crowd(count: int) -> Meters:
    """Workers that have each sent some shares, no two alike, and in other seconds."""
    meters = Meters(lambda account: "hall", max_names=count)
    for number in range(count):
        account = f"account{number // 100:04d}"
        accepted = share_counts({ShareOutcome.ACCEPTED: 3})
        sums = ShareTotals(number * 10**12, number * 10**24, shares=accepted)
        worker = f"{account}.container-07-rack-{number:06d}"
        meters.declare(account, worker, 0.0)
        shares = meters.judged([(WorkerKey("hall", account, worker), sums)])
        meters.update(shares, 3600.0 + number * 60 / count)
    return meters


def hall(count: int) -> tuple[PowerView, MeterBook]:
    """A flat tree, each node with all that it can show, and a meter of its own that was read."""
    nodes = [PowerNode(f"n{number:05d}", "rack") for number in range(count)]
    meters = MeterBook([])
    limits = {
        node.path: EffectiveLimit(20_000, (Limit(node.path, LimitKind.PHYSICAL, 20_000, "site"),))
        for node in nodes
    }
    powers = {}
    for number, node in enumerate(nodes):
        watts = Uncertain(14_000 + number / 7, 1000 / 3)
        powers[node.path] = NodePower(
            node.path,
            hashrate_h_s=Uncertain(8e14 + number * 1e9, 1e24),
            estimated_w=watts,
            mining_w=watts,
            ai_w=number / 3,
            total_w=watts,
            meter=MeterState(f"pdu-{node.path}", Quality.GOOD, power_w=watts.value),
            residual_w=Uncertain(number / 11 - 100),
        )
        for quality in (Quality.GOOD, Quality.STALE):
            meters.counts[f"pdu-{node.path}", quality] = 1000 + number
    readings = Readings(powers, limits, limits)
    tree = PowerTree(nodes)
    view = power_view(tree, readings, at_s=0.0, mode="observe", state="within", intended=())
    return view, meters


class Programme(FakeCoordinator):
    """Many sites that have mined over some changes of the difficulty."""

    def __init__(self, count: int) -> None:
        super().__init__()
        names = [f"site{number:04d}" for number in range(count)]
        self._sites = Sites(
            SiteConfig(name=name, accounts=(name,), budget_mw=Fraction(20)) for name in names
        )
        meters = self._sites.meters
        for number, name in enumerate(names):
            sums = ShareTotals(10**15 + number, 10**28, shares=[1] * len(ShareOutcome))
            self.totals.sites[name] = sums
            meters.declare(name, f"{name}.rig", 0.0)
            key = WorkerKey(name, name, f"{name}.rig")
            meters.update(meters.judged([(key, sums)]), 10.0)
            for period in range(26):  # a year
                self.keeper.rewards.luck.earned[name, 0x17034219 - period] = Earning(10**21, 10**29)

    def site_views(self) -> list[SiteView]:
        return self._sites.views(self.totals, [], 100.0)

    def pool_view(self) -> PoolView:
        return self._sites.pool_view(self.totals, 100.0)


class Scraped(NamedTuple):
    """What is scraped: families that are read on the loop, and lines that are made in a thread."""

    title: str
    registry: CollectorRegistry = CollectorRegistry()
    more: Callable[[Encoder], Iterator[bytes]] = lambda encode: iter(())


class Cost(NamedTuple):
    """Of a scrape."""

    loop_s: float
    thread_s: float
    memory_bytes: int
    took_s: float
    waits_s: float
    size: int


async def scrape(server: HttpServer, runs: int) -> tuple[float, float, int]:
    """Seconds until a reader has it, the longest wait of the loop, and bytes."""
    port = await server.start("127.0.0.1", 0)
    late_s = 0.0

    async def tick() -> None:
        nonlocal late_s
        while True:
            due_s = time.monotonic() + TICK_S
            await asyncio.sleep(TICK_S)
            late_s = max(late_s, time.monotonic() - due_s)

    def read() -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            size = 0
            while piece := answer.read(1 << 20):
                size += len(piece)
            return size

    ticking = asyncio.create_task(tick())
    took, late, size = [], [], 0
    for _ in range(runs):
        late_s, began_s = 0.0, time.perf_counter()
        size = await asyncio.to_thread(read)
        took.append(time.perf_counter() - began_s)
        late.append(late_s)
    ticking.cancel()
    await server.stop()
    return min(took), min(late), size


async def cost_of(scraped: Scraped, runs: int) -> Cost:
    """All of it, by turns."""
    server = HttpServer(scraped.registry, lambda: None, more=scraped.more)
    loop, thread = [], []
    for _ in range(runs + 1):  # once for nothing: modules, and the labels of histograms
        began_s = time.thread_time()
        families = list(scraped.registry.collect())
        read_s = time.thread_time()
        for _piece in server._pieces(generate_latest, families):
            pass
        loop.append(read_s - began_s)
        thread.append(time.thread_time() - read_s)
    tracemalloc.start()
    for _piece in server._pieces(generate_latest, list(scraped.registry.collect())):
        pass
    memory_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    over_loopback = await scrape(server, runs)
    return Cost(median(loop[1:]), median(thread[1:]), memory_bytes, *over_loopback)


def registry_of(coordinator: FakeCoordinator) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(PoolMetrics(cast(Coordinator, coordinator), "regtest"))
    return registry


def stages(workers: int, nodes: int, sites: int) -> Iterable[Scraped]:
    """What is scraped, one thing after the other."""
    meters = crowd(workers)
    for title, config in (
        (f"{workers:,} workers, all", MetricsConfig(workers="all")),
        (f"{workers:,} workers, top 100", MetricsConfig(workers="top")),
    ):
        yield Scraped(title, more=WorkerSeries(meters, config, lambda: 3700.0).lines)
    view, book = hall(nodes)
    power, readings = PowerSeries(lambda: view), ReadingSeries(book)
    yield Scraped(
        f"{nodes:,} power nodes with meters",
        more=lambda encode: chain(power.lines(encode), readings.lines(encode)),
    )
    for count in (1, sites):
        yield Scraped(f"the pool, {count:,} sites", registry_of(Programme(count)))
    yield Scraped("nothing")


async def measure(workers: int, nodes: int, sites: int, runs: int) -> None:
    Collector().start(time.monotonic())  # as in the pool
    columns = ("loop, ms", "thread, ms", "memory, MB", "in all, ms", "waits, ms", "MB")
    print(f"{'':32}" + "".join(f"{column:>12}" for column in columns))
    for scraped in stages(workers, nodes, sites):
        cost = await cost_of(scraped, runs)
        figures = (
            cost.loop_s * 1e3,
            cost.thread_s * 1e3,
            cost.memory_bytes / 1e6,
            cost.took_s * 1e3,
            cost.waits_s * 1e3,
            cost.size / 1e6,
        )
        print(f"{scraped.title:32}" + "".join(f"{each:12.1f}" for each in figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=100_000)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--sites", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    run_async(measure(options.workers, options.nodes, options.sites, options.runs))


if __name__ == "__main__":
    main()
