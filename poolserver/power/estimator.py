"""Hashrate and power of every node of the tree, each with its error, from proven work. Pure.

Work comes by lines: a node, and a rating of rigs that are right there. Of each node a few sums
grow (work, energy, and what their errors are made of), its own lines' and all those below it;
see ``windows`` for how a sum becomes a rate over a window. A node's sums go up to the node above
when somebody looks, once for all that came since.

The error of a power has these parts (docs/estimates.md):

- chance in the shares: the variance of a sum of energies is the sum of their squares;
- what differs from rig to rig (RIG_SIGMA) averages out: the variance of rigs of power p is that
  part of p, squared, so over a node it is the sum of power times the power of one rig;
- what a model or a site has in common (``rating.common_errors``) does not: a sum by source.

Work here is that of real hashes: times ``work_scale``. Energy is with PUE at sites and above.
"""

from array import array
from collections.abc import Iterable, Mapping
from math import inf
from typing import NamedTuple, Protocol, TypeVar

from poolserver.power.estimate import J_PER_HASH_PER_J_PER_TH, Estimate
from poolserver.power.rating import RIG_SIGMA, Rating, common_errors
from poolserver.power.state import RigGroup
from poolserver.power.tree import PROGRAMME, PowerNode, PowerTree, parent_path
from poolserver.power.uncertain import Uncertain
from poolserver.power.windows import WINDOWS_S, Since, Windows, WindowsState

# Of a line whose rigs nobody has counted yet; a new model of one of the big makers.
UNCOUNTED_RIG_W = 3500.0

SHARES_S = 60.0
"""How often it is looked what a share stands for; vardiff moves that, and slowly."""

# Sums of a node: hashes, their squares, accepted hashes; joules, their squares, and joules times
# the watts of one such rig. After them come those by source of common error, in joules.
_WORK, _WORK_SQ, _ACCEPTED, _ENERGY, _ENERGY_SQ, _RIG = range(6)
_KINDS = 6


class KeyLike(Protocol):
    """What the estimator looks at of a ``ledger.delta.NodeKey``."""

    @property
    def node(self) -> str: ...

    @property
    def rating(self) -> Rating: ...


class WorkLike(Protocol):
    """What it looks at of a ``ledger.delta.NodeWork``: hashes, as they were proven."""

    @property
    def proven_work(self) -> int: ...

    @property
    def proven_work_sq(self) -> int: ...

    @property
    def accepted_work(self) -> int: ...


Key = TypeVar("Key", bound=KeyLike)


class Total(NamedTuple):
    """All of a node's energy since the estimator began, in J and J squared."""

    energy_j: float
    variance_j2: float


class _Node:
    """The sums of a node: six by kind, then one for each source of common error."""

    __slots__ = (
        "above",
        "above_index",
        "fresh",
        "has_lines",
        "share",
        "share_j",
        "shares_at_s",
        "slots",
        "sources",
        "times",
    )

    def __init__(self, above: "_Node | None", times: float, slot: int) -> None:
        self.above = above
        self.times = times
        """What a joule of the rigs is here: PUE at a site, and 1 at all others."""
        self.slots = list(range(slot, slot + _KINDS))
        """Where the sums are among all sums of all nodes."""
        self.fresh = [0.0] * _KINDS
        """What came since somebody looked."""
        self.above_index = list(range(_KINDS))
        """Which sum of the node above each adds to."""
        self.sources: dict[str, int] = {}
        self.share = self.share_j = 0.0
        """What a share stands for, in hashes and in joules."""
        self.shares_at_s = -inf
        self.has_lines = False
        """Whether rigs are right here."""

    def go_up(self, sums: "array[float]") -> None:
        """Add what is fresh to the sums, and to what is fresh at the node above."""
        fresh, above = self.fresh, self.above
        for slot, value in zip(self.slots, fresh, strict=True):
            sums[slot] += value
        if above is not None:
            times, theirs = above.times, above.fresh
            if times != 1.0:
                squared = times * times
                fresh[_ENERGY_SQ] *= squared
                fresh[_RIG] *= squared
                for index in (_ENERGY, *range(_KINDS, len(fresh))):
                    fresh[index] *= times
            for index, value in zip(self.above_index, fresh, strict=True):
                theirs[index] += value
        self.fresh = [0.0] * len(fresh)


class _Line:
    """Work of rigs of one rating right at a node."""

    __slots__ = ("common", "j_per_hash", "node", "rig_w", "scale", "slot")

    def __init__(
        self,
        node: _Node,
        rating: Rating,
        scale: int,
        common: tuple[tuple[int, float], ...],
        slot: int,
    ) -> None:
        self.node = node
        self.scale = scale
        self.j_per_hash = float(rating.j_per_th) * J_PER_HASH_PER_J_PER_TH * node.times
        self.rig_w = UNCOUNTED_RIG_W * node.times
        self.common = common
        """Errors in common with others: which sum of the node, and one sigma, relative."""
        self.slot = slot
        """Where the sum of its own energy is."""


