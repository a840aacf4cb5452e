"""What is known of power at one moment: what passes between meters, estimator, budget, controller.

All pure data. Power in watts, times in Unix seconds (``at_s``), relative errors as fractions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from poolserver.power.rating import Rating
from poolserver.power.uncertain import NOTHING, Uncertain

# --- meters -----------------------------------------------------------------------------------


class Quality(StrEnum):
    """What is thought of a meter's newest reading. All but GOOD are told, and not believed."""

    GOOD = "good"
    NONE = "none"
    """There was none yet."""
    STALE = "stale"
    """The newest is too old."""
    NOT_A_NUMBER = "not_a_number"
    NEGATIVE = "negative"
    OUT_OF_RANGE = "out_of_range"
    """Beyond what the meter's node can carry."""
    WRONG_UNIT = "wrong_unit"
    """Off by a power of ten from what it said before or what shares tell: kW for W."""
    JUMP = "jump"
    """Too far from the one before; believed once others confirm it."""
    FROZEN = "frozen"
    """The same figure for so long that nobody measures any more."""
    WRONG_TIME = "wrong_time"
    """From the future, or from before the one before."""
    FAULT = "fault"
    """The meter cannot be reached, or says itself that it is broken."""


class MeterReading(NamedTuple):
    """What a meter says, before anybody has judged it."""

    meter: str
    at_s: float
    power_w: float | None = None
    energy_j: int | None = None
    """Its counter, that only grows; in joules whatever its own unit is."""
    valid_until_s: float | None = None
    """As it says itself; None: as long as any reading of the meter does."""


@dataclass(frozen=True, slots=True)
class MeterState:
    """A meter now: the last reading that is believed, and what is thought of the newest."""

    name: str
    quality: Quality = Quality.NONE
    reason: str = ""
    """For people: why the newest is not believed."""
    power_w: float | None = None
    energy_j: int | None = None
    counter_epoch: int = 0
    """Grows when its energy counter was set back or leapt: what it gained over that is not known.
    A counter that rolled over goes on in its epoch (counter.py)."""
    at_s: float | None = None
    """Of the reading that is believed."""
    relative_sigma: float = 0.0
    """One standard error of its power, of its accuracy class (class 0.5: 0.5 % at the most)."""

    @property
    def is_good(self) -> bool:
        """Whether ``power_w`` can be believed now."""
        return self.quality is Quality.GOOD and self.power_w is not None


# --- what a node draws -------------------------------------------------------------------------


class Method(StrEnum):
    """How a power or an energy is known, the best first."""

    METER = "meter"
    """Its own meter."""
    SUM = "sum"
    """What is below it, some of it metered."""
    CALIBRATED = "calibrated"
    """Its rigs' proven work, corrected by what a meter has shown."""
    SHARES = "shares"
    """Its rigs' proven work."""
    NOTHING = "nothing"


class RigGroup(NamedTuple):
    """Rigs of one rating at one node: alike, as far as anybody knows."""

    node: str
    rating: Rating
    rigs: int
    """Those that hash."""
    silent: int
    """Those that are connected and have fallen silent."""
    power_w: float
    """Of those that hash, together, at their own plugs (before PUE)."""


@dataclass(frozen=True, slots=True)
class NodePower:
    """What a node draws, as far as is known. At a site and above with PUE, below it without."""

    path: str
    hashrate_h_s: Uncertain = NOTHING
    """Proven, over the window that was asked for."""
    accepted_h_s: float = 0.0
    estimated_w: Uncertain = NOTHING
    """Mining, by proven work and ratings alone."""
    calibrated_w: Uncertain = NOTHING
    """The same, corrected where meters have shown how far ratings are off."""
    mining_w: Uncertain = NOTHING
    """What mining is believed to draw."""
    ai_w: float = 0.0
    """What AI load at this node and below it draws, or is taken to."""
    ai_known: bool = True
    """Whether all of that is told by meters or signals, and not assumed."""
    auxiliary_w: float = 0.0
    total_w: Uncertain = NOTHING
    """All of it: the node's meter, or mining, AI and auxiliary load together."""
    method: Method = Method.NOTHING
    """How ``total_w`` is known."""
    meter: MeterState | None = None
    """Of its own meter, if it has one."""
    residual_w: Uncertain | None = None
    """Metered less AI, auxiliary and *uncalibrated* estimate: load that mines elsewhere, or does
    not mine at all. None without a good meter."""

    @property
    def by_shares_w(self) -> float:
        """All load, with mining by proven work and ratings alone."""
        return self.estimated_w.value + self.ai_w + self.auxiliary_w


# --- limits ------------------------------------------------------------------------------------


class LimitKind(StrEnum):
    """What a limit is."""

    PHYSICAL = "physical"
    SCHEDULE = "schedule"
    OVERRIDE = "override"
    FAILSAFE = "failsafe"
    MINING = "mining"
    """Of mining alone."""


class Limit(NamedTuple):
    """What a node may draw by one of those who have a say."""

    node: str
    kind: LimitKind
    limit_w: int
    source: str
    """Who says so: a schedule, a dispatcher, a person; of a physical limit the node's kind."""
    reason: str = ""
    valid_until_s: float | None = None


@dataclass(frozen=True, slots=True)
class EffectiveLimit:
    """The least of all limits of a node. ``limits`` are all that hold now, the least first."""

    limit_w: int | None
    """None: nothing limits it."""
    limits: tuple[Limit, ...] = ()

    @property
    def binding(self) -> Limit | None:
        """The one that binds."""
        return self.limits[0] if self.limits else None


@dataclass(frozen=True, slots=True)
class Readings:
    """All that the controller looks at in a tick."""

    nodes: Mapping[str, NodePower]
    limits: Mapping[str, EffectiveLimit]
    """Of all load; by path."""
    mining_limits: Mapping[str, EffectiveLimit] = field(default_factory=dict)
    """Of mining alone; by path, those that have one."""
    groups: tuple[RigGroup, ...] = ()
