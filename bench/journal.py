"""What the share journal costs on the share path, and the fold behind it.

    python -m bench.journal

Prints nanoseconds a share: packing one record, appending it to the journal's buffer, decoding
it, and folding it into totals.
"""

import time
from collections.abc import Callable
from fractions import Fraction

from poolserver._native import pack_share
from poolserver.ledger.fold import Fold
from poolserver.ledger.held import INITIAL_BYTES, HeldRecords
from poolserver.ledger.records import (
    SHARE_SIZE,
    JournalBatch,
    WorkerRecord,
    decode_records,
    encode_worker,
)

SHARES = 1_000  # a round of about a millisecond, which some rounds have without a disturbance
WORKERS = 100
ROUNDS = 200
WORK = 65_536 * 4_295_032_833  # one share of difficulty 65,536
UNIX_MS = 1_763_942_400_000
HASH_LE = bytes(range(32))


def run() -> dict[str, float]:
    """Nanoseconds a share, by step: the best of ROUNDS."""
    buffer = memoryview(bytearray(INITIAL_BYTES))
    batch = _batch()
    return {
        "pack_share": _best(lambda: _pack(buffer)),
        "append_share": _best(_append),
        "decode_records": _best(lambda: _decode(batch)),
        "fold": _best(lambda: _fold(batch)),
    }


def _best(work: Callable[[], None]) -> float:
    best_ns = min(_time_ns(work) for _ in range(ROUNDS))
    return best_ns / SHARES


def _time_ns(work: Callable[[], None]) -> int:
    begun_ns = time.perf_counter_ns()
    work()
    return time.perf_counter_ns() - begun_ns


def _pack(buffer: memoryview) -> None:
    offset = 0
    for sequence in range(SHARES):
        pack_share(buffer, offset, sequence, 1, 0, True, WORK, 7, UNIX_MS, HASH_LE)
        offset += SHARE_SIZE


def _append() -> None:
    held = HeldRecords(1, INITIAL_BYTES)
    for _ in range(SHARES):
        held.append_share(1, 0, True, WORK, 7, UNIX_MS, HASH_LE)


def _decode(batch: JournalBatch) -> None:
    for _ in decode_records(batch.records, batch.first_sequence):
        pass


def _fold(batch: JournalBatch) -> None:
    fold = Fold(site_of=lambda account: account, energy_pj=lambda _, work: Fraction(work))
    fold.fold(batch)


def _batch() -> JournalBatch:
    held = HeldRecords(1, INITIAL_BYTES)
    for ref in range(1, WORKERS + 1):
        worker = WorkerRecord(ref, UNIX_MS, "site", f"site.rig{ref}")
        held.append(encode_worker(held.next_sequence, worker))
    for number in range(SHARES):
        held.append_share(1 + number % WORKERS, 0, True, WORK, 7, UNIX_MS, HASH_LE)
    return JournalBatch("bench/0/1", 1, len(held), bytes(held.unwritten()))


if __name__ == "__main__":
    for step, ns in run().items():
        print(f"{step:16}{ns:8.0f} ns")
