"""What each node is believed to draw: its meter, or what is below it, or its rigs' proven work."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from poolserver.power.calibration import Alpha, Calibrator
from poolserver.power.estimator import Estimate, Estimator
from poolserver.power.state import MeterState, Method, NodePower
from poolserver.power.tree import PROGRAMME, AiLoad, PowerNode, PowerTree, parent_path
from poolserver.power.uncertain import NOTHING, Uncertain, total

BELIEF_WINDOW_S = 60.0
"""Of the estimates: 1,000 rigs at 12 shares a minute are known to 0.9 % of chance in it."""

_SHARED = frozenset({Method.METER, Method.SUM})


class _Teacher(NamedTuple):
    """The metered node at or above another one, and what its meter has shown."""

    path: str
    alpha: Alpha
    estimated_w: Uncertain


@dataclass(slots=True)
class _Believing:
    """One look at the tree, from the deepest nodes up."""

    tree: PowerTree
    estimates: dict[str, Estimate]
    meter_of: Callable[[str], MeterState | None]
    ai_w_of: Callable[[AiLoad], float | None]
    calibrator: Calibrator
    estimator: Estimator
    now_s: float
    found: dict[str, NodePower]

    def believe(self, node: PowerNode, teacher: _Teacher | None) -> NodePower:
        children = [self.found[each.path] for each in self.tree.children(node.path)]
        estimate = self.estimates[node.path]
        estimated_w = estimate.power_w
        pue = float(node.pue)
        own_w = _own(estimated_w, children, pue)
        taught_w = own_w if teacher is None else _calibrated(own_w, teacher)
        below_w = total(each.calibrated_w for each in children).scaled(pue)
        mining_w = taught_w + total(each.mining_w for each in children).scaled(pue)
        ai_w, ai_known = self._ai(node, children)
        auxiliary_w = node.auxiliary_w + sum(each.auxiliary_w for each in children)
        other_w = Uncertain(ai_w + auxiliary_w)
        method = _method(children, own_w.value > 0, teacher is not None)
        meter = None if node.meter is None else self.meter_of(node.meter)
        total_w, residual_w = mining_w + other_w, None
        if meter is not None and meter.is_good and meter.power_w is not None:
            method = Method.METER
            total_w = Uncertain(meter.power_w, (meter.power_w * meter.relative_sigma) ** 2)
            if ai_known:
                metered_w = total_w - other_w
                residual_w = metered_w - estimated_w
                mining_w = metered_w if metered_w.value > 0 else Uncertain(0.0, metered_w.variance)
        self._teach(node, meter, residual_w, estimated_w)
        return NodePower(
            path=node.path,
            hashrate_h_s=estimate.hashrate_h_s,
            accepted_h_s=estimate.accepted_h_s,
            estimated_w=estimated_w,
            calibrated_w=taught_w + below_w,
            mining_w=mining_w,
            ai_w=ai_w,
            ai_known=ai_known,
            auxiliary_w=auxiliary_w,
            total_w=total_w,
            method=method,
            meter=meter,
            residual_w=residual_w,
        )

    def _ai(self, node: PowerNode, children: Iterable[NodePower]) -> tuple[float, bool]:
        ai_w, is_known = 0.0, True
        for load in node.ai_loads:
            told_w = self.ai_w_of(load)
            ai_w += load.assumed_w if told_w is None else told_w
            is_known = is_known and told_w is not None
        for child in children:
            ai_w += child.ai_w
            is_known = is_known and child.ai_known
        return ai_w, is_known

    def _teach(
        self,
        node: PowerNode,
        meter: MeterState | None,
        residual_w: Uncertain | None,
        estimated_w: Uncertain,
    ) -> None:
        if residual_w is None or meter is None:
            self.calibrator.interrupt(node.path)
            return
        mining_w = residual_w.value + estimated_w.value
        total = self.estimator.total(node.path)
        self.calibrator.take(node.path, self.now_s, mining_w, meter.relative_sigma, total)


def believe(
    tree: PowerTree,
    estimator: Estimator,
    meter_of: Callable[[str], MeterState | None],
    ai_w_of: Callable[[AiLoad], float | None],
    calibrator: Calibrator,
    now_s: float,
    window_s: float = BELIEF_WINDOW_S,
) -> dict[str, NodePower]:
    """What each node of the tree draws now, by path; and meters teach the calibrator.

    ``meter_of`` gives a meter by its name. ``ai_w_of`` tells what an AI load draws by its meter
    or a signal, None where neither is to be believed; then it is taken at what it may draw.

    At a site and above power is with PUE, below it without. While AI load is assumed, what a
    meter sees is not taken apart: mining is estimated, and there is no residual.
    """
    nodes = list(tree)
    estimates = {node.path: estimator.read(node.path, window_s, now_s) for node in nodes}
    teachers: dict[str, _Teacher | None] = {}
    for node in nodes:
        alpha = calibrator.alpha(node.path)
        above = None if node.path == PROGRAMME else teachers[parent_path(node.path)]
        teachers[node.path] = (
            above if alpha is None else _Teacher(node.path, alpha, estimates[node.path].power_w)
        )
    look = _Believing(tree, estimates, meter_of, ai_w_of, calibrator, estimator, now_s, {})
    for node in reversed(nodes):
        look.found[node.path] = look.believe(node, teachers[node.path])
    return {node.path: look.found[node.path] for node in nodes}


def _own(estimated_w: Uncertain, children: Iterable[NodePower], pue: float) -> Uncertain:
    """What rigs right at the node draw: its estimate less that of what is below."""
    below_w = total(each.estimated_w for each in children).scaled(pue)
    if not below_w.value:
        return estimated_w
    value = estimated_w.value - below_w.value
    if value <= 1e-9 * estimated_w.value:  # nothing but rounding
        return NOTHING
    return Uncertain(
        value,
        max(0.0, estimated_w.variance - below_w.variance),
        {
            source: sigma - below_w.common.get(source, 0.0)
            for source, sigma in estimated_w.common.items()
        },
    )


def _calibrated(own_w: Uncertain, teacher: _Teacher) -> Uncertain:
    """Times alpha. The error of ratings is left only where it differs from the teacher's mix.

    Alpha is what all errors x_s of ratings amount to at the teacher, 1 + sum F_s x_s; here it
    should be 1 + sum f_s x_s, so that sum (f_s - F_s) x_s is what it does not know.
    """
    if not own_w.value:
        return NOTHING
    factor, sigma = teacher.alpha
    mix = teacher.estimated_w
    part = own_w.value / mix.value if mix.value else 0.0
    common = {
        source: own_w.common.get(source, 0.0) - mix.common.get(source, 0.0) * part
        for source in own_w.common.keys() | mix.common.keys()
    }
    return (
        Uncertain(own_w.value, own_w.variance, common)
        .scaled(factor)
        .blurred(f"calibration:{teacher.path}", sigma)
    )


def _method(children: Iterable[NodePower], has_rigs: bool, is_taught: bool) -> Method:
    """How a node without a good meter of its own is known."""
    methods = {each.method for each in children}
    if methods & _SHARED:
        return Method.SUM
    if Method.SHARES in methods or (has_rigs and not is_taught):
        return Method.SHARES
    if Method.CALIBRATED in methods or has_rigs:
        return Method.CALIBRATED
    return Method.NOTHING
