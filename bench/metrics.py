"""A scrape with very many series: how long it takes, and how long the event loop waits meanwhile.

    python -m bench.metrics [--workers 100000] [--nodes 10000] [--runs 5]

The HTTP server is the pool's, over loopback, read by a thread in this process. "loop waits" is the
longest that a timer of a millisecond was late while a scrape went on.
"""

import argparse
import asyncio
import time
import urllib.request
from collections.abc import Callable, Iterator
from statistics import median

from prometheus_client import CollectorRegistry

from poolserver.api.http import HttpServer
from poolserver.collector import Collector
from poolserver.config.metrics import MetricsConfig
from poolserver.control_room.view import PowerView, power_view
from poolserver.event_loop import run_async
from poolserver.ledger.totals import ShareTotals, WorkerKey
from poolserver.metrics.workers import WorkerSeries
from poolserver.mining.share import ShareOutcome
from poolserver.power.state import NodePower, Readings
from poolserver.power.tree import PowerNode, PowerTree
from poolserver.stats.meters import Meters

TICK_S = 0.001


def crowd(count: int) -> Meters:
    """Workers that have each sent some shares, no two alike, and in other seconds."""
    meters = Meters(lambda account: "hall", max_names=count)
    for number in range(count):
        account = f"account{number // 100:04d}"
        sums = ShareTotals(proven_work=number * 10**12, proven_work_sq=number * 10**24)
        sums.shares[ShareOutcome.ACCEPTED] = 3
        worker = f"{account}.container-07-rack-{number:06d}"
        meters.declare(account, worker, 0.0)
        shares = meters.judged([(WorkerKey("hall", account, worker), sums)])
        meters.update(shares, 3600.0 + number * 60 / count)
    return meters


def hall(count: int) -> PowerView:
    """A flat tree, each node with all figures that need no meter."""
    nodes = [PowerNode(f"n{number:05d}", "rack") for number in range(count)]
    readings = Readings({node.path: NodePower(node.path) for node in nodes}, {}, {})
    tree = PowerTree(nodes)
    return power_view(tree, readings, at_s=0.0, mode="observe", state="within", intended=())


async def scrape(
    views: CollectorRegistry, more: Callable[[], Iterator[bytes]] | None, runs: int
) -> tuple[float, float, int]:
    """Seconds of a scrape, the longest wait of the loop, and bytes; medians."""
    server = HttpServer(CollectorRegistry(), lambda: None, (), views, more)
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
    return median(took), median(late), size


async def measure(workers: int, nodes: int, runs: int) -> None:
    meters = crowd(workers)
    Collector().start(time.monotonic())  # as in the pool
    nothing = CollectorRegistry()
    print(f"{'':40}{'made, ms':>12}{'scrape, ms':>12}{'loop waits':>12}{'MB':>8}")

    def row(title: str, made_s: float, scraped: tuple[float, float, int]) -> None:
        took_s, late_s, size = scraped
        figures = (made_s * 1e3, took_s * 1e3, late_s * 1e3)
        print(f"{title:40}" + "".join(f"{each:12.1f}" for each in figures) + f"{size / 1e6:8.1f}")

    for title, config in (
        (f"{workers:,} workers, all", MetricsConfig(workers="all")),
        (f"{workers:,} workers, top 100", MetricsConfig(workers="top")),
    ):
        series = WorkerSeries(meters, config, lambda: 3700.0)
        list(series.pieces())  # the labels are made once
        made = []
        for _ in range(runs):
            began_s = time.perf_counter()
            for _piece in series.pieces():
                pass
            made.append(time.perf_counter() - began_s)
        row(title, median(made), await scrape(nothing, series.pieces, runs))
    view, views = hall(nodes), CollectorRegistry()
    views.register(PowerMetrics(lambda: view))
    row(f"{nodes:,} nodes of the power tree", 0.0, await scrape(views, None, runs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=100_000)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    run_async(measure(options.workers, options.nodes, options.runs))


if __name__ == "__main__":
    main()
