from collections.abc import Iterable
from zlib import crc32

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver._native import skip_records
from poolserver.ledger.payout_records import (
    DuesRecord,
    OutputsRecord,
    PayoutHead,
    PayoutRecord,
    payout_records,
)
from poolserver.ledger.records import (
    SHARE_SIZE,
    BlockRecord,
    JournalBatch,
    Record,
    ShareRecord,
    TornTail,
    WorkerRecord,
    decode_records,
    encode_block,
    encode_payout,
    encode_share,
    encode_worker,
    pack_share,
    up_to,
    whole_records,
)
from poolserver.mining.coinbase import MAX_MONEY_SAT, TxOut
from poolserver.mining.payout import Distribution, Due
from poolserver.mining.share import ShareOutcome
from tests.unit.ledger.strategies import batch_of, distributions, encode, hashes, records

SHARE = ShareRecord(
    0x01020304,
    ShareOutcome.STALE,
    True,
    0x1122334455667788,
    1_763_942_400_000,
    3 << 64 | 5,
    bytes(range(32)),
)
sequences = st.integers(1, 2**63)


def good_of(data: bytes, first_sequence: int) -> tuple[list[tuple[int, Record]], TornTail | None]:
    found = []
    try:
        for item in decode_records(data, first_sequence):
            found.append(item)  # noqa: PERF402 - what came before the error is the point
    except TornTail as torn:
        return found, torn
    return found, None


def test_a_share_has_these_bytes() -> None:
    encoded = encode_share(9, SHARE)
    assert len(encoded) == SHARE_SIZE == 85
    assert encoded[4:].hex() == (
        "4600" "02" "0900000000000000"  # 70 bytes of payload, kind 2, sequence 9
        "04030201" "01" "01" "8877665544332211" "000029b39a010000"  # worker, stale, proven, job, ms
        "0500000000000000" "0300000000000000"  # work, 128 bits
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    )  # fmt: skip


def test_packing_in_place_touches_its_own_bytes_only() -> None:
    buffer = bytearray(b"\xaa" * (SHARE_SIZE + 20))
    pack_share(memoryview(buffer), 10, 9, *pack_arguments(SHARE))
    assert buffer[10:-10] == encode_share(9, SHARE)
    assert buffer[:10] == buffer[-10:] == b"\xaa" * 10


def pack_arguments(share: ShareRecord) -> tuple[int, int, bool, int, int, int, bytes]:
    ref, outcome, proven, job_number, unix_ms, work, hash_le = share
    return ref, outcome, proven, work, job_number, unix_ms, hash_le


@given(st.lists(records, max_size=12), sequences)
def test_what_was_encoded_is_decoded(written: list[Record], first: int) -> None:
    data = encode(first, written)
    assert good_of(data, first) == (list(enumerate(written, first)), None)
    assert sum(1 for _ in whole_records(data, first)) == len(written)


@given(st.lists(records, min_size=1, max_size=6), sequences, st.data())
def test_of_records_cut_short_the_whole_ones_are_decoded(
    written: list[Record], first: int, data: st.DataObject
) -> None:
    encoded = encode(first, written)
    ends = [0, *whole_records(encoded, first)]
    size = data.draw(st.integers(0, len(encoded) - 1))
    whole = sum(1 for end in ends[1:] if end <= size)
    found, torn = good_of(encoded[:size], first)
    assert found == list(enumerate(written, first))[:whole]
    if size in ends:
        assert torn is None
    else:
        assert torn is not None
        assert torn.offset == ends[whole]


@given(st.lists(records, min_size=1, max_size=6), sequences, st.data())
def test_of_records_with_a_flipped_byte_those_before_it_are_decoded_and_no_other(
    written: list[Record], first: int, data: st.DataObject
) -> None:
    encoded = bytearray(encode(first, written))
    ends = list(whole_records(bytes(encoded), first))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    whole = sum(1 for end in ends if end <= place)
    found, torn = good_of(bytes(encoded), first)
    assert found == list(enumerate(written, first))[:whole]
    assert torn is not None


