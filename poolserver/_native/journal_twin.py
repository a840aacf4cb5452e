"""The journal's part of the C extension said in Python: records packed, and summed. See twin.py."""

from struct import Struct
from typing import Any
from zlib import crc32

from poolserver._native.arguments import as_bytes, as_sized, as_uint, wrong_type
from poolserver._native.share_sum import ShareSum
from poolserver._native.totals_twin import ACCEPTED, OUTCOMES, ShareTotals

# A share's record whole: checksum, length, kind, sequence, worker_ref, outcome, proven,
# job_number, unix_ms, work (low and high half), hash. See ledger/records.py.
_SHARE = Struct("<IHBQIBBQQQQ32s")
_FRAME = Struct("<IHBQ")
_CRC = Struct("<I")
_PAYLOAD_SIZE = _SHARE.size - _FRAME.size
_KIND_SHARE = 2
_KIND_LAST = 6

_UINT8_MAX = 2**8 - 1
_UINT32_MAX = 2**32 - 1
_INT64_MAX = 2**63 - 1
_UINT64_MAX = 2**64 - 1
_UINT128_MAX = 2**128 - 1


def pack_share(
    buffer: bytearray | memoryview,
    offset: int,
    sequence: int,
    worker_ref: int,
    outcome: int,
    proven: bool,
    work: int,
    job_number: int,
    unix_ms: int,
    hash_le: bytes,
    /,
) -> None:
    """Write a share's record of 85 bytes into ``buffer``, or nothing."""
    view = _writable(buffer)
    if len(view) < _SHARE.size:
        raise ValueError(f"buffer must have at least {_SHARE.size} bytes, has {len(view)}")
    as_uint(offset, "offset", len(view) - _SHARE.size)
    as_uint(sequence, "sequence", _UINT64_MAX)
    as_uint(worker_ref, "worker_ref", _UINT32_MAX)
    as_uint(outcome, "outcome", _UINT8_MAX)
    as_uint(proven, "proven", 1)
    as_uint(work, "work", _UINT128_MAX)
    as_uint(job_number, "job_number", _UINT64_MAX)
    as_uint(unix_ms, "unix_ms", _UINT64_MAX)
    as_sized(hash_le, "hash_le", 32)
    _SHARE.pack_into(
        view,
        offset,
        *(0, _PAYLOAD_SIZE, _KIND_SHARE, sequence),
        *(worker_ref, outcome, proven, job_number, unix_ms),
        *(work & _UINT64_MAX, work >> 64, hash_le),
    )
    _CRC.pack_into(view, offset, crc32(view[offset + 4 : offset + _SHARE.size]))


def skip_records(records: bytes, offset: int, sequence: int, enough: int, /) -> tuple[int, int]:
    """Step over whole records of known kinds, from the one at ``offset``, number ``sequence``."""
    _check_walk(records, offset, sequence)
    as_uint(enough, "enough", _INT64_MAX)
    begin, first_sequence = offset, sequence
    while offset - begin < enough and (size := _whole_record(records, offset, sequence)):
        offset, sequence = offset + size, sequence + 1
    return offset, sequence - first_sequence


def sum_shares(
    records: bytes, offset: int, sequence: int, interval_ms: int, open_from_ms: int, /
) -> tuple[int, int, list[ShareSum]]:
    """Add up the shares that begin at ``offset``, up to the first record that is no good share."""
    _check_walk(records, offset, sequence)
    as_uint(interval_ms, "interval_ms", _UINT64_MAX)
    as_uint(open_from_ms, "open_from_ms", _UINT64_MAX)
    if interval_ms == 0:
        raise ValueError("interval_ms must not be 0")
    groups: dict[tuple[int, int, int, bool], _Group] = {}
    first_sequence = sequence
    while _whole_record(records, offset, sequence) == _SHARE.size:
        _, size, kind, _, ref, outcome, proven, _, unix_ms, low, high, hash_le = _SHARE.unpack_from(
            records, offset
        )
        if kind != _KIND_SHARE or size != _PAYLOAD_SIZE or outcome >= OUTCOMES:
            break
        if unix_ms > _INT64_MAX:
            break
        begin_ms = max(unix_ms - unix_ms % interval_ms, open_from_ms)
        key = ref, begin_ms, high << 64 | low, proven != 0
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(unix_ms)
        group.add(outcome, proven != 0, unix_ms, hash_le)
        offset, sequence = offset + _SHARE.size, sequence + 1
    return offset, sequence - first_sequence, [group.sum(key) for key, group in groups.items()]


class _Group:
    __slots__ = ("best", "first_ms", "last_ms", "outcomes")

    def __init__(self, unix_ms: int) -> None:
        self.outcomes = [0] * OUTCOMES
        self.best: int | None = None
        self.first_ms = self.last_ms = unix_ms

    def add(self, outcome: int, proven: bool, unix_ms: int, hash_le: bytes) -> None:
        self.outcomes[outcome] += 1
        if proven and outcome == ACCEPTED:
            value = int.from_bytes(hash_le, "little")
            self.best = value if self.best is None else min(self.best, value)
        self.first_ms = min(self.first_ms, unix_ms)
        self.last_ms = max(self.last_ms, unix_ms)

    def sum(self, key: tuple[int, int, int, bool]) -> ShareSum:
        worker_ref, interval_ms, work, is_proven = key
        proven = sum(self.outcomes) if is_proven else 0
        accepted = self.outcomes[ACCEPTED] if is_proven else 0
        totals: Any = ShareTotals(  # to a type checker the C class, which this one is like
            work * accepted,
            work * proven,
            work * work * proven,
            self.outcomes,
            self.best,
            self.first_ms,
            self.last_ms,
        )
        return ShareSum(worker_ref, interval_ms, totals)


def _whole_record(records: bytes, offset: int, sequence: int) -> int:
    """The size of the record at ``offset``, 0 if there is none of that number."""
    if len(records) - offset < _FRAME.size:
        return 0
    checksum, length, kind, number = _FRAME.unpack_from(records, offset)
    end: int = offset + _FRAME.size + length
    if (
        end > len(records)
        or not 0 < kind <= _KIND_LAST
        or number != sequence
        or crc32(records[offset + _CRC.size : end]) != checksum
    ):
        return 0
    return end - offset


def _check_walk(records: bytes, offset: int, sequence: int) -> None:
    as_bytes(records, "records")
    as_uint(offset, "offset", len(records))
    as_uint(sequence, "sequence", _INT64_MAX)


def _writable(buffer: bytearray | memoryview) -> memoryview:
    try:
        view = memoryview(buffer)
    except TypeError as error:
        raise wrong_type("buffer", "a writable buffer", buffer) from error
    if view.readonly or not view.c_contiguous:
        raise BufferError("buffer must be writable and in one piece")
    return view.cast("B")
