"""Journal records as hypothesis makes them, and batches of them."""

from collections.abc import Iterable, Sequence

from hypothesis import strategies as st

from poolserver.ledger.payout_records import (
    DuesRecord,
    OutputsRecord,
    PayoutHead,
    PayoutRecord,
    payout_records,
)
from poolserver.ledger.records import (
    BlockRecord,
    JournalBatch,
    Record,
    ShareRecord,
    TemplateRecord,
    WorkerRecord,
    encode_block,
    encode_payout,
    encode_share,
    encode_template,
    encode_worker,
)
from poolserver.mining.coinbase import MAX_MONEY_SAT, TxOut
from poolserver.mining.payout import Distribution, Due
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
satoshis = st.integers(0, MAX_MONEY_SAT)
outputs = st.lists(st.builds(TxOut, satoshis, st.binary(max_size=40)), max_size=6).map(tuple)
dues = st.lists(
    st.tuples(names, satoshis, st.sampled_from([1, 0, -1])).map(
        lambda due: Due(due[0], due[1], due[1] * due[2])
    ),
    max_size=6,
).map(tuple)


@st.composite
def distributions(draw: st.DrawFn) -> Distribution:
    """What a block may pay; the amounts need not add up, which is the plan's to see to."""
    paid = draw(outputs.filter(lambda many: sum(o.value_sat for o in many) <= MAX_MONEY_SAT))
    return Distribution(paid, draw(dues), draw(satoshis))


@st.composite
def payouts(draw: st.DrawFn) -> PayoutRecord:
    """A record of a payout, as one of many."""
    distribution = draw(distributions())
    count, position = draw(st.integers(1, 6)), draw(st.integers(0, 2**31))
    head = PayoutHead(
        draw(hashes), draw(satoshis), draw(satoshis), position + count, position + count
    )
    if draw(st.booleans()):
        some = [*distribution.outputs, *[TxOut(1, b"\x51")] * count][:count]
        return OutputsRecord(head, position, tuple(some))
    owed = [*distribution.dues, *[Due("a", 2, 1)] * count][:count]
    return DuesRecord(head, position, tuple(owed))


templates = st.builds(TemplateRecord, u32, u32, satoshis, u64)
records = st.one_of(workers, shares, blocks, payouts(), templates)


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
    parts = st.one_of(
        shares_of(refs).map(lambda share: [share]),
        found_blocks(refs),
        templates.map(lambda template: [template]),
    )
    rest = draw(st.lists(parts, max_size=max_shares))
    return [*declared, *(record for part in rest for record in part)]


@st.composite
def found_blocks(draw: st.DrawFn, worker_refs: Sequence[int]) -> list[Record]:
    """A block and what it pays, as the journal writes them."""
    hash_le = draw(hashes)
    block = BlockRecord(draw(u32), hash_le, draw(st.sampled_from(worker_refs)), draw(unix_ms))
    return [block, *payout_records(hash_le, draw(distributions()))]


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
        case TemplateRecord():
            return encode_template(sequence, record)
        case OutputsRecord() | DuesRecord():
            return encode_payout(sequence, record)


def batch_of(source: str, first_sequence: int, records: Sequence[Record]) -> JournalBatch:
    return JournalBatch(source, first_sequence, len(records), encode(first_sequence, records))