def test_every_flipped_bit_of_a_share_is_detected() -> None:
    encoded = bytearray(encode_share(9, SHARE))
    for place in range(len(encoded) * 8):
        encoded[place // 8] ^= 1 << place % 8
        assert good_of(bytes(encoded), 9)[0] == []
        encoded[place // 8] ^= 1 << place % 8


def test_zeros_that_a_power_cut_left_are_no_record() -> None:
    found, torn = good_of(encode_share(1, SHARE) + bytes(4096), 1)
    assert found == [(1, SHARE)]
    assert torn is not None
    assert torn.offset == SHARE_SIZE


@pytest.mark.parametrize("payload_kind", [0, 7, 255])
def test_a_kind_of_a_newer_version_is_told_and_not_skipped(payload_kind: int) -> None:
    with pytest.raises(TornTail, match=f"kind {payload_kind} is unknown"):
        list(decode_records(framed(payload_kind, 1, b"new"), 1))


def test_an_outcome_of_a_newer_version_is_told() -> None:
    payload = bytearray(encode_share(1, SHARE)[15:])
    payload[4] = 77
    with pytest.raises(TornTail, match="outcome 77 is unknown"):
        list(decode_records(framed(2, 1, bytes(payload)), 1))


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("payload", [b"", b"\xff" * 14, b"\x05" * 59])
def test_a_payload_of_the_wrong_length_is_told(kind: int, payload: bytes) -> None:
    with pytest.raises(TornTail, match="length is wrong"):
        list(decode_records(framed(kind, 1, payload), 1))


def test_names_that_are_no_utf_8_are_told() -> None:
    payload = encode_worker(1, WorkerRecord(1, 0, "a", "b"))[15:-2] + b"\xff\xfe"
    with pytest.raises(TornTail, match="not UTF-8"):
        list(decode_records(framed(1, 1, payload), 1))


def framed(kind: int, sequence: int, payload: bytes) -> bytes:
    body = (
        len(payload).to_bytes(2, "little")
        + bytes([kind])
        + sequence.to_bytes(8, "little")
        + payload
    )
    return crc32(body).to_bytes(4, "little") + body


def test_a_record_out_of_sequence_is_told() -> None:
    with pytest.raises(TornTail, match="number 8 where 9 should be"):
        list(decode_records(encode_share(8, SHARE), 9))


def test_a_name_that_does_not_fit_its_length_is_refused() -> None:
    encode_worker(1, WorkerRecord(1, 0, "a", "é" * 127))
    with pytest.raises(ValueError, match="at most 255 bytes"):
        encode_worker(1, WorkerRecord(1, 0, "a", "é" * 128))


def test_work_beyond_128_bits_is_refused_and_not_cut() -> None:
    with pytest.raises(ValueError, match=r"^work must be in"):
        encode_share(1, SHARE._replace(work=1 << 128))


def test_a_block_is_small_and_round() -> None:
    block = BlockRecord(840_000, bytes(range(32)), 3, 1_763_942_400_000)
    assert list(decode_records(encode_block(2, block), 2)) == [(2, block)]


# --- what a block pays -----------------------------------------------------------------------


def test_an_outputs_record_has_these_bytes() -> None:
    head = PayoutHead(bytes(range(32)), 5_000_000_000, 50_000_000, 3, 0)
    record = OutputsRecord(head, 2, (TxOut(4_950_000_000, bytes.fromhex("5120") + b"\x79" * 32),))
    assert encode_payout(9, record)[4:].hex() == (
        "6800" "04" "0900000000000000"  # 104 bytes of payload, kind 4, sequence 9
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        "00f2052a01000000" "80f0fa0200000000" "03000000" "00000000" "02000000"
        "80010b2701000000" "2200" "5120" + "79" * 32
    )  # fmt: skip


def test_a_dues_record_has_these_bytes() -> None:
    head = PayoutHead(bytes(32), 100, 2, 1, 1)
    assert encode_payout(1, DuesRecord(head, 0, (Due("höhe", 98, 98),)))[4:].hex() == (
        "5300" "05" "0100000000000000" + "00" * 32
        + "6400000000000000" "0200000000000000" "01000000" "01000000" "00000000"
        "6200000000000000" "6200000000000000" "0500" "68c3b66865"
    )  # fmt: skip


@given(hashes, distributions())
def test_the_records_of_a_payout_tell_all_of_it(hash_le: bytes, paid: Distribution) -> None:
    assert told_by(payout_records(hash_le, paid), hash_le, paid) == (paid.outputs, paid.dues)


def test_what_is_too_long_for_one_record_goes_into_several_that_are_full() -> None:
    outputs = tuple(TxOut(n, n.to_bytes(34, "big")) for n in range(5000))
    dues = tuple(Due("a" * 62, n, n) for n in range(5000))
    paid = Distribution(outputs, dues, 7)
    records = list(payout_records(bytes(32), paid))
    assert told_by(records, bytes(32), paid) == (outputs, dues)
    sizes = [len(encode_payout(1, record)) - 15 for record in records]
    assert max(sizes) <= 0xFFFF
    assert [size for size in sizes if size < 0xFFFF - 80] == [sizes[3], sizes[-1]]


def told_by(
    records: Iterable[PayoutRecord], hash_le: bytes, paid: Distribution
) -> tuple[tuple[TxOut, ...], tuple[Due, ...]]:
    """What the records say in their order, each read alone."""
    outputs: list[TxOut] = []
    dues: list[Due] = []
    value_sat = sum(output.value_sat for output in paid.outputs)
    for record in records:
        ((_, read),) = decode_records(encode_payout(5, record), 5)
        assert read == record
        assert record.head == PayoutHead(
            hash_le, value_sat, paid.fee_sat, len(paid.outputs), len(paid.dues)
        )
        if isinstance(record, OutputsRecord):
            assert record.position == len(outputs)
            outputs += record.outputs
        else:
            assert record.position == len(dues)
            dues += record.dues
    return tuple(outputs), tuple(dues)


HEAD = PayoutHead(bytes(32), 100, 2, 2, 2)
OUTPUTS = OutputsRecord(HEAD, 0, (TxOut(60, b"\x51"), TxOut(40, b"\x52")))
DUES = DuesRecord(HEAD, 0, (Due("a", 58, 58), Due("b", 40, -9)))


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (OUTPUTS._replace(outputs=()), "length is wrong"),
        (DUES._replace(dues=()), "length is wrong"),
        (OUTPUTS._replace(position=1), "entries up to 3 where there are 2"),
        (DUES._replace(position=2**32 - 1), "where there are 2"),
        (OUTPUTS._replace(head=HEAD._replace(value_sat=2**63)), "above 21 million coins"),
        (DUES._replace(head=HEAD._replace(fee_sat=MAX_MONEY_SAT + 1)), "above 21 million"),
        (OUTPUTS._replace(outputs=(TxOut(MAX_MONEY_SAT + 1, b""),)), "above 21 million coins"),
        (DUES._replace(dues=(Due("a", 2**64 - 1, 0),)), "above 21 million coins"),
        (DUES._replace(dues=(Due("a", 1, 2),)), "more is unpaid than was due"),
        (DUES._replace(dues=(Due("a", 1, -MAX_MONEY_SAT - 1),)), "above 21 million coins"),
    ],
)
def test_a_payout_that_cannot_be_is_no_record(record: PayoutRecord, reason: str) -> None:
    with pytest.raises(TornTail, match=reason):
        list(decode_records(encode_payout(1, record), 1))


