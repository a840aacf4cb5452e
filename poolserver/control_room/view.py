"""What operators are shown of power: the tree at one moment, as plain data for JSON and tables.

Power in watts, hashrate in H/s, times in Unix seconds. A sigma is one standard error.
"""

from collections.abc import Iterable, Mapping

import msgspec

from poolserver.power.state import EffectiveLimit, Limit, MeterState, NodePower, Readings, RigGroup
from poolserver.power.tree import PowerNode, PowerTree
from poolserver.power.uncertain import Uncertain


class Figure(msgspec.Struct, frozen=True, gc=False):
    """A value and its standard error, in the unit that its name says."""

    value: float
    sigma: float


class LimitView(msgspec.Struct, frozen=True, gc=False):
    """A limit and who says so."""

    limit_w: int
    kind: str
    source: str
    reason: str
    valid_until: float | None


class MeterView(msgspec.Struct, frozen=True, gc=False):
    """A node's own meter."""

    name: str
    quality: str
    reason: str
    power_w: float | None
    at: float | None


class CalibrationView(msgspec.Struct, frozen=True, gc=False):
    """What a node's meter has taught of how far ratings are off; see ``power.calibration``."""

    factor: float
    """Metered mining over estimated mining."""
    sigma: float
    """Relative; the meter's own error is in it."""
    newest: float
    """What the last period alone would say."""
    teaching: str
    """``learning``, ``settled``, or ``frozen`` at a step."""


class NodeView(msgspec.Struct, frozen=True, gc=False):
    """A node of the tree. ``depth`` is 0 for the programme."""

    path: str
    name: str
    kind: str
    depth: int
    configured: bool
    """False of containers and racks that only the names of rigs speak of."""
    total_w: Figure
    method: str
    estimated_w: Figure
    mining_w: Figure
    ai_w: float
    ai_known: bool
    residual_w: Figure | None
    hashrate_h_s: Figure
    accepted_h_s: float
    rigs: int
    silent: int
    limit_w: int | None
    headroom_w: float | None
    """The limit less all that is drawn: below zero the node is over it."""
    limits: tuple[LimitView, ...]
    """All that hold, the one that binds first."""
    meter: MeterView | None
    calibration: CalibrationView | None
    mining_limits: tuple[LimitView, ...] = ()
    """All that hold of mining alone, likewise."""


class PowerView(msgspec.Struct, frozen=True, gc=False):
    """The whole tree. ``intended`` are the sentences of what would be done, and why."""

    at: float
    mode: str
    state: str
    nodes: tuple[NodeView, ...]
    intended: tuple[str, ...]


class Rigs(msgspec.Struct, frozen=True, gc=False):
    """How many rigs hash at a node and below it, and how many are silent."""

    hashing: int = 0
    silent: int = 0


NO_RIGS = Rigs()
NO_LIMIT = EffectiveLimit(None)
NONE_TAUGHT: Mapping[str, CalibrationView] = {}


def power_view(
    tree: PowerTree,
    readings: Readings,
    *,
    at_s: float,
    mode: str,
    state: str,
    intended: Iterable[str],
    calibrations: Mapping[str, CalibrationView] = NONE_TAUGHT,
) -> PowerView:
    """The whole tree, each node before those below it."""
    rigs = rigs_of_nodes(tree, readings.groups)
    rows = tuple(
        node_view(
            node,
            readings.nodes.get(node.path) or NodePower(node.path),
            readings.limits.get(node.path, NO_LIMIT),
            rigs.get(node.path, NO_RIGS),
            calibrations.get(node.path),
            readings.mining_limits.get(node.path, NO_LIMIT),
        )
        for node in tree.depth_first()
    )
    return PowerView(at_s, mode, state, rows, tuple(intended))


def node_view(
    node: PowerNode,
    power: NodePower,
    limit: EffectiveLimit,
    rigs: Rigs,
    calibration: CalibrationView | None = None,
    mining_limit: EffectiveLimit = NO_LIMIT,
) -> NodeView:
    """One row."""
    residual = power.residual_w
    return NodeView(
        path=node.path,
        name=node.name,
        kind=node.kind,
        depth=node.depth,
        configured=node.is_configured,
        total_w=_figure(power.total_w),
        method=power.method.value,
        estimated_w=_figure(power.estimated_w),
        mining_w=_figure(power.mining_w),
        ai_w=power.ai_w,
        ai_known=power.ai_known,
        residual_w=None if residual is None else _figure(residual),
        hashrate_h_s=_figure(power.hashrate_h_s),
        accepted_h_s=power.accepted_h_s,
        rigs=rigs.hashing,
        silent=rigs.silent,
        limit_w=limit.limit_w,
        headroom_w=None if limit.limit_w is None else limit.limit_w - power.total_w.value,
        limits=tuple(map(_limit, limit.limits)),
        meter=None if power.meter is None else _meter(power.meter),
        calibration=calibration,
        mining_limits=tuple(map(_limit, mining_limit.limits)),
    )


def rigs_of_nodes(tree: PowerTree, groups: tuple[RigGroup, ...]) -> Mapping[str, Rigs]:
    """How many rigs are at each node and below it; nodes without any are left out."""
    found: dict[str, Rigs] = {}
    for group in groups:
        if group.node not in tree:
            continue
        for node in tree.lineage(group.node):
            known = found.get(node.path, NO_RIGS)
            found[node.path] = Rigs(known.hashing + group.rigs, known.silent + group.silent)
    return found


def _figure(quantity: Uncertain) -> Figure:
    return Figure(quantity.value, quantity.sigma)


def _limit(limit: Limit) -> LimitView:
    return LimitView(
        limit.limit_w, limit.kind.value, limit.source, limit.reason, limit.valid_until_s
    )


def _meter(meter: MeterState) -> MeterView:
    return MeterView(meter.name, meter.quality.value, meter.reason, meter.power_w, meter.at_s)
