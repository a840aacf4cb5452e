"""The records of the share journal, as bytes.

All numbers are little-endian. A record is a frame and a payload::

    offset size
         0    4  CRC-32 (zlib) of all that follows, payload included
         4    2  length of the payload
         6    1  kind: 1 worker, 2 share, 3 block, 4 outputs, 5 dues, 6 template
         7    8  sequence: 1 for a source's first record, and no number is left out
        15    -  payload

    worker  worker_ref u32, unix_ms u64, two u8 lengths, account and worker name in UTF-8
    share   worker_ref u32, outcome u8, proven u8, job_number u64, unix_ms u64, work u128,
            hash 32 bytes in digest order (zeros where it is not known)
    block   height u32, hash 32 bytes in digest order, worker_ref u32, unix_ms u64
    outputs, dues  what a block pays, in the records after it; see payout_records.py
    template height u32, nbits u32, value_sat u64, unix_ms u64: what shares are made on from here on

The length of each payload also follows from its kind or from lengths inside it, so a length
that was damaged is found out whatever the checksum of the wrong stretch happens to be. A
stretch of zeros, which a file system may leave after a power cut, is no record.
"""

from collections.abc import Callable, Iterator
from struct import Struct
from typing import NamedTuple
from zlib import crc32

import msgspec

from poolserver._native import pack_share
from poolserver.ledger.payout_records import (
    DuesRecord,
    OutputsRecord,
    PayoutRecord,
    dues_of,
    dues_payload,
    outputs_of,
    outputs_payload,
)
from poolserver.mining.share import ShareOutcome

NO_WORKER = 0
"""The ``worker_ref`` of a submit by nobody (not authorized, or not to be parsed)."""

MAX_NAME_BYTES = 255
"""What a u8 length can tell; a username has at most 191 bytes (see the session's limits)."""


class LedgerError(Exception):
    """Whatever goes wrong in the ledger."""


CUT_SHORT = "it is cut short"


class TornTail(LedgerError):
    """From ``offset`` on the bytes are not whole records: they were cut short or damaged."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"no whole record at byte {offset}: {reason}")
        self.offset = offset
        self.reason = reason

    @property
    def is_short(self) -> bool:
        """Whether more bytes might make a record of it."""
        return self.reason == CUT_SHORT


class SequenceGap(LedgerError):
    """Records of ``source`` are missing: ``expected`` is the next one due, ``found`` came."""

    def __init__(self, source: str, expected: int, found: int) -> None:
        super().__init__(f"{source}: record {expected} is due, the batch begins at {found}")
        self.source = source
        self.expected = expected
        self.found = found


class UnknownWorker(LedgerError):
    """A record names a ``worker_ref`` that its source never declared."""


class WorkerRecord(NamedTuple):
    """From here on ``worker_ref`` stands for this worker, within this source."""

    worker_ref: int
    unix_ms: int
    account: str
    worker_name: str
    """The full username, the account included."""


class ShareRecord(NamedTuple):
    """One judged submit."""

    worker_ref: int
    outcome: ShareOutcome
    proven: bool
    """Its hash was computed, met the target it was judged by and is no duplicate."""
    job_number: int
    unix_ms: int
    work: int
    """Hashes that it stands for: 2^256 // (target judged by + 1), or 0 if not proven."""
    hash_le: bytes


class BlockRecord(NamedTuple):
    """One share that met the network target."""

    height: int
    hash_le: bytes
    worker_ref: int
    unix_ms: int


class TemplateRecord(NamedTuple):
    """The template of the jobs from here on: its height, its difficulty, what a block pays."""

    height: int
    nbits: int
    value_sat: int
    unix_ms: int


Record = WorkerRecord | ShareRecord | BlockRecord | PayoutRecord | TemplateRecord


class JournalBatch(msgspec.Struct, frozen=True, tag="journal"):
    """Consecutive records of one source, ``first_sequence`` to ``last_sequence``, all on disk."""

    source: str
    first_sequence: int
    count: int
    records: bytes

    @property
    def last_sequence(self) -> int:
        return self.first_sequence + self.count - 1


