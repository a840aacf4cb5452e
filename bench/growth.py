"""What grows with rigs and with names: processor time a share, memory, answers, and a scrape.

    python -m bench.growth [--connections 1000,5000,15000] [--names 1000,10000,100000]
        [--rate 5000] [--seconds 10]

At the same rate of shares in all. *Names* are workers that have each had a share: they are in the
meters, the books, the book of rigs and the estimate of power, and most are not connected any more.
A scrape of /metrics is timed, and beside it how long the pool's loop stood still by itself.
"""

import argparse
import sys
import time

from bench.stage.pool import RunningPool
from bench.stage.probed import Probed, probed_pool

PROXIES = 100
SCRAPES = 10
COOL_S = 3.0
THREADS = ("loop", "ledger-fold", "power", "ledger-store", "journal-sync")


def make_known(pool: RunningPool, names: int) -> None:
    """Each works for one share, on connections of many, which leave."""
    if names:
        each = max(1, names // PROXIES)
        pool.load(
            *("--rigs", PROXIES, "--names-each", each, "--shares-each", each),
            *("--prefix", "known"),
        )
        time.sleep(COOL_S)


def scrape(pool: RunningPool, probe: Probed) -> tuple[float, float, float]:
    """Milliseconds: of the median scrape, of the longest, and of the loop's longest pause."""
    probe.begin()
    took = []
    for _ in range(SCRAPES):
        began = time.perf_counter()
        pool.get("/metrics")
        took.append(1000 * (time.perf_counter() - began))
        time.sleep(0.1)
    probe.end()
    return sorted(took)[SCRAPES // 2], max(took), probe.take()["lag_longest_ms"]


def row(connections: int, names: int, rate: float, seconds: float) -> None:
    """A pool of its own for each."""
    with probed_pool() as (pool, probe):
        make_known(pool, names)
        options = ("--rigs", connections, "--rate", rate, "--settle", COOL_S, "--seconds", seconds)
        seen = pool.load(*options, begin=probe.begin, end=probe.end)
        found = probe.take()
        time.sleep(COOL_S)
        scraped = scrape(pool, probe)
    rest = {name: each for name, each in found["threads"].items() if name != "probe"}
    rate = seen["shares_per_s"] * found["seconds"]
    by_thread = "".join(f"{1e6 * rest.get(name, 0) / rate:>8.1f}" for name in THREADS)
    print(
        f"{connections:>7,}{names:>9,}{1e6 * sum(rest.values()) / rate:>10.1f}{by_thread}"
        f"{seen['memory_kib'] / 1024:>8.0f}{seen['p50_ms']:>8.1f}{seen['p99_ms']:>8.1f}"
        f"{found['lag_p99_ms']:>8.1f}{found['lag_longest_ms']:>8.1f}"
        f"{scraped[0]:>9.1f}{scraped[1]:>8.1f}{scraped[2]:>8.1f}",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", default="1000,5000,15000")
    parser.add_argument("--names", default="0,10000,100000")
    parser.add_argument("--rate", type=float, default=5000)
    parser.add_argument("--seconds", type=float, default=10)
    given = parser.parse_args()
    print(
        f"{'rigs':>7}{'known':>9}{'us/share':>10}{'loop':>8}{'fold':>8}{'power':>8}{'store':>8}"
        f"{'syncs':>8}{'MiB':>8}"
        f"{'p50 ms':>8}{'p99':>8}{'lag p99':>8}{'longest':>8}{'scrape':>9}{'longest':>8}{'loop':>8}"
    )
    connections = [int(each) for each in given.connections.split(",")]
    for names in map(int, given.names.split(",")):
        row(connections[0], names, given.rate, given.seconds)
    for rigs in connections[1:]:
        row(rigs, 0, given.rate, given.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
