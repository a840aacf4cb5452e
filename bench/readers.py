"""How long shares wait while many read the API and ask again at once, and how much those are given.

    python -m bench.readers [--clients 0,64] [--names 20000] [--rate 500] [--seconds 10]
        [--runs 3] [--against CHECKOUT]

Readers, see ``bench.stage.readers``, are a process of their own; 100 rigs send shares at even times
(open loop) and time them from then. *Names* are workers in the list of rigs. "late" is how late the
pool's loop was by its own doing, without the time in which it had no core: see
``bench.stage.probe``. ``--against`` runs another checkout by turns with this one.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bench.growth import make_known
from bench.stage.pool import REPOSITORY, RunningPool
from bench.stage.probed import Probed, probed_pool

SETTLE_S = 2.0
COLUMNS = (
    "p50_ms",
    "p99_ms",
    "p999_ms",
    "lag_p99_ms",
    "lag_longest_ms",
    "read_per_s",
    "refused_per_s",
    "read_p50_ms",
    "read_p99_ms",
)


@contextmanager
def reading(pool: RunningPool, clients: int, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    """Readers at work; at the end they tell what they got."""
    options = (pool.http_port, "--clients", clients, "--seconds", seconds)
    command = [sys.executable, "-m", "bench.stage.readers", *map(str, options)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def measure(
    pool: RunningPool, probe: Probed, clients: int, rate: float, seconds: float
) -> dict[str, Any]:
    """Shares and readers beside each other."""
    options = ("--rigs", 100, "--rate", rate, "--settle", SETTLE_S, "--seconds", seconds)
    with reading(pool, clients, SETTLE_S + seconds) as process:
        seen = pool.load(*options, begin=probe.begin, end=probe.end)
        assert process.stdout is not None
        read = json.loads(process.stdout.readline())
    found = probe.take()
    answers = {f"read_{name}": read[name] for name in ("per_s", "p50_ms", "p99_ms")}
    return {**seen, **found, **answers, "refused_per_s": read["refused_per_s"]}


def report(title: str, results: list[dict[str, Any]]) -> None:
    """The medians of some runs, as a row."""
    figures = (median(each[column] for each in results) for column in COLUMNS)
    print(f"{title:30}" + "".join(f"{each:>14,.5g}" for each in figures), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", default="0,64")
    parser.add_argument("--names", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--against", type=Path, help="another checkout, by turns")
    parser.add_argument("--pauses", action="store_true", help="name what ran in the longest ones")
    given = parser.parse_args()
    checkouts = [REPOSITORY, *([given.against.resolve()] if given.against else [])]
    print(f"{'median of ' + str(given.runs):30}" + "".join(f"{each:>14}" for each in COLUMNS))
    clients = [int(each) for each in given.clients.split(",")]
    results: dict[tuple[int, Path], list[dict[str, Any]]] = {}
    for _ in range(given.runs):
        for checkout in checkouts:
            with probed_pool(checkout=checkout) as (pool, probe):
                make_known(pool, given.names)
                for each in clients:
                    found = measure(pool, probe, each, given.rate, given.seconds)
                    results.setdefault((each, checkout), []).append(found)
                    if given.pauses:
                        print(json.dumps(found, indent=1), file=sys.stderr)
    for each in clients:
        for checkout in checkouts:
            other = "" if checkout == REPOSITORY else f" ({checkout.name})"
            report(f"{each} readers{other}", results[each, checkout])
    return 0


if __name__ == "__main__":
    sys.exit(main())
