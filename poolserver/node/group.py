"""Several nodes as one source of jobs: each is watched, the gate says whose templates go out.

Here is the I/O and the log; what is decided is in ``gate``, ``splits`` and ``views``, which are
pure. All template sources run all the time, so that another node's template is at hand at once.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import structlog
from msgspec.structs import replace

from poolserver.bitcoin.networks import Network
from poolserver.log import Alarm
from poolserver.mining.template import BlockTemplate
from poolserver.node.chains import NOTHING_KNOWN, Chain, apart
from poolserver.node.gate import FAILOVER, REASONS, GateState, GateTerms, believable, judge
from poolserver.node.health import NodeStatus, OnStatus
from poolserver.node.heard import LatestTemplate, Signs
from poolserver.node.splits import LASTING_S, Trouble, blocks_behind, forks, laggards
from poolserver.node.template_source import OnConfirmed, OnSign, OnTemplate
from poolserver.node.views import NodeView, view_of

# Networks on which a node without peers, or one that loads the chain, knows nothing of the tip. On
# regtest and a private signet there may be one node only, which calls itself loading for ever.
PUBLIC_CHAINS = ("main", "testnet4")
# The gate is asked with each sign of a node, and so often without one: patience ends in silence.
TICK_S = 0.25

OnOutdated = Callable[[float], None]

log = structlog.get_logger(__name__)


class Monitor(Protocol):
    """What the group needs of a ``health.NodeMonitor``."""

    status: NodeStatus

    async def run(self, on_status: OnStatus) -> None: ...
    def look_now(self) -> None: ...


class Source(Protocol):
    """What the group needs of a ``NodeTemplateSource``."""

    signs: Signs

    @property
    def latest(self) -> LatestTemplate: ...
    def ask_now(self) -> None: ...
    async def run(
        self,
        on_template: OnTemplate,
        on_confirmed: OnConfirmed,
        on_tip: OnSign,
        on_trouble: OnSign,
    ) -> None: ...


@dataclass(slots=True)
class Member:
    """A node of the group. ``source`` is None where it only takes blocks."""

    name: str
    trusted: bool
    monitor: Monitor
    source: Source | None
    news: BlockTemplate | None = None
    """The template that its source published last."""
    was_away: bool = False


@dataclass(frozen=True, slots=True)
class GroupTerms:
    """How patient the group is, in seconds."""

    gate: GateTerms = field(default_factory=GateTerms)
    lasting_s: float = LASTING_S
    """A fork of one block, or a node that is behind, is an alarm after so long."""
    outdated_after_s: float = 1.0
    """A node that is well has a template on a new tip by then."""
    lost_after_s: float = 2.0
    """No node is left, or not the trusted one: a node that takes in a large block may not answer
    for longer than a monitor waits."""
    unconfirmed_after_s: float = 60.0
    """Rigs' work is confirmed every 15 seconds (``REFRESH_S`` of the template source)."""


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """A node as operators are shown it."""

    name: str
    is_up: bool
    is_active: bool
    on_mined_chain: bool
    height: int
    blocks_behind: int
    peers: int
    latency_s: float
    template_age_s: float | None