_KIND_WORKER = 1
_KIND_SHARE = 2
_KIND_BLOCK = 3
_KIND_OUTPUTS = 4
_KIND_DUES = 5
_KIND_TEMPLATE = 6

_FRAME = Struct("<IHBQ")
_CRC = Struct("<I")
_WORKER = Struct("<IQBB")
_SHARE = Struct("<IBBQQQQ32s")  # the work as its low and high half
_BLOCK = Struct("<I32sIQ")
_TEMPLATE = Struct("<IIQQ")

FRAME_SIZE = _FRAME.size
"""What is before a record's payload; the last eight bytes of it are the sequence."""
SHARE_SIZE = _FRAME.size + _SHARE.size
"""The bytes of a share's record: 85."""
_OUTCOMES = {outcome.value: outcome for outcome in ShareOutcome}


def encode_share(sequence: int, share: ShareRecord) -> bytes:
    """The bytes of one share; the journal packs in place instead.

    Raises:
        ValueError: a number does not fit its field, or the hash has not 32 bytes.
    """
    record = bytearray(SHARE_SIZE)
    ref, outcome, proven, job_number, unix_ms, work, hash_le = share
    pack_share(record, 0, sequence, ref, outcome, proven, work, job_number, unix_ms, hash_le)
    return bytes(record)


def encode_worker(sequence: int, worker: WorkerRecord) -> bytes:
    """The bytes of one worker's declaration.

    Raises:
        ValueError: a name has more than MAX_NAME_BYTES in UTF-8, or cannot be written in it.
    """
    account, name = worker.account.encode(), worker.worker_name.encode()
    if max(len(account), len(name)) > MAX_NAME_BYTES:
        raise ValueError(f"a worker's name has at most {MAX_NAME_BYTES} bytes")
    payload = _WORKER.pack(worker.worker_ref, worker.unix_ms, len(account), len(name))
    return _framed(_KIND_WORKER, sequence, payload + account + name)


def encode_block(sequence: int, block: BlockRecord) -> bytes:
    """The bytes of one found block."""
    return _framed(_KIND_BLOCK, sequence, _BLOCK.pack(*block))


def encode_template(sequence: int, template: TemplateRecord) -> bytes:
    """The bytes of a template that is in force from here on."""
    return _framed(_KIND_TEMPLATE, sequence, _TEMPLATE.pack(*template))


def encode_payout(sequence: int, payout: PayoutRecord) -> bytes:
    """The bytes of a part of what a block pays.

    Raises:
        struct.error: a number does not fit its field, or the payload its length: one entry
            alone is too long (payout_records() puts no more into a record than fits).
    """
    if isinstance(payout, OutputsRecord):
        return _framed(_KIND_OUTPUTS, sequence, outputs_payload(payout))
    return _framed(_KIND_DUES, sequence, dues_payload(payout))


def _framed(kind: int, sequence: int, payload: bytes) -> bytes:
    checked = _FRAME.pack(0, len(payload), kind, sequence)[_CRC.size :] + payload
    return _CRC.pack(crc32(checked)) + checked


def decode_records(records: bytes, first_sequence: int) -> Iterator[tuple[int, Record]]:
    """Each record with its sequence, the first being ``first_sequence``.

    Raises:
        TornTail: after the good records, where they do not reach to the end.
    """
    view = memoryview(records)
    offset, sequence = 0, first_sequence
    while offset < len(view):
        kind, end = _check_frame(view, offset, sequence)
        yield sequence, _DECODERS[kind](view[offset + _FRAME.size : end], offset)
        offset, sequence = end, sequence + 1


def decode_record(records: bytes, offset: int, sequence: int) -> tuple[Record, int]:
    """The record at ``offset``, which should be number ``sequence``, and where it ends.

    Raises:
        TornTail: there is no whole record there.
    """
    view = memoryview(records)
    kind, end = _check_frame(view, offset, sequence)
    return _DECODERS[kind](view[offset + _FRAME.size : end], offset), end


