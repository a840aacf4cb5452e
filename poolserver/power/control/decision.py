"""What goes into a tick and what comes out of it. Power in watts, times in Unix seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from poolserver.power.control.headroom import Cap, Overload
from poolserver.power.control.states import DeviceState, SiteState
from poolserver.power.rating import Rating
from poolserver.power.state import EffectiveLimit, Limit

RigKey = tuple[str, str, int, int, int]
"""A node and a rating: a fraction takes too long to look up some thousand times a tick."""


def rig_key(node: str, rating: Rating) -> RigKey:
    """What a group of rigs is looked up by."""
    efficiency = rating.j_per_th
    return node, rating.model, rating.source, efficiency.numerator, efficiency.denominator


class Action(StrEnum):
    """What whoever talks to rigs is told to do. It keeps which rigs are in which batch."""

    OFF = "off"
    """Switch off up to so many rigs of this rating at this node: they are this batch now."""
    OFF_AGAIN = "off_again"
    """Tell those of this batch once more that go on hashing, by the next stronger means."""
    ON = "on"
    """Switch on so many of the batch that they are taken from; they are this batch now."""
    GIVE_UP = "give_up"
    """Those that did not do it are this batch now, and are left alone for a while."""
    RELEASE = "release"
    """So many of the batch (those that hash, if not all) are in no batch any more."""


class Command(NamedTuple):
    """An order, or in OBSERVE an intended one."""

    action: Action
    batch: int
    """The number of the batch; 0 of an intended one."""
    node: str
    rating: Rating
    rigs: int
    power_w: float
    """Of these rigs at their plugs: what the order is expected to change."""
    taken_from: int = 0
    attempt: int = 1
    spread_s: float = 0.0


class BatchReport(NamedTuple):
    """How far a batch is: numbers of its rigs. Each report tells all, not what is new."""

    batch: int
    acknowledged: int = 0
    silent: int = 0
    """Whose silence is certain."""
    hashing: int = 0
    """Whose shares have come since the order to start; of an OFF batch: again, by themselves."""
    rigs: int | None = None
    """How many there are in the batch, if fewer were found than were ordered off, or some of them
    are gone for good. None: as many as were ordered."""


class Batch(NamedTuple):
    """Rigs of one rating at one node that were given an order together."""

    number: int
    node: str
    rating: Rating
    rigs: int
    rig_w: float
    """Of one of them at its plug, running."""
    state: DeviceState
    issued_s: float
    """When they were told."""
    since_s: float
    """When they got into this state, or were told again."""
    attempts: int = 1

    @property
    def power_w(self) -> float:
        return self.rigs * self.rig_w


@dataclass(frozen=True, slots=True)
class Intention:
    """What is done to keep a node within its limit, or would be: one for each binding node."""

    action: Action
    node: str
    """The node whose limit binds; of ON the site."""
    limit: Limit | None
    rigs: int
    power_w: float
    """Of these rigs at their plugs."""
    nodes: tuple[str, ...]
    """Where they are."""
    dry: bool
    """Whether it is only told."""
    reason: str
    since_s: float
    short_w: float = 0.0
    """What is over still when all rigs that may be switched off are."""


@dataclass(frozen=True, slots=True)
class ControlState:
    """All that the controller remembers between two ticks: plain data."""

    sites: Mapping[str, SiteState] = field(default_factory=dict)
    """Those that are not here are in OBSERVE."""
    batches: tuple[Batch, ...] = ()
    next_batch: int = 1
    expected_w: Mapping[str, float] = field(default_factory=dict)
    """By path: what mining will draw when all commands under way have had their effect."""
    expected_rigs: Mapping[RigKey, float] = field(default_factory=dict)
    """The same of the rigs that hash, where commands are under way."""
    over: frozenset[str] = frozenset()
    """The nodes that were acted on and are not back within their limit yet."""
    blind_since: Mapping[str, float] = field(default_factory=dict)
    """Nodes whose meter is not relied on."""
    intentions: Mapping[tuple[Action, str], Intention] = field(default_factory=dict)
    """As they were told last, by action and node."""
    seen: Mapping[str, Cap] = field(default_factory=dict)
    """By path: as each node was when it was told of last, or in the tick before."""
    last_off_s: Mapping[str, float] = field(default_factory=dict)
    """By path: when rigs there were switched off last, so that it is others' turn."""

    def site(self, name: str) -> SiteState:
        return self.sites.get(name, SiteState.OBSERVE)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a tick comes to."""

    commands: tuple[Command, ...] = ()
    """To be carried out. None at sites in OBSERVE and MANUAL."""
    intended: tuple[Command, ...] = ()
    """What would be, at those."""
    intentions: tuple[Intention, ...] = ()
    """All that stand, told or not."""
    told: tuple[str, ...] = ()
    """Sentences that are news: for the log."""
    overloads: tuple[Overload, ...] = ()
    """All nodes that are over their limit in this tick, whatever is done about it."""
    blind: tuple[str, ...] = ()
    """Nodes below which nothing may rise."""
    limits: Mapping[str, EffectiveLimit] = field(default_factory=dict)
    """Of all load, by path: those that were read, and failsafe ones where a meter is not heard."""
