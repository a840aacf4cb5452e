"""What each node is believed to draw: its meter, or what is below it, or its rigs' proven work."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from poolserver.power.calibration import Alpha, Calibrator
from poolserver.power.estimate import Estimate
from poolserver.power.estimator import Estimator
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

    below: dict[str, list[str]]
    """The paths right below each."""
    estimates: dict[str, Estimate]
    meter_of: Callable[[str], MeterState | None]
    ai_w_of: Callable[[AiLoad], float | None]
    calibrator: Calibrator
    estimator: Estimator
    now_s: float
    found: dict[str, NodePower]

    def believe(self, node: PowerNode, teacher: _Teacher | None) -> NodePower:
        children = [self.found[path] for path in self.below.get(node.path, ())]
        estimate = self.estimates[node.path]
        estimated_w = estimate.power_w
        calibrated_w, mining_w = self._by_shares(node, estimated_w, children, teacher)
        ai_w, ai_known = self._ai(node, children)
        auxiliary_w = node.auxiliary_w + sum(each.auxiliary_w for each in children)
        other_w = ai_w + auxiliary_w
        method = _method(children, self.estimator.has_lines(node.path), teacher is not None)
        meter = None if node.meter is None else self.meter_of(node.meter)
        total_w, residual_w = _plus(mining_w, other_w + _untold(children)), None
        if meter is not None and meter.is_good and meter.power_w is not None:
            method = Method.METER
            total_w = Uncertain(meter.power_w, (meter.power_w * meter.relative_sigma) ** 2)
            if ai_known:
                metered_w = _plus(total_w, -other_w)
                residual_w = metered_w - estimated_w
                mining_w = metered_w if metered_w.value > 0 else Uncertain(0.0, metered_w.variance)
        self._teach(node, meter, residual_w, estimated_w)
        return NodePower(
            path=node.path,
            hashrate_h_s=estimate.hashrate_h_s,
            accepted_h_s=estimate.accepted_h_s,
            estimated_w=estimated_w,
            calibrated_w=calibrated_w,
            mining_w=mining_w,
            ai_w=ai_w,
            ai_known=ai_known,
            auxiliary_w=auxiliary_w,
            total_w=total_w,
            method=method,
            meter=meter,
            residual_w=residual_w,
        )

    def _by_shares(
        self,
        node: PowerNode,
        estimated_w: Uncertain,
        children: Sequence[NodePower],
        teacher: _Teacher | None,
    ) -> tuple[Uncertain, Uncertain]:
        """What mining draws by calibrated estimates alone, and with the meters below."""
        if teacher is None and all(each.mining_w is each.estimated_w for each in children):
            return estimated_w, estimated_w
        if not children:
            own_w = estimated_w
        elif self.estimator.has_lines(node.path):
            own_w = _own(estimated_w, children, float(node.pue))
        else:
            own_w = NOTHING
        if teacher is not None:
            own_w = _calibrated(own_w, teacher)
        if not children:
            return own_w, own_w
        pue = float(node.pue)
        calibrated_w = own_w + total(each.calibrated_w for each in children).scaled(pue)
        if all(each.mining_w is each.calibrated_w for each in children):
            return calibrated_w, calibrated_w
        return calibrated_w, own_w + total(each.mining_w for each in children).scaled(pue)

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
    # The tree grows meanwhile, in the thread of who books work: what is below a node is by the
    # same list, and a rack that came since is looked at the next time.
    nodes = list(tree)
    below: dict[str, list[str]] = {}
    for node in nodes:
        if node.path != PROGRAMME:
            below.setdefault(parent_path(node.path), []).append(node.path)
    estimates = {node.path: estimator.read(node.path, window_s, now_s) for node in nodes}
    teachers: dict[str, _Teacher | None] = {}
    for node in nodes:
        alpha = calibrator.alpha(node.path)
        above = None if node.path == PROGRAMME else teachers[parent_path(node.path)]
        teachers[node.path] = (
            above if alpha is None else _Teacher(node.path, alpha, estimates[node.path].power_w)
        )
    look = _Believing(below, estimates, meter_of, ai_w_of, calibrator, estimator, now_s, {})
    for node in reversed(nodes):
        look.found[node.path] = look.believe(node, teachers[node.path])
    return {node.path: look.found[node.path] for node in nodes}


def _plus(quantity: Uncertain, exactly: float) -> Uncertain:
    if not exactly:
        return quantity
    return Uncertain(quantity.value + exactly, quantity.variance, quantity.common)


def _untold(children: Iterable[NodePower]) -> float:
    """What meters below see beyond mining, AI and auxiliary load: of AI load that is assumed to be
    less. Below 0 where that is assumed, or said, to be more than the meter sees in all."""
    return sum(
        child.total_w.value - child.mining_w.value - child.ai_w - child.auxiliary_w
        for child in children
    )


def _own(estimated_w: Uncertain, children: Iterable[NodePower], pue: float) -> Uncertain:
    """What rigs right at the node draw: its estimate less that of what is below."""
    below_w = total(each.estimated_w for each in children).scaled(pue)
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
    common = {f"calibration:{teacher.path}": own_w.value * factor * sigma}
    for source, theirs in mix.common.items():
        common[source] = (own_w.common.get(source, 0.0) - theirs * part) * factor
    return Uncertain(own_w.value * factor, own_w.variance * factor * factor, common)


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
