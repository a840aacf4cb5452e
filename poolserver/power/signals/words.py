"""What a message says: JSON of MQTT and of the HTTP API into readings and signals. Pure.

Each quantity has its unit in its name (``power_kw``), and exactly one form of it may be given: a
number without a unit is where wrong units come from. Times are RFC 3339 with an offset, or Unix
seconds.
"""

from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from poolserver.power.registers import ENERGY_UNITS_J, POWER_UNITS_W
from poolserver.power.signal import AiLoadSignal, BudgetSignal
from poolserver.power.state import MeterReading

# All that may be said takes some hundred bytes.
MOST_BYTES = 4096

Moment = Annotated[datetime, Meta(tz=True)] | float
# No NUL: PostgreSQL's texts hold none, and the word would never be written down.
Words = Annotated[str, Meta(max_length=200, pattern="^[^\\x00]*$")]
W = TypeVar("W", bound=msgspec.Struct)


class WordError(ValueError):
    """A message that makes no sense; the text says why, to whoever sent it."""


class MeterWord(msgspec.Struct, frozen=True):
    """Gateways add fields of their own: what is not known is passed over."""

    ts: Moment | None = None
    valid_until: Moment | None = None
    power_w: float | None = None
    power_kw: float | None = None
    power_mw: float | None = None
    energy_wh: float | None = None
    energy_kwh: float | None = None
    energy_mwh: float | None = None


class AiLoadWord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is not known is refused: it may be a mistyped ``valid_until``."""

    valid_until: Moment
    ts: Moment | None = None
    power_w: float | None = None
    power_kw: float | None = None
    power_mw: float | None = None


class BudgetWord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Without ``valid_until`` it holds until it is taken back, with ``withdraw``."""

    ts: Moment | None = None
    valid_until: Moment | None = None
    limit_w: float | None = None
    limit_kw: float | None = None
    limit_mw: float | None = None
    withdraw: bool = False
    of_mining: bool = False
    source: Words | None = None
    reason: Words = ""


class SiteWord(msgspec.Struct, frozen=True):
    """What others are told of a site. Power in watts, ``ts`` in Unix seconds."""

    ts: float
    power_w: float
    sigma_w: float
    limit_w: int | None
    state: str


def meter_reading(name: str, body: bytes, now_s: float | None = None) -> MeterReading:
    """A meter's word. ``now_s`` is the time of one that tells none; None: it must tell.

    Raises:
        WordError: it makes no sense, or has expired.
    """
    word = _decoded(body, MeterWord)
    power_w = _one_of(word, "power", POWER_UNITS_W)
    energy_j = _one_of(word, "energy", ENERGY_UNITS_J)
    if power_w is None and energy_j is None:
        raise WordError("it has neither power (power_w, power_kw, power_mw) nor energy")
    if energy_j is not None and not isfinite(energy_j):
        raise WordError("its energy is no number")
    at_s = _at_s(word.ts, now_s)
    until_s = _seconds(word.valid_until)
    if until_s is not None and now_s is not None and until_s <= now_s:
        raise WordError("it has expired")
    energy_j = None if energy_j is None else round(energy_j)
    return MeterReading(name, at_s, power_w, energy_j, until_s)


def ai_load_signal(
    site: str, name: str, body: bytes, source: str, now_s: float | None = None
) -> AiLoadSignal:
    """A word on an AI load.

    Raises:
        WordError: it makes no sense.
    """
    word = _decoded(body, AiLoadWord)
    power_w = _one_of(word, "power", POWER_UNITS_W)
    if power_w is None:
        raise WordError("it has no power: power_w, power_kw or power_mw")
    until_s = _seconds(word.valid_until)
    assert until_s is not None  # the field is required
    return AiLoadSignal(site, name, power_w, _at_s(word.ts, now_s), until_s, source)


def budget_signal(
    node: str,
    body: bytes,
    source: str,
    issued_by: str,
    now_s: float | None = None,
    *,
    may_name_source: bool = False,
) -> BudgetSignal:
    """A word on what a node may draw.

    Raises:
        WordError: it makes no sense.
    """
    word = _decoded(body, BudgetWord)
    limit_w = _one_of(word, "limit", POWER_UNITS_W)
    if (limit_w is None) is not word.withdraw:
        raise WordError("it needs one of limit_w, limit_kw and limit_mw, or withdraw")
    if word.source is not None and not may_name_source:
        raise WordError("source: is who asks, and cannot be given")
    return BudgetSignal(
        node,
        limit_w,
        word.source or source,
        _at_s(word.ts, now_s),
        _seconds(word.valid_until),
        word.reason,
        issued_by,
        word.of_mining,
    )


def _decoded(body: bytes, kind: type[W]) -> W:
    if len(body) > MOST_BYTES:
        raise WordError(f"it is longer than {MOST_BYTES} bytes")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise WordError(str(error)[:200]) from None


def _one_of(word: msgspec.Struct, what: str, units: Mapping[str, int]) -> float | None:
    """The quantity in its smallest unit, whichever unit it was told in."""
    given = {unit: getattr(word, f"{what}_{unit.lower()}") for unit in units}
    told = [(unit, value) for unit, value in given.items() if value is not None]
    if len(told) > 1:
        names = " and ".join(f"{what}_{unit.lower()}" for unit, _ in told)
        raise WordError(f"it has {names}: give one of them")
    return told[0][1] * units[told[0][0]] if told else None


def _at_s(ts: Moment | None, now_s: float | None) -> float:
    at_s = _seconds(ts)
    if at_s is None:
        at_s = now_s
    if at_s is None:
        raise WordError("it has no ts: a retained message would seem new for ever")
    return at_s


def _seconds(moment: Moment | None) -> float | None:
    return moment.timestamp() if isinstance(moment, datetime) else moment
