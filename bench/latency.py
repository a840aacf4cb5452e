"""How long shares wait for their answers while everything else goes on, and what they wait for.

    python -m bench.latency [--rigs 1000] [--rate 5000] [--seconds 20] [--arenas 1]

Shares are due at even times (open loop) and timed from then. A new template of 4 MB comes every
three seconds and every third one is on a new tip; the ledger is saved every five seconds instead of
ten, and /metrics is scraped each second. A probe in the pool names what ran while its loop stood
still.
"""

import argparse
import sys
from typing import Any

from bench.stage.probed import probed_pool
from bench.whole import measure

TEMPLATES = ("--template-every", 3, "--tip-every", 9)
SAVES = "[ledger]\nsave_interval_s = 5\n"
SETTLE_S = 3.0
TOLD = 12


def report(seen: dict[str, Any], found: dict[str, Any]) -> None:
    """As lines for people."""
    print(
        f"{seen['shares_per_s']:,} shares/s, {seen['us_per_share']} us each, "
        f"{seen['memory_kib'] / 1024:.0f} MiB; answers within p50 {seen['p50_ms']}, "
        f"p99 {seen['p99_ms']}, p99.9 {seen['p999_ms']}, longest {seen['longest_ms']} ms; "
        f"rejects {seen['rejects']}"
    )
    print(
        f"the loop was late by itself: p99 {found['lag_p99_ms']:.2f}, "
        f"longest {found['lag_longest_ms']:.1f} ms"
    )
    rate = seen["shares_per_s"] * found["seconds"]
    for name, worked_s in sorted(found["threads"].items(), key=lambda each: -each[1]):
        print(f"  {1e6 * worked_s / rate:6.2f} us a share in the thread {name}")
    for generation, (times, total_s, longest_s) in sorted(found["collections"].items()):
        print(
            f"garbage collection {generation}: {times} times, {1000 * total_s:.0f} ms in all, "
            f"{1000 * longest_s:.1f} ms the longest"
        )
    print(
        "the longest pauses, ms, the time that it waited for a core besides, and what was at work:"
    )
    for late_s, without_core_s, names in found["pauses"][:TOLD]:
        what = "; ".join(f"{name} x{times}" for name, times in names.items())
        print(f"  {1000 * late_s:6.1f} + {1000 * without_core_s:5.1f}  {what}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rigs", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=5000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--arenas", type=int, help="malloc arenas of the C library")
    given = parser.parse_args()
    options = ("--rigs", given.rigs, "--rate", given.rate, "--settle", SETTLE_S)
    environment = {"MALLOC_ARENA_MAX": str(given.arenas)} if given.arenas else {}
    with probed_pool(node_options=TEMPLATES, more=SAVES, environment=environment) as (pool, probe):
        seen = measure(pool, options, given.seconds, begin=probe.begin, end=probe.end)
        report(seen, probe.take())
    return 0


if __name__ == "__main__":
    sys.exit(main())
