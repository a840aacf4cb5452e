"""Which of a meter's readings are believed. What is not is flagged, with the reason in words.

A reading is held against the clock, against what the meter's node can carry, against the one
before and against what shares tell. A value far from the one before is a fault or a real step:
it is believed once two more readings in a row confirm it, so a step of an AI hall is believed with
the third reading, and a single wild one never.

Pure: no clock is read, and nothing that a meter may say raises.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf, isfinite, sqrt
from typing import NamedTuple

from poolserver.power.counter import CounterMove, counter_step
from poolserver.power.state import MeterReading, MeterState, Quality

# A transformer may be overloaded for a while, and a feeder's rating is not a wall: this much is
# believed at once.
OVERLOAD = 1.2
# A node that is overloaded by more is what a meter is there to tell. Beyond twice its rating
# protection trips within minutes, and current transformers are in their saturation.
MOST = 2.0

# Clocks of pool, meter and broker that are kept by NTP are within a second; this is spare.
MAX_AHEAD_S = 5.0

# A step of more than this part of the rating needs to be confirmed. A group of rigs that is
# switched is a few percent; an AI hall's step is more, and is believed two readings later.
JUMP = 0.2
CONFIRMATIONS = 2

# kW for W, MW for W, and the other way. Against its own reading before a meter is off by just
# the factor; against an estimate by as much as the estimate is, which is never the next factor.
UNIT_FACTORS = (1_000.0, 1_000_000.0)
UNIT_NEAR = 1.25
UNIT_NEAR_ESTIMATE = 4.0

# What a column of a database holds: 300 years of a gigawatt.
MOST_ENERGY_J = 2**63 - 1


@dataclass(frozen=True, slots=True)
class MeterSpec:
    """What is known of a meter beforehand."""

    name: str
    rated_w: int
    """What the load that it sees can draw at the most, in normal use."""
    accuracy_class: float = 1.0
    """In percent, as in IEC 62053: its error at the most."""
    stale_after_s: float = 60.0
    frozen_after_s: float | None = 900.0
    """The same figure for so long, to the last digit, is no measurement. None: it may be."""
    feeds_back: bool = False
    """Whether power may flow out: then it is negative."""
    counter_modulus_j: int | None = None
    """Where its energy counter begins at 0 again; None where that is not known."""

    @property
    def most_w(self) -> float:
        """Beyond this a reading cannot be true."""
        return self.rated_w * MOST

    @property
    def relative_sigma(self) -> float:
        """One standard error: an error anywhere within the class is as likely as any other
        (a rectangular distribution, JCGM 100:2008, 4.3.7)."""
        return self.accuracy_class / 100 / sqrt(3)


class MeterMemory(NamedTuple):
    """All that is kept of a meter; see ``_Meter``."""

    spec: MeterSpec
    believed: MeterState
    quality: Quality
    reason: str
    judged_at_s: float
    until_s: float | None
    last: MeterReading | None
    counter_at: tuple[float, int] | None
    same_since_s: float
    pending_w: float | None
    confirmed: int


class MeterBook:
    """All meters, each with what is believed of it. Names that it does not know raise KeyError."""

    def __init__(self, specs: Iterable[MeterSpec]) -> None:
        self._meters = {spec.name: _Meter(spec) for spec in specs}
        self.counts: Counter[tuple[str, Quality]] = Counter()
        """How many readings of each meter were judged how."""

    def __contains__(self, name: object) -> bool:
        return name in self._meters

    @property
    def specs(self) -> list[MeterSpec]:
        return [meter.spec for meter in self._meters.values()]

    def memory(self) -> list[MeterMemory]:
        """All that is kept of the meters, for ``restore``."""
        return [meter.memory() for meter in self._meters.values()]

    def restore(self, memory: Iterable[MeterMemory]) -> None:
        """Go on from what another book kept, where it knew the same of a meter beforehand.

        It is judged by the time of day as if this book had taken it: what is old is stale.
        """
        for each in memory:
            meter = self._meters.get(each.spec.name)
            if meter is not None and meter.spec == each.spec:
                meter.restore(each)

    def take(self, reading: MeterReading, now_s: float) -> MeterState:
        """Judge a reading. One that was taken already (by its time) changes nothing."""
        meter = self._meters[reading.meter]
        if not meter.has_taken(reading):
            meter.take(reading, now_s)
            self.counts[reading.meter, meter.quality] += 1
        return meter.state(now_s)

    def fault(self, name: str, reason: str, now_s: float) -> MeterState:
        """The meter cannot be reached, or says that it is broken."""
        meter = self._meters[name]
        meter.flag(Quality.FAULT, reason, now_s)
        self.counts[name, Quality.FAULT] += 1
        return meter.state(now_s)

    def expect(self, name: str, power_w: float | None) -> None:
        """What shares and signals tell of all the load that the meter sees; None where that is not
        known. It tells a wrong unit, and nothing finer than that."""
        is_known = power_w is not None and _is_finite(power_w)
        self._meters[name].expected_w = power_w if is_known else None

    def state(self, name: str, now_s: float) -> MeterState:
        """What is believed now."""
        return self._meters[name].state(now_s)


class _Meter:
    """One meter: what is believed, what is thought of the newest, and what asks to be believed."""

    def __init__(self, spec: MeterSpec) -> None:
        self.spec = spec
        self.expected_w: float | None = None
        self._believed = MeterState(spec.name, relative_sigma=spec.relative_sigma)
        self._quality, self._reason = Quality.NONE, ""
        self._judged_at_s = 0.0
        self._until_s = inf
        """How long what is believed holds, as it says itself."""
        self._last: MeterReading | None = None
        """The newest whose time was right."""
        self._counter_at: tuple[float, int] | None = None
        """When its energy counter was believed last, and what it said."""
        self._same_since_s = 0.0
        self._pending_w: float | None = None
        self._confirmed = 0

    def memory(self) -> MeterMemory:
        return MeterMemory(
            self.spec,
            self._believed,
            self._quality,
            self._reason,
            self._judged_at_s,
            None if self._until_s == inf else self._until_s,
            self._last,
            self._counter_at,
            self._same_since_s,
            self._pending_w,
            self._confirmed,
        )

    def restore(self, memory: MeterMemory) -> None:
        self._believed, self._last = memory.believed, memory.last
        self.flag(memory.quality, memory.reason, memory.judged_at_s)
        self._until_s = inf if memory.until_s is None else memory.until_s
        self._counter_at, self._same_since_s = memory.counter_at, memory.same_since_s
        self._pending_w, self._confirmed = memory.pending_w, memory.confirmed

    @property
    def quality(self) -> Quality:
        return self._quality

    def has_taken(self, reading: MeterReading) -> bool:
        """A retained message comes again with each connection."""
        return reading == self._last

    def flag(self, quality: Quality, reason: str, now_s: float) -> None:
        self._quality, self._reason, self._judged_at_s = quality, reason, now_s

    def state(self, now_s: float) -> MeterState:
        """A verdict grows old as the reading does that it was on."""
        believed, limit_s = self._believed, self.spec.stale_after_s
        quality, reason = self._quality, self._reason
        newest_s = self._judged_at_s
        if quality is Quality.GOOD and believed.at_s is not None:
            newest_s = believed.at_s
        age_s = now_s - newest_s
        if quality is not Quality.NONE and age_s > limit_s:
            quality, reason = Quality.STALE, f"the newest reading is {age_s:.0f} s old"
        elif quality is Quality.GOOD and now_s >= self._until_s:
            quality, reason = Quality.STALE, "the newest reading held no longer, as it says itself"
        elif age_s < -MAX_AHEAD_S:  # our clock was set back, and it would not grow old for so long
            quality, reason = Quality.STALE, f"the newest reading is of {-age_s:.0f} s from now"
        return replace(believed, quality=quality, reason=reason)

    def take(self, reading: MeterReading, now_s: float) -> None:
        trouble = self._wrong_time(reading, now_s)
        if trouble is None:
            trouble = self._wrong_value(reading)
            if trouble is None and reading.power_w is not None:
                trouble = self._wrong_unit(reading.power_w) or self._frozen(reading)
                trouble = trouble or self._jump(reading.power_w)
            self._last = reading
        if trouble is not None:
            self.flag(*trouble, now_s)
        else:
            self._believe(reading, now_s)

    # --- what may be wrong ------------------------------------------------------------------

    def _wrong_time(self, reading: MeterReading, now_s: float) -> "_Trouble | None":
        if not _is_finite(reading.at_s):
            return Quality.WRONG_TIME, "its time is no number"
        if reading.at_s > now_s + MAX_AHEAD_S:
            return Quality.WRONG_TIME, f"its time is {reading.at_s - now_s:.0f} s ahead"
        last = self._last
        # Where the last one is from the future by now, it was our clock that was set back.
        if last is not None and reading.at_s <= last.at_s <= now_s + MAX_AHEAD_S:
            return Quality.WRONG_TIME, "its time is not after that of the one before"
        if reading.valid_until_s is not None and not now_s < reading.valid_until_s:
            return Quality.STALE, "it had expired when it came"
        if now_s - reading.at_s > self.spec.stale_after_s:
            return Quality.STALE, f"it was {now_s - reading.at_s:.0f} s old when it came"
        return None

    def _wrong_value(self, reading: MeterReading) -> "_Trouble | None":
        power_w, energy_j = reading.power_w, reading.energy_j
        if power_w is None and energy_j is None:
            return Quality.FAULT, "it tells neither power nor energy"
        if energy_j is not None and energy_j < 0:
            return Quality.NEGATIVE, "its energy counter is below 0"
        if energy_j is not None and energy_j > MOST_ENERGY_J:
            return Quality.OUT_OF_RANGE, "its energy counter is beyond what there is"
        if power_w is None:
            return None
        if not _is_finite(power_w):
            return Quality.NOT_A_NUMBER, "its power is no number"
        if power_w < -self._zero_w and not self.spec.feeds_back:
            return Quality.NEGATIVE, f"it says {power_w:.0f} W, and power does not flow out here"
        if abs(power_w) > self.spec.most_w:
            factor = _unit_factor(abs(power_w), self.spec.rated_w, UNIT_NEAR_ESTIMATE)
            if factor and abs(power_w) / factor <= self.spec.most_w:
                return _off_by(factor, power_w, "what it can carry")
            text = f"it says {power_w:.0f} W, of at most {self.spec.most_w:.0f} W"
            return Quality.OUT_OF_RANGE, text
        return None

    @property
    def _zero_w(self) -> float:
        """What a meter without load may be off by."""
        return self.spec.rated_w * self.spec.accuracy_class / 100

    def _wrong_unit(self, power_w: float) -> "_Trouble | None":
        """Work proves that at least so much is drawn, and never that there is no other load: so
        shares decide whether a low reading is true, and speak for a high one, never against it."""
        expected_w, before_w = self.expected_w, self._believed.power_w
        if expected_w is not None and power_w < expected_w:
            factor = _unit_factor(power_w, expected_w, UNIT_NEAR_ESTIMATE)
            return _off_by(factor, power_w, "what shares tell") if factor else None
        factor = _unit_factor(abs(power_w), abs(before_w or 0.0), UNIT_NEAR)
        if factor is None or before_w is None:
            return None
        if expected_w is not None and (power_w < before_w or expected_w * 10 > power_w):
            return None
        return _off_by(factor, power_w, "what it said before")

    def _frozen(self, reading: MeterReading) -> "_Trouble | None":
        """Without load the same zero is right. A counter that goes on measures."""
        last, limit_s = self._last, self.spec.frozen_after_s
        is_same = (
            last is not None
            and reading.power_w == last.power_w
            and reading.energy_j == last.energy_j
        )
        if not is_same or reading.at_s < self._same_since_s:
            self._same_since_s = reading.at_s
        lasted_s = reading.at_s - self._same_since_s
        if limit_s is None or lasted_s < limit_s or not reading.power_w:
            return None
        return Quality.FROZEN, f"it has said {reading.power_w:.0f} W for {lasted_s:.0f} s"

    def _jump(self, power_w: float) -> "_Trouble | None":
        """Whether it is far from what is believed, and not confirmed yet."""
        before_w, rated_w = self._believed.power_w, self.spec.rated_w
        limit_w = rated_w * JUMP
        near_w, far_w = (before_w, limit_w) if before_w is not None else (0.0, rated_w * OVERLOAD)
        if abs(power_w - near_w) <= far_w:
            self._pending_w, self._confirmed = None, 0
            return None
        if self._pending_w is not None and abs(power_w - self._pending_w) <= limit_w:
            self._confirmed += 1
        else:
            self._confirmed = 0
        self._pending_w = power_w
        if self._confirmed < CONFIRMATIONS:
            if before_w is None:
                text = f"it begins with {power_w:.0f} W, rated {rated_w} W, not confirmed yet"
                return Quality.OUT_OF_RANGE, text
            return Quality.JUMP, f"from {before_w:.0f} W to {power_w:.0f} W, not confirmed yet"
        self._pending_w, self._confirmed = None, 0
        return None

    # --- what is believed -------------------------------------------------------------------

    def _believe(self, reading: MeterReading, now_s: float) -> None:
        power_w = reading.power_w
        if power_w is not None and not self.spec.feeds_back:
            power_w = max(power_w, 0.0)  # no load, and the meter is off by a little
        epoch, reason = self._counter(reading)
        self._believed = replace(
            self._believed,
            power_w=power_w,
            energy_j=reading.energy_j,
            counter_epoch=epoch,
            at_s=reading.at_s,
        )
        self._until_s = inf if reading.valid_until_s is None else reading.valid_until_s
        self.flag(Quality.GOOD, reason, now_s)

    def _counter(self, reading: MeterReading) -> tuple[int, str]:
        """The epoch of its energy counter, and what is to be told of it."""
        epoch, before, spec = self._believed.counter_epoch, self._counter_at, self.spec
        if reading.energy_j is None:
            return epoch, ""
        self._counter_at = reading.at_s, reading.energy_j
        if before is None:
            return epoch, ""
        before_s, before_j = before
        elapsed_s, after_j = reading.at_s - before_s, reading.energy_j
        step = counter_step(before_j, after_j, elapsed_s, spec.most_w, spec.counter_modulus_j)
        if step.move is CounterMove.GREW:
            return epoch, ""
        text = f"its energy counter {step.move.value} from {before_j} J to {after_j} J"
        return epoch + (step.move is not CounterMove.ROLLED_OVER), text


_Trouble = tuple[Quality, str]


def _is_finite(value: float) -> bool:
    try:
        return isfinite(value)
    except OverflowError:  # of an int that no float holds
        return False


def _unit_factor(power_w: float, reference_w: float, near: float) -> float | None:
    """The factor that it is off by, either way, if it is off by that of a unit."""
    if power_w <= 0 or reference_w <= 0:
        return None
    ratio = max(power_w / reference_w, reference_w / power_w)
    return next((each for each in UNIT_FACTORS if each / near <= ratio <= each * near), None)


def _off_by(factor: float, power_w: float, what: str) -> _Trouble:
    return Quality.WRONG_UNIT, f"it says {power_w:.0f} W, off by {factor:.0f} from {what}"
