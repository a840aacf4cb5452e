"""Shares to be folded."""

from poolserver.ledger.records import (
    ShareRecord,
    WorkerRecord,
)
from poolserver.mining.share import ShareOutcome

RIG = WorkerRecord(1, 1, "north", "north.rig1")


def share(
    outcome: ShareOutcome = ShareOutcome.ACCEPTED,
    *,
    proven: bool = True,
    work: int = 10,
    worker_ref: int = 1,
    unix_ms: int = 1000,
    share_hash: int = 99,
) -> ShareRecord:
    hash_le = share_hash.to_bytes(32, "little")
    return ShareRecord(worker_ref, outcome, proven, 7, unix_ms, work, hash_le)
