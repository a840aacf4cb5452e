"""What the hot functions cost, alone: the share check on each backend and on the Python twin.

    python -m bench.micro [--json]

The job is a usual one: 12 merkle branches (some 3,000 transactions) and a coinbase of 250 bytes,
which makes 45 SHA-256 blocks a share. Processor time of the best round, so that other processes on
the machine do not count.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from random import Random
from types import ModuleType

from poolserver import _native
from poolserver._native import twin

ROUNDS = 15
ROUND_S = 0.02  # long beside the clock's resolution, short enough for some rounds to be undisturbed

BRANCHES = 12
COINBASE_SIZES = (100, 12, 138)  # coinb1, extranonce, coinb2
NO_TARGET = bytes(32)


@dataclass(frozen=True, slots=True)
class Result:
    benchmark: str
    implementation: str
    value: float
    unit: str


Benchmark = Callable[[ModuleType], tuple[float, str]]
BENCHMARKS: dict[str, Benchmark] = {}


def benchmark(name: str) -> Callable[[Benchmark], Benchmark]:
    """Register a function that measures one implementation: it returns a value and its unit."""

    def register(function: Benchmark) -> Benchmark:
        BENCHMARKS[name] = function
        return function

    return register


@benchmark("share check")
def share_check(native: ModuleType) -> tuple[float, str]:
    coinb1, extranonce, coinb2 = map(Random(1).randbytes, COINBASE_SIZES)
    branch = tuple(Random(2).randbytes(32) for _ in range(BRANCHES))
    check = native.JobHasher(coinb1, coinb2, branch, bytes(32), 0x1D00FFFF, NO_TARGET).check

    def work(calls: int) -> None:
        for nonce in range(calls):
            check(extranonce, 0x20000000, 1763942400, nonce, NO_TARGET)

    return best_ns(work), "ns"


@benchmark("scan_nonces")
def scan_nonces(native: ModuleType) -> tuple[float, str]:
    header = Random(3).randbytes(80)
    return 1e3 / best_ns(lambda nonces: native.scan_nonces(header, 0, nonces, NO_TARGET)), "MH/s"


@benchmark("sha256d of a pair")
def sha256d_pairs(native: ModuleType) -> tuple[float, str]:
    return best_ns(lambda pairs: native.sha256d_pairs(bytes(64 * pairs))), "ns"


@benchmark("sha256d of a header")
def sha256d_header(native: ModuleType) -> tuple[float, str]:
    header = bytes(80)

    def work(calls: int) -> None:
        for _ in range(calls):
            native.sha256d(header)

    return best_ns(work), "ns"


def best_ns(work: Callable[[int], object]) -> float:
    """Nanoseconds of processor time per item of ``work(items)``, in the best round."""
    items = 64
    while _time_ns(work, items) < ROUND_S * 1e9:
        items *= 2
    return min(_time_ns(work, items) for _ in range(ROUNDS)) / items


def _time_ns(work: Callable[[int], object], items: int) -> int:
    begun_ns = time.process_time_ns()
    work(items)
    return time.process_time_ns() - begun_ns


def implementations() -> Iterator[tuple[str, ModuleType]]:
    """Each C backend while it is in use, then the twin."""
    if _native.IMPLEMENTATION == "c":
        best = _native.backend()
        for name in _native.BACKENDS:
            _native.set_backend(name)
            yield f"c:{name}", _native
        _native.set_backend(best)
    yield "python", twin


def run() -> list[Result]:
    """Every benchmark on every implementation."""
    return [
        Result(name, implementation, *measure(module))
        for implementation, module in implementations()
        for name, measure in BENCHMARKS.items()
    ]


def print_table(results: list[Result]) -> None:
    columns = list(dict.fromkeys(result.implementation for result in results))
    print(f"{'':28}" + "".join(f"{column:>14}" for column in columns))
    for name in BENCHMARKS:
        row = [result for result in results if result.benchmark == name]
        cells = "".join(f"{result.value:>14,.{_digits(result.value)}f}" for result in row)
        print(f"{f'{name} ({row[0].unit})':28}{cells}")


def _digits(value: float) -> int:
    return 0 if value >= 100 else 2


def main() -> None:
    parser = argparse.ArgumentParser(description="Microbenchmarks of the hot functions.")
    parser.add_argument("--json", action="store_true", help="print a JSON list, not a table")
    arguments = parser.parse_args()
    results = run()
    if arguments.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    else:
        print_table(results)


if __name__ == "__main__":
    main()
