"""The whole pool under load, from socket to ledger: processor time a share, and answers a second.

    python -m bench.whole [--seconds 5] [--runs 3] [--workers N] [--against CHECKOUT]

Pool, made-up node and simulated rigs are processes of their own; shares were solved before, each
has a fresh extranonce2, and everything is on, with a scrape of /metrics each second. The rigs are
in Python and cost about as much as the pool: shares a second are what both manage side by side.
``--against`` runs another checkout by turns with this one.
"""

import argparse
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.stage.pool import REPOSITORY, RunningPool, running_pool

# Rows of the table in docs/performance.md.
LOADS: dict[str, tuple[object, ...]] = {
    "100 rigs, 1 outstanding": ("--rigs", 100, "--window", 1, "--presolve", 600),
    "100 rigs, 8 outstanding": ("--rigs", 100, "--window", 8, "--presolve", 1200),
    "1,000 rigs, 1 outstanding": ("--rigs", 1000, "--window", 1, "--presolve", 60),
    "1,000 rigs, 5,000 shares/s": ("--rigs", 1000, "--rate", 5000),
}
COLUMNS = ("us_per_share", "user_us", "system_us", "shares_per_s", "p50_ms", "p99_ms", "longest_ms")


def measure(
    pool: RunningPool, options: Sequence[object], seconds: float, **calls: Callable[[], object]
) -> dict[str, Any]:
    """One load, with a scrape a second; ``calls`` see ``RunningPool.load``."""
    ended = threading.Event()

    def scrape() -> None:
        while not ended.wait(1.0):
            pool.get("/metrics")

    scraping = threading.Thread(target=scrape)
    scraping.start()
    try:
        return pool.load(*options, "--seconds", seconds, **calls)
    finally:
        ended.set()
        scraping.join()


def report(title: str, results: Sequence[dict[str, Any]]) -> None:
    """The medians of some runs, as a row."""
    figures = (median(each[column] for each in results) for column in COLUMNS)
    rejects = {why: times for each in results for why, times in each["rejects"].items()}
    print(f"{title:40}" + "".join(f"{each:>14,.6g}" for each in figures), rejects or "", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=0, help="worker processes of the pool")
    parser.add_argument("--against", type=Path, help="another checkout, by turns")
    parser.add_argument("--only", default="", help="loads with this in their name")
    given = parser.parse_args()
    checkouts = [REPOSITORY, *([given.against.resolve()] if given.against else [])]
    top = f"workers = {given.workers}" if given.workers else ""
    print(f"{'median of ' + str(given.runs):40}" + "".join(f"{each:>14}" for each in COLUMNS))
    for title, options in LOADS.items():
        if given.only not in title:
            continue
        results: dict[Path, list[dict[str, Any]]] = {each: [] for each in checkouts}
        for _ in range(given.runs):
            for checkout in checkouts:
                with running_pool(top=top, checkout=checkout) as pool:
                    results[checkout].append(measure(pool, options, given.seconds))
        for checkout in checkouts:
            other = "" if checkout == REPOSITORY else f" ({checkout.name})"
            report(title + other, results[checkout])
    return 0


if __name__ == "__main__":
    sys.exit(main())
