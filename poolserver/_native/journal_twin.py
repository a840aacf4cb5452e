"""The journal's part of the C extension said in Python: shares into sums. See twin.py."""

from struct import Struct
from typing import NamedTuple
from zlib import crc32

# A share's record whole: checksum, length, kind, sequence, worker_ref, outcome, proven,
# job_number, unix_ms, work (low and high half), hash. See ledger/records.py.
_SHARE = Struct("<IHBQIBBQQQQ32s")
_FRAME_SIZE = 15
_PAYLOAD_SIZE = _SHARE.size - _FRAME_SIZE
_KIND_SHARE = 2
_ACCEPTED = 0

#: As many outcomes as ``mining.share.ShareOutcome`` has.
OUTCOMES = 10


class ShareSum(NamedTuple):
    """Shares of one worker, interval and work, added up."""

    worker_ref: int
    interval_ms: int
    """When the interval begins that they are booked in, in Unix milliseconds."""
    work: int
    """Of each of them, in hashes."""
    proven: bool
    """Whether their work was done."""
    outcomes: tuple[int, ...]
    """How many there are of each outcome, by its number."""
    best_hash_le: bytes | None
    """The lowest hash of those that are proven and accepted."""
    first_ms: int
    last_ms: int


def sum_shares(
    records: bytes, offset: int, sequence: int, interval_ms: int, open_from_ms: int, /
) -> tuple[int, int, list[ShareSum]]:
    """Add up the shares that begin at ``offset``, up to the first record that is no good share.

    That may be one of another kind, a damaged one, one that is cut short or has not the number
    that is due (``sequence`` is the first one's), or the end. A share is booked in the interval
    of ``interval_ms`` (which divides a day) that it was made in, or that begins at
    ``open_from_ms`` if that is later.

    Returns:
        The offset at which it stopped, the number of shares, and their sums in the order in which
        each came up first.
    """
    groups: dict[tuple[int, int, int, bool], _Group] = {}
    begun = sequence
    while offset + _SHARE.size <= len(records):
        checksum, size, kind, number, ref, outcome, proven, _, unix_ms, low, high, hash_le = (
            _SHARE.unpack_from(records, offset)
        )
        end = offset + _SHARE.size
        if (
            kind != _KIND_SHARE
            or size != _PAYLOAD_SIZE
            or number != sequence
            or outcome >= OUTCOMES
            or crc32(records[offset + 4 : end]) != checksum
        ):
            break
        key = (
            ref,
            max(unix_ms - unix_ms % interval_ms, open_from_ms),
            high << 64 | low,
            proven != 0,
        )
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(unix_ms)
        group.add(outcome, proven != 0, unix_ms, hash_le)
        offset, sequence = end, sequence + 1
    return offset, sequence - begun, [group.sum(key) for key, group in groups.items()]


class _Group:
    __slots__ = ("best", "first_ms", "last_ms", "outcomes")

    def __init__(self, unix_ms: int) -> None:
        self.outcomes = [0] * OUTCOMES
        self.best: int | None = None
        self.first_ms = self.last_ms = unix_ms

    def add(self, outcome: int, proven: bool, unix_ms: int, hash_le: bytes) -> None:
        self.outcomes[outcome] += 1
        if proven and outcome == _ACCEPTED:
            value = int.from_bytes(hash_le, "little")
            self.best = value if self.best is None else min(self.best, value)
        self.first_ms = min(self.first_ms, unix_ms)
        self.last_ms = max(self.last_ms, unix_ms)

    def sum(self, key: tuple[int, int, int, bool]) -> ShareSum:
        best = None if self.best is None else self.best.to_bytes(32, "little")
        return ShareSum(*key, tuple(self.outcomes), best, self.first_ms, self.last_ms)