class NodeState(NamedTuple):
    """What an estimator keeps of a node; see ``_Node``."""

    path: str
    slots: list[int]
    sources: dict[str, int]
    share: float
    share_j: float
    shares_at_s: float
    has_lines: bool


class LineState(NamedTuple):
    """What it keeps of a line; see ``_Line``."""

    node: str
    rating: Rating
    rig_w: float
    slot: int


class EstimatorState(NamedTuple):
    """All of it. Nodes above stand before those below."""

    windows: WindowsState
    nodes: list[NodeState]
    lines: list[LineState]


class Estimator:
    """Estimates of all nodes. Times are Unix seconds and do not go back."""

    def __init__(self, tree: PowerTree, now_s: float) -> None:
        self._tree = tree
        self._windows = Windows(now_s)
        self._nodes: dict[str, _Node] = {}
        self._lines: dict[tuple[str, Rating], _Line] = {}
        self._is_fresh = False

    def state(self) -> EstimatorState:
        """All that it knows, for another one to go on from."""
        self._go_up()
        nodes = [
            NodeState(
                path,
                each.slots,
                each.sources,
                each.share,
                each.share_j,
                each.shares_at_s,
                each.has_lines,
            )
            for path, each in self._nodes.items()
        ]
        lines = [
            LineState(path, rating, line.rig_w, line.slot)
            for (path, rating), line in self._lines.items()
        ]
        return EstimatorState(self._windows.state(), nodes, lines)

    def restore(self, state: EstimatorState) -> None:
        """Go on from what another one knew, before anything is added here.

        What was added there stays as it was added, by its ratings and PUE; what comes from now on
        is by this one's tree. Of nodes that are not in that, nothing is known but above them.
        """
        self._windows.restore(state.windows)
        for each in state.nodes:
            if each.path in self._tree:
                self._nodes[each.path] = self._restored(each)
        for line in state.lines:
            if line.node in self._nodes:
                self._lines[line.node, line.rating] = self._line(
                    line.node, line.rating, line.rig_w, line.slot
                )

    def _restored(self, state: NodeState) -> _Node:
        place = self._tree[state.path]
        above = None if state.path == PROGRAMME else self._nodes[parent_path(state.path)]
        node = _Node(above, float(place.pue), 0)
        node.slots, node.fresh = state.slots, [0.0] * len(state.slots)
        node.sources = state.sources
        if above is not None:
            node.above_index += [above.sources[source] for source in state.sources]
        node.share, node.share_j = state.share, state.share_j
        node.shares_at_s, node.has_lines = state.shares_at_s, state.has_lines
        return node

    def add(self, nodes: Mapping[Key, WorkLike], now_s: float) -> None:
        """Take in what was folded. It counts from now, also what was proven some time ago.

        Raises:
            KeyError: a node is not in the tree.
        """
        self._advance(now_s)
        lines = self._lines
        for key, work in nodes.items():
            line = lines.get((key.node, key.rating))
            if line is None:
                line = self._new_line(key.node, key.rating)
            hashes = float(work.proven_work * line.scale)
            squares = float(work.proven_work_sq) * line.scale * line.scale
            energy_j = hashes * line.j_per_hash
            fresh = line.node.fresh
            fresh[_WORK] += hashes
            fresh[_WORK_SQ] += squares
            fresh[_ACCEPTED] += work.accepted_work * line.scale
            fresh[_ENERGY] += energy_j
            fresh[_ENERGY_SQ] += squares * line.j_per_hash * line.j_per_hash
            fresh[_RIG] += energy_j * line.rig_w
            for index, sigma in line.common:
                fresh[index] += energy_j * sigma
            self._windows.sums[line.slot] += energy_j
        self._is_fresh = True

    def note_rigs(self, groups: Iterable[RigGroup]) -> None:
        """How many rigs there are decides how far what differs from rig to rig averages out.

        It holds for work that comes from now on.
        """
        for group in groups:
            line = self._lines.get((group.node, group.rating))
            if line is not None and group.rigs and group.power_w > 0:
                line.rig_w = group.power_w / group.rigs * line.node.times

    def read(self, path: str, window_s: float, now_s: float) -> Estimate:
        """What a node and all below it did. ``window_s`` is one of WINDOWS_S."""
        self._advance(now_s)
        self._go_up()
        since = self._windows.since(window_s, now_s)
        node = self._nodes.get(path)
        if node is None or not since.span_s:
            return Estimate(span_s=since.span_s)
        return self._estimate(node, since, now_s)

    def has_lines(self, path: str) -> bool:
        """Whether rigs ever proved work right at a node, not below it."""
        node = self._nodes.get(path)
        return node is not None and node.has_lines

    def group_w(self, node: str, rating: Rating, window_s: float, now_s: float) -> float:
        """What rigs of one rating that are right at a node draw at their own plugs."""
        self._advance(now_s)
        line = self._lines.get((node, rating))
        since = self._windows.since(window_s, now_s)
        if line is None or not since.span_s:
            return 0.0
        energy_j = self._windows.sums[line.slot] - since.of(line.slot)
        return energy_j / since.span_s / line.node.times

    def total(self, path: str) -> Total:
        """All energy of a node since the start, and the variance that shares give it."""
        self._go_up()
        node = self._nodes.get(path)
        if node is None:
            return Total(0.0, 0.0)
        sums = self._windows.sums
        return Total(sums[node.slots[_ENERGY]], sums[node.slots[_ENERGY_SQ]])

    def _estimate(self, node: _Node, since: Since, now_s: float) -> Estimate:
        if now_s - node.shares_at_s >= SHARES_S:
            self._weigh_shares(node, now_s)
        sums, before, span_s = self._windows.sums, since.sums, since.span_s
        if node.slots[-1] < len(before):
            rates = [(sums[slot] - before[slot]) / span_s for slot in node.slots]
        else:
            rates = [(sums[slot] - since.of(slot)) / span_s for slot in node.slots]
        share_h_s, share_w = node.share / span_s, node.share_j / span_s
        chance_w2 = rates[_ENERGY] * share_w
        rigs_w2 = RIG_SIGMA * RIG_SIGMA * rates[_RIG]
        common = {source: rates[index] for source, index in node.sources.items()}
        return Estimate(
            Uncertain(rates[_WORK], rates[_WORK] * share_h_s),
            rates[_ACCEPTED],
            Uncertain(rates[_ENERGY], chance_w2 + rigs_w2, common),
            share_h_s,
            share_w,
            chance_w2,
            span_s,
        )

    def _weigh_shares(self, node: _Node, now_s: float) -> None:
        """What a share stands for at a node, by its weight in the variance: of the last hour.

        By the shares of a short window alone it is low when their sum is, and the interval too
        narrow.
        """
        hour = self._windows.since(WINDOWS_S[-1], now_s)
        node.share = self._weight(node.slots[_WORK], node.slots[_WORK_SQ], hour)
        node.share_j = self._weight(node.slots[_ENERGY], node.slots[_ENERGY_SQ], hour)
        node.shares_at_s = now_s if node.share else -inf

    def _weight(self, slot: int, slot_sq: int, since: Since) -> float:
        work, work_sq = self._windows.sums[slot], self._windows.sums[slot_sq]
        lately = work - since.of(slot)
        if lately > 0:
            return (work_sq - since.of(slot_sq)) / lately
        return work_sq / work if work else 0.0

    def _advance(self, now_s: float) -> None:
        if self._windows.is_due(now_s):
            self._go_up()  # what came until now is in the copies that are kept now
            self._windows.advance(now_s)

    def _go_up(self) -> None:
        if self._is_fresh:
            for node in reversed(self._nodes.values()):  # those below before those above
                if node.fresh[_WORK]:
                    node.go_up(self._windows.sums)
            self._is_fresh = False

    def _new_line(self, path: str, rating: Rating) -> _Line:
        node = self._node(self._tree[path])
        node.has_lines = True
        rig_w = UNCOUNTED_RIG_W * node.times
        line = self._line(path, rating, rig_w, self._windows.new())
        self._lines[path, rating] = line
        return line

    def _line(self, path: str, rating: Rating, rig_w: float, slot: int) -> _Line:
        node, site = self._nodes[path], self._tree.site_of(path)
        common = tuple(
            (self._source_index(node, source), sigma)
            for source, sigma in common_errors(rating, site.path if site else PROGRAMME)
        )
        line = _Line(node, rating, site.work_scale if site else 1, common, slot)
        line.rig_w = rig_w
        return line

    def _node(self, node: PowerNode) -> _Node:
        known = self._nodes.get(node.path)
        if known is None:
            above = None
            if node.path != PROGRAMME:
                above = self._node(self._tree[parent_path(node.path)])
            known = _Node(above, float(node.pue), self._windows.new(_KINDS))
            self._nodes[node.path] = known
        return known

    def _source_index(self, node: _Node, source: str) -> int:
        """Which of the node's sums is that of a source of error; it is made at all nodes above."""
        index = node.sources.get(source)
        if index is None:
            index = node.sources[source] = len(node.slots)
            node.slots.append(self._windows.new())
            node.fresh.append(0.0)
            node.above_index.append(self._source_index(node.above, source) if node.above else 0)
        return index