def whole_records(records: bytes, first_sequence: int) -> Iterator[int]:
    """The offset at which each record ends; cheaper than decoding them.

    Raises:
        TornTail: after the good records, where they do not reach to the end.
    """
    view = memoryview(records)
    offset, sequence = 0, first_sequence
    while offset < len(view):
        _, offset = _check_frame(view, offset, sequence)
        yield offset
        sequence += 1


def up_to(batch: JournalBatch, last: int) -> JournalBatch:
    """The batch without what comes after record ``last`` of its source.

    Raises:
        TornTail: its bytes are not ``count`` whole records.
    """
    if last >= batch.last_sequence:
        return batch
    count = last - batch.first_sequence + 1
    for number, end in enumerate(whole_records(batch.records, batch.first_sequence), 1):
        if number == count:
            return JournalBatch(batch.source, batch.first_sequence, count, batch.records[:end])
    raise TornTail(len(batch.records), f"not {batch.count} records, as the batch says")


def _check_frame(view: memoryview, offset: int, sequence: int) -> tuple[int, int]:
    """The kind of the record at ``offset`` and the offset of its end."""
    if offset + _FRAME.size > len(view):
        raise TornTail(offset, CUT_SHORT)
    checksum, length, kind, found = _FRAME.unpack_from(view, offset)
    end = offset + _FRAME.size + length
    if end > len(view):
        raise TornTail(offset, CUT_SHORT)
    if crc32(view[offset + 4 : end]) != checksum:
        raise TornTail(offset, "its checksum differs")
    if kind not in _DECODERS:
        raise TornTail(offset, f"kind {kind} is unknown")
    if found != sequence:
        raise TornTail(offset, f"it is number {found} where {sequence} should be")
    return kind, end


def _decode_worker(payload: memoryview, offset: int) -> WorkerRecord:
    if len(payload) < _WORKER.size:
        raise TornTail(offset, "its length is wrong")
    worker_ref, unix_ms, account_size, name_size = _WORKER.unpack_from(payload)
    names = bytes(payload[_WORKER.size :])
    if len(names) != account_size + name_size:
        raise TornTail(offset, "its length is wrong")
    try:
        account, name = names[:account_size].decode(), names[account_size:].decode()
    except UnicodeDecodeError as error:
        raise TornTail(offset, "its names are not UTF-8") from error
    return WorkerRecord(worker_ref, unix_ms, account, name)


def _decode_share(payload: memoryview, offset: int) -> ShareRecord:
    if len(payload) != _SHARE.size:
        raise TornTail(offset, "its length is wrong")
    ref, number, proven, job_number, unix_ms, low, high, hash_le = _SHARE.unpack(payload)
    outcome = _OUTCOMES.get(number)
    if outcome is None:
        raise TornTail(offset, f"outcome {number} is unknown")
    return ShareRecord(ref, outcome, proven != 0, job_number, unix_ms, high << 64 | low, hash_le)


def _decode_block(payload: memoryview, offset: int) -> BlockRecord:
    if len(payload) != _BLOCK.size:
        raise TornTail(offset, "its length is wrong")
    return BlockRecord(*_BLOCK.unpack(payload))


def _decode_template(payload: memoryview, offset: int) -> TemplateRecord:
    if len(payload) != _TEMPLATE.size:
        raise TornTail(offset, "its length is wrong")
    return TemplateRecord(*_TEMPLATE.unpack(payload))


def _decode_outputs(payload: memoryview, offset: int) -> OutputsRecord:
    try:
        return outputs_of(payload)
    except ValueError as error:
        raise TornTail(offset, str(error)) from error


def _decode_dues(payload: memoryview, offset: int) -> DuesRecord:
    try:
        return dues_of(payload)
    except ValueError as error:
        raise TornTail(offset, str(error)) from error


_DECODERS: dict[int, Callable[[memoryview, int], Record]] = {
    _KIND_WORKER: _decode_worker,
    _KIND_SHARE: _decode_share,
    _KIND_BLOCK: _decode_block,
    _KIND_OUTPUTS: _decode_outputs,
    _KIND_DUES: _decode_dues,
    _KIND_TEMPLATE: _decode_template,
}

KINDS = tuple(_DECODERS)
"""The kinds of records that there are, as a frame tells them."""
