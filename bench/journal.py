"""What the share journal costs on the share path, and the fold behind it.

    python -m bench.journal

Prints nanoseconds a share: packing one record, appending it to the journal (as a session does)
and its part of the turn, which is the write and the call for a sync; then adding up and folding a
batch, of 100 workers with 15 shares each and of 10,000 workers with one. "together" is what a
share costs at 100 workers: appended, written and folded. Then the CPU time of reading and adding
up a whole file of 64 MiB, as a start does.
"""

import asyncio
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

from poolserver._native import pack_share, sum_shares
from poolserver.ledger.fold import Fold
from poolserver.ledger.held import INITIAL_BYTES, HeldRecords
from poolserver.ledger.journal import SEGMENT_BYTES, Journal
from poolserver.ledger.journal_reader import read_segments
from poolserver.ledger.records import (
    SHARE_SIZE,
    JournalBatch,
    WorkerRecord,
    decode_records,
    encode_worker,
)
from poolserver.ledger.segment import SegmentId, encode_header
from poolserver.mining.identity import WorkerIdentity
from poolserver.power.rating import Place, Rating, RatingSource

SHARES = 1_500  # 100 workers with 8 outstanding each: what a second's tenth brings
WORKERS = 100
MANY_WORKERS = 10_000
ROUNDS = 200
A_TURN = 30  # shares, of a busy loop
INTERVAL_MS = 900_000
WORK = 65_536 * 4_295_032_833  # one share of difficulty 65,536
UNIX_MS = 1_763_942_400_000
HASH_LE = bytes(range(32))
AT_THE_SITE = Place("site", Rating(Fraction(1), RatingSource.SITE_DEFAULT, ""), Fraction(1))
IDENTITY = WorkerIdentity("bench", 0, 1)


def run() -> dict[str, float]:
    """Nanoseconds a share, by step: the best of ROUNDS."""
    buffer = memoryview(bytearray(INITIAL_BYTES))
    few, many = batch_of(WORKERS, SHARES), batch_of(MANY_WORKERS, MANY_WORKERS)
    steps = {
        "pack_share": best(lambda: pack(buffer), SHARES),
        "append to memory": best(append_to_memory, SHARES),
        "journal, with writes": asyncio.run(journal_ns()),
        "decode_records": best(lambda: decode(few), SHARES),
        "sum, 100 workers": best(lambda: sum_up(few, WORKERS), SHARES),
        "sum, 10,000 workers": best(lambda: sum_up(many, MANY_WORKERS), MANY_WORKERS, 20),
        "fold, 100 workers": best(lambda: fold(few), SHARES),
        "fold, 10,000 workers": best(lambda: fold(many), MANY_WORKERS, 20),
    }
    return {**steps, "together": steps["journal, with writes"] + steps["fold, 100 workers"]}


def best(work: Callable[[], None], shares: int, rounds: int = ROUNDS) -> float:
    return min(time_ns(work) for _ in range(rounds)) / shares


def time_ns(work: Callable[[], None]) -> int:
    begun_ns = time.perf_counter_ns()
    work()
    return time.perf_counter_ns() - begun_ns


def pack(buffer: memoryview) -> None:
    offset = 0
    for sequence in range(SHARES):
        pack_share(buffer, offset, sequence, 1, 0, True, WORK, 7, UNIX_MS, HASH_LE)
        offset += SHARE_SIZE


def append_to_memory() -> None:
    held = HeldRecords(1, INITIAL_BYTES)
    for _ in range(SHARES):
        held.append_share(1, 0, True, WORK, 7, UNIX_MS, HASH_LE)


async def journal_ns() -> float:
    """CPU of this thread: of appending, and of the turns' ends."""
    lowest = float("inf")
    with TemporaryDirectory() as directory:
        journal = Journal(Path(directory), IDENTITY, on_durable=lambda _: None)
        for _ in range(ROUNDS):
            begun_ns = time.thread_time_ns()
            for _ in range(SHARES // A_TURN):
                for _ in range(A_TURN):
                    journal.append_share(1, 0, True, WORK, 7, HASH_LE)
                await asyncio.sleep(0)
            lowest = min(lowest, (time.thread_time_ns() - begun_ns) / SHARES)
        await journal.close()
    return lowest


def decode(batch: JournalBatch) -> None:
    for _ in decode_records(batch.records, batch.first_sequence):
        pass


def sum_up(batch: JournalBatch, workers: int) -> None:
    declared = batch.records.index(encode_share_mark(workers))
    sum_shares(batch.records, declared, workers + 1, INTERVAL_MS, 0)


def encode_share_mark(workers: int) -> bytes:
    """How the first share's record begins: behind the declarations."""
    held = HeldRecords(workers + 1, INITIAL_BYTES)
    held.append_share(1, 0, True, WORK, 7, UNIX_MS, HASH_LE)
    return bytes(held.unwritten()[:15])


def fold(batch: JournalBatch) -> None:
    Fold(site_of=lambda account: account, place_of=lambda _: AT_THE_SITE).fold(batch)


def batch_of(workers: int, shares: int) -> JournalBatch:
    held = HeldRecords(1, 64 << 20)
    for ref in range(1, workers + 1):
        worker = WorkerRecord(ref, UNIX_MS, "site", f"site.rig{ref}")
        held.append(encode_worker(held.next_sequence, worker))
    for number in range(shares):
        held.append_share(1 + number % workers, 0, True, WORK, 7, UNIX_MS, HASH_LE)
    return JournalBatch("bench/0/1", 1, len(held), bytes(held.unwritten()))


def read_a_file() -> tuple[float, float]:
    """CPU milliseconds of reading a full file, and of adding it up as well."""
    shares = SEGMENT_BYTES // SHARE_SIZE
    with TemporaryDirectory() as directory:
        identity = SegmentId("bench/0/1", 1, 0)
        held = HeldRecords(1, SEGMENT_BYTES)
        for number in range(shares):
            held.append_share(1 + number % WORKERS, 0, True, WORK, 7, UNIX_MS, HASH_LE)
        Path(directory, identity.file_name).write_bytes(
            encode_header(identity) + bytes(held.unwritten())
        )
        return cpu_ms(lambda: read(directory, adds=False)), cpu_ms(
            lambda: read(directory, adds=True)
        )


def cpu_ms(work: Callable[[], None]) -> float:
    begun_ns = time.process_time_ns()
    work()
    return (time.process_time_ns() - begun_ns) / 1e6


def read(directory: str, *, adds: bool) -> None:
    for item in read_segments(Path(directory)):
        if adds and isinstance(item, JournalBatch):
            sum_shares(item.records, 0, item.first_sequence, INTERVAL_MS, 0)


if __name__ == "__main__":
    for step, ns in run().items():
        print(f"{step:24}{ns:8.0f} ns")
    read_ms, added_ms = read_a_file()
    print(f"64 MiB: read {read_ms:.0f} ms, read and added up {added_ms:.0f} ms of CPU")
