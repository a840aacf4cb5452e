"""Where a share's processor time goes in the running pool, by part.

    python -m bench.parts [--rigs 100 --window 8] [--rate N] [--seconds 5]

The pool is sampled from outside with perf (Linux; ``kernel.perf_event_paranoid`` of 2 or less, or
root). A sample is counted for the function that it hit: of the kernel, of our C by what its name
says, of other libraries by which they are. Python's own interpreter is one part, since it runs all
that is in Python; ``bench/share.py`` has its steps. Threads beside the event loop are a part each.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bench.stage.pool import running_pool

FREQUENCY_HZ = 1999
SETTLE_S = 2.0
KERNEL = "kernel: sockets, journal, polling"
PYTHON = "Python, on the loop"
# Of our own C, by the beginnings of names; the first that fits.
OURS = (
    ("check: SHA-256d and targets", r"sha|hash_|share_hash|JobHasher|portable_|double_"),
    ("duplicates", r"share_set|ShareSet"),
    ("decode: framing, JSON, hex", r"read_submit|submit_|read_|skip_|next_|scan_|take_mark"),
    ("journal: records, CRC", r"journal|pack_|module_pack|append"),
    ("ledger: sums, meters", r"add_up|module_sum|update_meter|module_update|free_share_sums"),
    ("account: lane", r"lane|Lane|index_|get_work|let_go|drop_rig"),
    ("loop and reply: rigs' sockets", r"rig_|Rig|gather|after_sending|add_socket|remove_socket"),
)
LIBRARIES = (
    ("loop: uvloop", r"loop\.cpython"),
    ("decode: msgspec", r"_core\.cpython"),
    ("ledger: SQLite", r"sqlite"),
    (PYTHON, r"libpython|python3"),
)
SAMPLE = re.compile(r"^\s*(\d+)\s+[0-9a-f]+ (\S+) \((.*)\)$", re.MULTILINE)


def part_of(library: str, symbol: str) -> str:
    """What a function is counted for."""
    if library.startswith("[kernel") or library == "[unknown]":
        return KERNEL
    if "_sharecheck" in library:
        return next((part for part, names in OURS if re.match(names, symbol)), f"ours: {symbol}")
    return next((part for part, names in LIBRARIES if re.search(names, library)), "C library, rest")


def parts(samples: str, loop_thread: int) -> Counter[str]:
    """Samples by part."""
    return Counter(
        part_of(library, symbol) if int(thread) == loop_thread else "other threads"
        for thread, symbol, library in SAMPLE.findall(samples)
    )


def record(pid: int, seconds: float, path: Path) -> Iterator[str]:
    """First begin; then perf's samples: thread, address, symbol, library."""
    target = ("-e", "cpu-clock", "-F", str(FREQUENCY_HZ), "-o", str(path), "-p", str(pid))
    command = ["perf", "record", *target, "--", "sleep", str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield ""
        process.wait()
    yield subprocess.run(
        ["perf", "script", "-i", str(path), "-F", "tid,ip,sym,dso"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rigs", type=int, default=100)
    parser.add_argument("--window", type=int, default=8)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--seconds", type=float, default=5)
    given = parser.parse_args()
    how = ("--rate", given.rate) if given.rate else ("--window", given.window, "--presolve", 800)
    options = ("--rigs", given.rigs, *how, "--settle", SETTLE_S, "--seconds", given.seconds)
    with tempfile.TemporaryDirectory() as folder, running_pool() as pool:
        path = Path(folder) / "perf.data"
        recording = record(pool.pid, given.seconds, path)
        measured = pool.load(*options, begin=lambda: next(recording))
        samples = next(recording)
        found = parts(samples, pool.pid)
    us_per_share = measured["us_per_share"]
    print(f"{us_per_share:6.2f} us a share, {measured['shares_per_s']:,} shares/s")
    for part, hits in found.most_common():
        of_all = hits / found.total()
        print(f"{us_per_share * of_all:6.2f} us {of_all:6.1%}  {part}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
