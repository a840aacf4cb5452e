"""What outlives a process of the control room, as bytes: for its books, and for the next process.

What others have said (``Words``) is in the books at each save, and is heard again after any
restart; it tells itself how long it holds. What the desk has made of it (``RoomState``) is worth
something only to a process that goes on at once, and grows with rigs and racks: that is handed on.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple, TypeVar

import msgspec
import structlog

from poolserver.control_room.books import OutsideBooks
from poolserver.control_room.desk import DeskState
from poolserver.control_room.news import NewsState
from poolserver.ledger.energy_facts import PowerTick
from poolserver.power.readings import MeterMemory
from poolserver.power.rig_book import ConnectedRig
from poolserver.power.signal import AiLoadSignal

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Words(NamedTuple):
    """What meters and AI loads said last."""

    ai_loads: list[AiLoadSignal]
    meters: list[MeterMemory]


class RoomState(NamedTuple):
    """``offset_s`` makes the room's time of the monotonic clock, which the next process has too."""

    offset_s: float
    rigs: list[ConnectedRig]
    desk: DeskState
    news: NewsState
    last_tick: PowerTick | None
    """Of the energy ledger: it held until the next one."""


def words_of(books: OutsideBooks) -> str:
    """As text."""
    words = Words(books.ai_loads.words(), books.meters.memory())
    return msgspec.json.encode(words, enc_hook=_plain).decode()


def hear_again(books: OutsideBooks, text: str) -> None:
    """Take up what ``words_of`` gave; what is of another version is left out, and told."""
    words = _read(lambda: msgspec.json.decode(text, type=Words, dec_hook=_typed), "words")
    if words is not None:
        books.ai_loads.restore(words.ai_loads)
        books.meters.restore(words.meters)


def encode(state: RoomState) -> bytes:
    """As bytes."""
    return msgspec.msgpack.encode(state, enc_hook=_plain)


def decode(state: bytes) -> RoomState | None:
    """What ``encode`` gave; None where it is of another version, which is told."""
    return _read(lambda: msgspec.msgpack.decode(state, type=RoomState, dec_hook=_typed), "the desk")


def _read(read: Callable[[], T], what: str) -> T | None:
    try:
        return read()
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        log.warning("power_not_restored", what=what, reason=str(error))
        return None


def _plain(value: object) -> object:
    if isinstance(value, Fraction):
        return str(value)
    raise NotImplementedError(f"{type(value)} is no part of it")


def _typed(kind: type, value: object) -> object:
    if kind is Fraction:
        return Fraction(str(value))
    raise NotImplementedError(f"{kind} is no part of it")