class NodeGroup:
    """The ``JobSource`` over all nodes; ``members`` in the order of preference.

    ``clock`` is monotonic, in seconds.
    """

    def __init__(
        self,
        members: Sequence[Member],
        network: Network,
        clock: Callable[[], float],
        terms: GroupTerms = GroupTerms(),
    ) -> None:
        self._members = {member.name: member for member in members}
        self._is_public = network.chain in PUBLIC_CHAINS
        self._clock = clock
        self._terms = terms
        self._to: _Listener | None = None
        self._published: BlockTemplate | None = None
        self._confirmed_at = clock()
        self._nodes_lost = Alarm("nodes_lost", "nodes_restored", log, terms.lost_after_s)
        self._trusted_lost = Alarm(
            "trusted_node_lost", "trusted_node_restored", log, terms.lost_after_s
        )
        self._work_stale = Alarm("work_stale", "work_fresh", log)
        self._split = {
            name: Alarm("chain_split", "chain_split_over", log) for name in self._members
        }
        self._behind = {name: Alarm("node_behind", "node_caught_up", log) for name in self._members}
        self.state = GateState()
        self.views: list[NodeView] = []
        self.forks: dict[str, Trouble] = {}
        self.laggards: dict[str, Trouble] = {}
        self.switches = Counter(dict.fromkeys(REASONS, 0))
        self.is_outdated = False
        """Whether a newer tip is known and there is no template on it."""

    async def run(
        self, on_template: OnTemplate, on_confirmed: OnConfirmed, on_outdated: OnOutdated
    ) -> None:
        """See ``mining.source.JobSource``."""
        self._to = _Listener(on_template, on_confirmed, on_outdated)
        async with asyncio.TaskGroup() as group:
            for member in self._members.values():
                group.create_task(member.monitor.run(partial(self._on_status, member)))
                if member.source is not None:
                    group.create_task(
                        member.source.run(
                            partial(self._on_template, member),
                            partial(self._on_confirmed, member),
                            self.look,
                            partial(self._on_trouble, member),
                        )
                    )
            group.create_task(self._look_for_ever())

    # --- what nodes say -------------------------------------------------------------------

    def _on_template(self, member: Member, template: BlockTemplate, received_at: float) -> None:
        member.news = template
        self.look()

    def _on_confirmed(self, member: Member, received_at: float) -> None:
        self.look()
        is_mined = self.state.serves and member.name == self.state.active
        if is_mined and not self.is_outdated and member.news is self._published:
            self._confirm(received_at)

    def _on_status(self, member: Member) -> None:
        if member.monitor.status.error is not None:
            member.was_away = True
        elif member.was_away:
            member.was_away = False
            if member.source is not None:
                member.source.ask_now()
        self.look()

    def _on_trouble(self, member: Member) -> None:
        member.monitor.look_now()
        self.look()

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.look()

    # --- what becomes of it ---------------------------------------------------------------

    def look(self) -> None:
        """Ask the gate, and do as it says: work goes out first, words after."""
        now, before = self._clock(), self.state
        self.views = [self._view(member) for member in self._members.values()]
        self.state = judge(
            before, self.views, now, peers_matter=self._is_public, terms=self._terms.gate
        )
        self._publish(now)
        if self.state.active != before.active:
            self._tell_switch(before)
        self._watch_chains(now)
        self._watch_work(now)

    def _view(self, member: Member) -> NodeView:
        source = member.source
        return view_of(
            member.name,
            member.monitor.status,
            trusted=member.trusted,
            loading_matters=self._is_public,
            signs=source.signs if source is not None else None,
            template=source.latest.template if source is not None else None,
        )

    def _publish(self, now: float) -> None:
        since, was_outdated = self.state.outdated_since, self.is_outdated
        self.is_outdated = since is not None and now - since >= self._terms.outdated_after_s
        assert self._to is not None
        if self.is_outdated:
            if not was_outdated:
                self._to.on_outdated(now)
            return
        if not self.state.serves:
            return
        assert self.state.active is not None
        member = self._members[self.state.active]
        if member.news is not self._published:
            self._send(member, now)
        elif was_outdated:
            self._confirm(now)  # the chain came back to what is mined

    def _send(self, member: Member, now: float) -> None:
        assert self._to is not None
        assert member.source is not None
        latest = member.source.latest
        assert latest.template is not None
        self._published, self._confirmed_at = member.news, now
        # Another node's template may have lain ready for a while: its clock has gone on since.
        template, age_s = latest.template, int(now - latest.came_at)
        if age_s:
            template = replace(template, curtime=template.curtime + age_s)
        self._to.on_template(template, latest.came_at)

    def _confirm(self, at: float) -> None:
        assert self._to is not None
        self._confirmed_at = at
        self._to.on_confirmed(at)

    # --- what people are told -------------------------------------------------------------

    def _tell_switch(self, before: GateState) -> None:
        state = self.state
        self.switches[state.reason] += 1
        if len(self._members) == 1:
            return
        tell = log.warning if state.reason == FAILOVER else log.info
        tell(
            "node_active",
            node=state.active,
            instead_of=before.active,
            reason=state.reason,
            height=state.mined.height if state.mined else None,
        )

    def _watch_chains(self, now: float) -> None:
        believed = believable(self.views, peers_matter=self._is_public)
        lasting_s = self._terms.lasting_s
        before = self.forks
        self.forks = forks(before, self._mined_chain(), believed, now, lasting_s)
        for name in self.forks.keys() - before.keys():
            fork = self.forks[name]
            log.info("chain_differs", node=name, ours=fork.ours, theirs=fork.theirs)
        self.laggards = laggards(self.laggards, believed, now, lasting_s)
        for name, alarm in self._split.items():
            split = self.forks.get(name)
            fields = {"ours": split.ours, "theirs": split.theirs} if split else {}
            alarm.update(split is not None and split.alarmed, now, node=name, **fields)
        for name, alarm in self._behind.items():
            lag = self.laggards.get(name)
            blocks = {"blocks": lag.ours} if lag else {}
            alarm.update(lag is not None and lag.alarmed, now, node=name, **blocks)

    def _watch_work(self, now: float) -> None:
        state = self.state
        faults = {
            view.name: view.fault
            or ("no_template" if view.gives_templates else "only_takes_blocks")
            for view in self.views
        }
        lost = not state.offering
        self._nodes_lost.update(lost, now, **({"nodes": faults} if lost else {}))
        self._trusted_lost.update(state.trusted_is_lost, now)
        age_s = now - self._confirmed_at
        reason = "newer_tip" if self.is_outdated else "not_confirmed"
        is_stale = self.is_outdated or age_s > self._terms.unconfirmed_after_s
        fields = {"reason": reason, "confirmed_s_ago": round(age_s, 1)} if is_stale else {}
        self._work_stale.update(is_stale, now, **fields)

    # --- for those who look ---------------------------------------------------------------

    @property
    def is_split(self) -> bool:
        """Whether a fork is alarmed."""
        return any(alarm.is_raised for alarm in self._split.values())

    @property
    def split_depth(self) -> int:
        """The deepest fork now, alarmed or not; 0 where all agree."""
        return max((fork.depth for fork in self.forks.values()), default=0)

    @property
    def is_stale(self) -> bool:
        """Whether the rigs' work is alarmed as stale."""
        return self._work_stale.is_raised

    def heard_at(self, tip_hex: str) -> float | None:
        """When a node first told of this block, if it is the last that one told of; monotonic."""
        signs = [each.source.signs for each in self._members.values() if each.source is not None]
        return min((each.told_at for each in signs if each.told_hex == tip_hex), default=None)

    def figures(self) -> list[NodeFigures]:
        """Every node, in the order of preference."""
        now, mined = self._clock(), self._mined_chain()
        top = max(self.views, key=lambda view: view.work, default=None)
        return [self._figures(view, top or view, mined, now) for view in self.views]

    def _figures(self, view: NodeView, top: NodeView, mined: Chain, now: float) -> NodeFigures:
        member = self._members[view.name]
        latest = member.source.latest if member.source is not None else None
        difference = apart(mined, view.chain)
        return NodeFigures(
            name=view.name,
            is_up=view.fault is None,
            is_active=view.name == self.state.active,
            on_mined_chain=difference is not None and not difference.is_fork,
            height=view.chain.height,
            blocks_behind=blocks_behind(view, top),
            peers=view.peers,
            latency_s=member.monitor.status.latency_s,
            template_age_s=None if not latest or not latest.template else now - latest.came_at,
        )

    def _mined_chain(self) -> Chain:
        """The active node's chain: what the others are held against."""
        for view in self.views:
            if view.name == self.state.active and view.fault is None:
                return view.chain
        return NOTHING_KNOWN


@dataclass(frozen=True, slots=True)
class _Listener:
    """Whom the group tells."""

    on_template: OnTemplate
    on_confirmed: OnConfirmed
    on_outdated: OnOutdated
