"""What a found block pays, as payloads of journal records (their frame: records.py).

All numbers are little-endian. Both kinds open with a head of 60 bytes, so that each record can
be understood alone, whatever became of its neighbours::

    head     hash 32 bytes in digest order, value_sat u64, fee_sat u64, then how many outputs
             and dues the block has u32 u32, and the position of the first that is here u32
    outputs  value_sat u64, length u16, scriptPubKey; again to the end of the payload
    dues     due_sat u64, unpaid_sat i64, length u16, label in UTF-8; again to the end

Outputs are in the order of the coinbase, without the witness commitment; dues in that of the
plan. Below 0, what is unpaid says that so much of older debts was paid with it. A payload's
length is a u16, so what is long goes into several consecutive records.
"""

from collections.abc import Iterable, Iterator
from struct import Struct
from struct import error as StructError
from typing import NamedTuple

from poolserver.mining.coinbase import MAX_MONEY_SAT, TxOut
from poolserver.mining.payout import Distribution, Due

MAX_PAYLOAD = 0xFFFF
"""What a record's length can tell."""

_HEAD = Struct("<32sQQIII")
_OUTPUT = Struct("<QH")
_DUE = Struct("<QqH")
_ROOM = MAX_PAYLOAD - _HEAD.size


class PayoutHead(NamedTuple):
    """What every record of a block's payout tells. ``outputs`` and ``dues`` are how many."""

    hash_le: bytes
    value_sat: int
    fee_sat: int
    outputs: int
    dues: int


class OutputsRecord(NamedTuple):
    """Outputs of a block's coinbase; the first of them is output number ``position``."""

    head: PayoutHead
    position: int
    outputs: tuple[TxOut, ...]


class DuesRecord(NamedTuple):
    """What the block owes to payees; the first of them is number ``position`` of the plan."""

    head: PayoutHead
    position: int
    dues: tuple[Due, ...]


PayoutRecord = OutputsRecord | DuesRecord


def payout_records(hash_le: bytes, distribution: Distribution) -> Iterator[PayoutRecord]:
    """The records that tell all of what a block pays: the outputs first."""
    head = PayoutHead(
        hash_le,
        sum(output.value_sat for output in distribution.outputs),
        distribution.fee_sat,
        len(distribution.outputs),
        len(distribution.dues),
    )
    outputs, dues = distribution.outputs, distribution.dues
    for begin, end in _stretches(_OUTPUT.size + len(each.script_pubkey) for each in outputs):
        yield OutputsRecord(head, begin, outputs[begin:end])
    for begin, end in _stretches(_DUE.size + len(each.label.encode()) for each in dues):
        yield DuesRecord(head, begin, dues[begin:end])


def outputs_payload(record: OutputsRecord) -> bytes:
    """The bytes of some outputs.

    Raises:
        struct.error: a number does not fit its field.
    """
    entries = (
        _OUTPUT.pack(each.value_sat, len(each.script_pubkey)) + each.script_pubkey
        for each in record.outputs
    )
    return _HEAD.pack(*record.head, record.position) + b"".join(entries)


def dues_payload(record: DuesRecord) -> bytes:
    """The bytes of some dues.

    Raises:
        struct.error: a number does not fit its field.
    """
    entries = (
        _DUE.pack(each.due_sat, each.unpaid_sat, len(label := each.label.encode())) + label
        for each in record.dues
    )
    return _HEAD.pack(*record.head, record.position) + b"".join(entries)


def outputs_of(payload: memoryview) -> OutputsRecord:
    """What outputs_payload() wrote.

    Raises:
        ValueError: it did not write this; the text says why.
    """
    head, position = _head(payload)
    outputs = tuple(
        TxOut(value_sat, bytes(script)) for (value_sat,), script in _entries(payload, _OUTPUT)
    )
    _check_place(position, len(outputs), head.outputs)
    _check_amounts(output.value_sat for output in outputs)
    return OutputsRecord(head, position, outputs)


def dues_of(payload: memoryview) -> DuesRecord:
    """What dues_payload() wrote.

    Raises:
        ValueError: it did not write this; the text says why.
    """
    head, position = _head(payload)
    try:
        dues = tuple(
            Due(bytes(label).decode(), due_sat, unpaid_sat)
            for (due_sat, unpaid_sat), label in _entries(payload, _DUE)
        )
    except UnicodeDecodeError as error:
        raise ValueError("a label is not UTF-8") from error
    _check_place(position, len(dues), head.dues)
    _check_amounts(due.due_sat for due in dues)
    if any(due.unpaid_sat > due.due_sat for due in dues):
        raise ValueError("more is unpaid than was due")
    if any(due.unpaid_sat < -MAX_MONEY_SAT for due in dues):
        raise ValueError("an amount is above 21 million coins")
    return DuesRecord(head, position, dues)


def _stretches(sizes: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Where to cut entries of these sizes so that each stretch fits a payload."""
    begin, end, filled = 0, 0, 0
    for end, size in enumerate(sizes):
        if filled + size > _ROOM and end > begin:
            yield begin, end
            begin, filled = end, 0
        filled += size
    if filled:
        yield begin, end + 1


def _head(payload: memoryview) -> tuple[PayoutHead, int]:
    if len(payload) < _HEAD.size:
        raise ValueError("its length is wrong")
    *fields, position = _HEAD.unpack_from(payload)
    head = PayoutHead(*fields)
    _check_amounts((head.value_sat, head.fee_sat))
    return head, position


def _entries(payload: memoryview, fixed: Struct) -> Iterator[tuple[tuple[int, ...], memoryview]]:
    """The numbers of each entry but the length, which comes last, and what has that length."""
    offset = _HEAD.size
    while offset < len(payload):
        try:
            *numbers, size = fixed.unpack_from(payload, offset)
        except StructError as error:
            raise ValueError("its length is wrong") from error
        offset += fixed.size
        end = offset + size
        if end > len(payload):
            raise ValueError("its length is wrong")
        yield tuple(numbers), payload[offset:end]
        offset = end


def _check_place(position: int, count: int, total: int) -> None:
    if not count:
        raise ValueError("its length is wrong")
    if position + count > total:
        raise ValueError(f"entries up to {position + count} where there are {total}")


def _check_amounts(amounts_sat: Iterable[int]) -> None:
    if any(amount > MAX_MONEY_SAT for amount in amounts_sat):
        raise ValueError("an amount is above 21 million coins")
