"""Meters on their way to the database and back, over a clock that stood still meanwhile.

A blob, little-endian: format version u8, CRC-32 u32 of what follows, what the monotonic clock
showed at the save f64, the meter (meter.py). Beside it stands the time of day of the save: what
has passed since then is taken as observed without a share.
"""

from collections.abc import Iterable, Iterator
from math import isfinite
from struct import Struct, iter_unpack
from zlib import crc32

from poolserver.ledger.meter_sql import MeterRow
from poolserver.stats import meter
from poolserver.stats.meters import Changes, Level, MeterName

VERSION = 1

_HEAD = Struct("<BI")
_AT = Struct("<d")
SIZE = _HEAD.size + _AT.size + meter.STATE_SIZE


class NoMeter(ValueError):
    """A blob is damaged, or of a newer version."""


def seal(state: bytes, at_s: float) -> bytes:
    """The blob of a meter that is saved at ``at_s`` of its own clock."""
    body = _AT.pack(at_s) + state
    return _HEAD.pack(VERSION, crc32(body)) + body


def unseal(blob: bytes) -> tuple[bytes, float]:
    """The meter, and when it was saved by its clock.

    Raises:
        NoMeter: it cannot be read.
    """
    if blob[:1] != bytes([VERSION]):
        raise NoMeter("of another version")
    if len(blob) != SIZE:
        raise NoMeter("of a wrong length")
    _, checksum = _HEAD.unpack_from(blob)
    body = blob[_HEAD.size :]
    if crc32(body) != checksum or not all(isfinite(each) for (each,) in iter_unpack("<d", body)):
        raise NoMeter("damaged")
    return body[_AT.size :], _AT.unpack_from(body)[0]


def rows_of(changes: Changes, at_s: float, saved_at_ms: int) -> Iterator[MeterRow]:
    """Rows for the database, made as they are asked for."""
    for level, states in changes.items():
        for (account, name), state in states.items():
            yield MeterRow(level, account, name, saved_at_ms, seal(state, at_s))


def meters_of(
    rows: Iterable[MeterRow], now_s: float, now_ms: int
) -> tuple[dict[Level, dict[MeterName, bytes]], dict[str, int]]:
    """Meters by level with their times on the clock that shows ``now_s``.

    A time of day before that of the save decays nothing.

    Returns:
        Also, of the rows that cannot be read: how many there are for each reason.
    """
    meters: dict[Level, dict[MeterName, bytes]] = {level: {} for level in Level}
    dropped: dict[str, int] = {}
    for row in rows:
        try:
            state, at_s = unseal(row.state)
            level = Level(row.level)
        except ValueError as error:
            reason = str(error) if isinstance(error, NoMeter) else "of an unknown level"
            dropped[reason] = dropped.get(reason, 0) + 1
            continue
        passed_s = max(0, now_ms - row.saved_at_ms) / 1000
        name = (row.account, row.name)
        meters[level][name] = meter.moved(state, now_s - passed_s - at_s)
    return meters, dropped
