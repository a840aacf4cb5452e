"""What goes into a tick and what comes out of it. Power in watts, times in Unix seconds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from poolserver.power.control.states import DeviceState, SiteState
from poolserver.power.rating import Rating
from poolserver.power.state import Limit


@dataclass(frozen=True, slots=True)
class Terms:
    """How the controller behaves. The figures are those of the site's design."""

    dead_band: float = 0.01
    """Of a limit: rigs are switched off down to so much below it, and on up to there."""
    ramp: float = 0.01
    """Of a site's limit: so much is switched on in a tick at the most."""
    reserve: float = 0.0
    """Of a limit: kept free always. For operators whose rigs' ratings are all there is."""
    noise_sigmas: float = 2.0
    """A figure that is over its limit by less than so much of its own chance is not acted on;
    it is told. Of a meter's this is far below the dead band and changes nothing."""
    min_on_s: float = 300.0
    min_off_s: float = 300.0
    stale_s: float = 60.0
    """A meter without a good reading for so long is not relied on: nothing rises below it."""
    failsafe_after_s: float = 300.0
    """After so long without one the failsafe limit of its node holds."""
    failsafe_w: Mapping[str, int] = field(default_factory=dict)
    """By path. Where there is none, nothing rises and that is all."""
    settle_s: float = 75.0
    """A command that was not seen in what is drawn by then will not be: a meter is read every
    few seconds, an estimate by shares is over a minute."""
    verify_s: float = 60.0
    """Rigs that go on hashing for so long are told again. One rig's silence is certain to
    99.9 % after 35 s at 12 shares a minute."""
    attempts: int = 3
    start_s: float = 900.0
    """A rig that does not hash so long after it was told to start will not."""
    failed_s: float = 3600.0
    """Rigs that failed are tried again after so long."""
    counts_lag_s: float = 300.0
    """The number of rigs that hash may be behind by so much: silence has to be waited for."""
    cold_start: float = 1.1
    """What a rig that starts is counted at, over what it drew: fans at full speed, tuning."""
    spread_s: float = 5.0
    """Rigs of one command start within so long, each at another moment."""


class Action(StrEnum):
    """What whoever talks to rigs is told to do. It keeps which rigs are in which batch."""

    OFF = "off"
    """Switch off up to so many rigs of this rating at this node; they are this batch from now on."""
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


class Overload(NamedTuple):
    """A node that draws more than it may, whether anything can be done or not."""

    node: str
    excess_w: float
    chance: float
    """That it really is over, by the error of what is known of it."""
    limit: Limit


class Seen(NamedTuple):
    """What was known of a node in a tick, for telling what has changed since."""

    limit: Limit
    ai_w: float
    mining_w: float
    other_w: float
    """Neither AI nor mining."""
    method: str


@dataclass(frozen=True, slots=True)
class ControlState:
    """All that the controller remembers between two ticks: plain data."""

    sites: Mapping[str, SiteState] = field(default_factory=dict)
    """Those that are not here are in OBSERVE."""
    batches: tuple[Batch, ...] = ()
    next_batch: int = 1
    expected_w: Mapping[str, float] = field(default_factory=dict)
    """By path: what mining will draw when all commands under way have had their effect."""
    expected_rigs: Mapping[tuple[str, Rating], float] = field(default_factory=dict)
    """The same of the rigs that hash, where commands are under way."""
    over: frozenset[str] = frozenset()
    """The nodes that were acted on and are not back within their limit yet."""
    blind_since: Mapping[str, float] = field(default_factory=dict)
    """Nodes whose meter is not relied on."""
    intentions: Mapping[tuple[Action, str], Intention] = field(default_factory=dict)
    """As they were told last, by action and node."""
    seen: Mapping[str, Seen] = field(default_factory=dict)
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


def rigs_in(batches: Iterable[Batch], *states: DeviceState) -> int:
    """How many rigs are in these states."""
    return sum(batch.rigs for batch in batches if batch.state in states)