def test_an_older_debt_that_was_paid_is_below_zero() -> None:
    record = DUES._replace(dues=(Due("a", 0, -MAX_MONEY_SAT), Due("b", 0, -1)))
    assert list(decode_records(encode_payout(1, record), 1)) == [(1, record)]


@pytest.mark.parametrize("kind", [4, 5])
@pytest.mark.parametrize("record", [OUTPUTS, DUES])
def test_a_payout_whose_lengths_do_not_add_up_is_told(kind: int, record: PayoutRecord) -> None:
    payload = encode_payout(1, record)[15:]
    for size in range(len(payload)):
        cut = payload[:size]
        found, torn = good_of(framed(kind, 1, cut), 1)
        if torn is None:  # it ends between two entries: as good as any record
            assert size > 60
            assert len(found) == 1
        else:
            assert torn.offset == 0


def test_a_label_that_is_no_utf_8_is_told() -> None:
    payload = encode_payout(1, DUES)[15:-1] + b"\xff"
    with pytest.raises(TornTail, match="not UTF-8"):
        list(decode_records(framed(5, 1, payload), 1))


@given(st.sampled_from([4, 5]), st.binary(max_size=200))
def test_any_bytes_under_a_good_checksum_are_a_record_or_torn(kind: int, payload: bytes) -> None:
    found, torn = good_of(framed(kind, 1, payload), 1)
    assert (len(found) == 1) is (torn is None)


@given(st.sampled_from([4, 5]), st.binary(max_size=80))
def test_any_entries_behind_a_good_head_are_a_record_or_torn(kind: int, entries: bytes) -> None:
    head = encode_payout(1, OUTPUTS)[15:75]
    for _, record in good_of(framed(kind, 1, head + entries), 1)[0]:
        assert isinstance(record, OutputsRecord | DuesRecord)
        assert encode_payout(1, record)[15:] == head + entries


def test_a_batch_is_told_from_other_messages_by_its_tag() -> None:
    batch = JournalBatch("pool-1/0/1", 5, 1, encode_share(5, SHARE))
    assert batch.last_sequence == 5
    encoded = msgspec.msgpack.encode(batch)
    assert msgspec.msgpack.decode(encoded)["type"] == "journal"
    assert msgspec.msgpack.decode(encoded, type=JournalBatch) == batch


@pytest.mark.parametrize("kind", range(256))
def test_the_kinds_that_are_known_here_are_those_that_are_stepped_over(kind: int) -> None:
    body = b"\1\0" + bytes([kind]) + (7).to_bytes(8, "little") + b"x"
    record = crc32(body).to_bytes(4, "little") + body
    stepped_over = skip_records(record, 0, 7, len(record)) == (len(record), 1)
    try:
        assert list(whole_records(record, 7)) == [len(record)]
    except TornTail:
        assert not stepped_over
    else:
        assert stepped_over


def test_a_batch_is_cut_after_any_record() -> None:
    whole = batch_of("a", 7, [SHARE] * 5)
    for last in range(7, 11):
        cut = up_to(whole, last)
        assert cut == batch_of("a", 7, [SHARE] * (last - 6))
    assert up_to(whole, 11) is up_to(whole, 99) is whole


def test_a_batch_with_fewer_records_than_it_says_is_not_cut() -> None:
    with pytest.raises(TornTail, match="not 9 records"):
        up_to(JournalBatch("a", 1, 9, encode(1, [SHARE] * 5)), 7)
