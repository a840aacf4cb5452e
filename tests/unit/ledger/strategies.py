"""Journal records as hypothesis makes them, and batches of them."""

from collections.abc import Iterable, Sequence

from hypothesis import strategies as st

from poolserver.ledger.records import (
    BlockRecord,
    JournalBatch,
    Record,
    ShareRecord,
    WorkerRecord,
    encode_block,
    encode_share,
    encode_worker,
)
from poolserver.mining.share import ShareOutcome

PROVEN_OUTCOMES = (
    ShareOutcome.ACCEPTED,
    ShareOutcome.STALE,
    ShareOutcome.NTIME_OUT_OF_RANGE,
    ShareOutcome.VERSION_OUTSIDE_MASK,
)

u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
unix_ms = st.integers(1_700_000_000_000, 1_800_000_000_000)
names = st.text(st.characters(codec="utf-8"), max_size=60)
hashes = st.binary(min_size=32, max_size=32)

workers = st.builds(WorkerRecord, u32, u64, names, names)
shares = st.builds(
    ShareRecord,
    u32,
    st.sampled_from(ShareOutcome),
    st.booleans(),
    u64,
    u64,
    st.integers(0, 2**128 - 1),
    hashes,
)
blocks = st.builds(BlockRecord, u32, hashes, u32, u64)
records = st.one_of(workers, shares, blocks)


@st.composite
def shares_of(draw: st.DrawFn, worker_refs: Sequence[int]) -> ShareRecord:
    """A share as a worker process writes it: proven by its outcome, and only then worth work."""
    outcome = draw(st.sampled_from(ShareOutcome))
    proven = outcome in PROVEN_OUTCOMES
    return ShareRecord(
        draw(st.sampled_from([*worker_refs, 0]))
        if not proven
        else draw(st.sampled_from(worker_refs)),
        outcome,
        proven,
        draw(u32),
        draw(unix_ms),
        draw(st.integers(1, 2**90)) if proven else 0,
        draw(hashes),
    )


@st.composite
def journals(draw: st.DrawFn, max_shares: int = 30) -> list[Record]:
    """What one source writes: each worker is declared before its first share."""
    count = draw(st.integers(1, 4))
    declared = [
        WorkerRecord(ref, 1, name.partition(".")[0], name)
        for ref, name in enumerate(draw(st.permutations(NAMES))[:count], 1)
    ]
    refs = range(1, count + 1)
    rest = st.one_of(
        shares_of(refs), st.builds(BlockRecord, u32, hashes, st.sampled_from(refs), unix_ms)
    )
    return [*declared, *draw(st.lists(rest, max_size=max_shares))]


NAMES = ("north.rig1", "north.rig2", "south.rig1", "nobody.rig1")


def encode(first_sequence: int, records: Iterable[Record]) -> bytes:
    return b"".join(
        encode_one(number, record) for number, record in enumerate(records, first_sequence)
    )


def encode_one(sequence: int, record: Record) -> bytes:
    match record:
        case ShareRecord():
            return encode_share(sequence, record)
        case WorkerRecord():
            return encode_worker(sequence, record)
        case BlockRecord():
            return encode_block(sequence, record)


def batch_of(source: str, first_sequence: int, records: Sequence[Record]) -> JournalBatch:
    return JournalBatch(source, first_sequence, len(records), encode(first_sequence, records))
