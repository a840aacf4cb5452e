"""The pool's own parts, driven as they are at run time, but for the rigs' and the meters' I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from poolserver.config import Config
from poolserver.config.signals import MeterConfig
from poolserver.outfit import power_tree
from poolserver.power.ai_loads import AiLoadBook
from poolserver.power.belief import BELIEF_WINDOW_S, believe
from poolserver.power.budget import BudgetBook
from poolserver.power.calibration import Calibrator
from poolserver.power.control import Controller, ControlState, Decision
from poolserver.power.estimator import Estimator
from poolserver.power.rating import Rating
from poolserver.power.readings import MeterBook, MeterSpec
from poolserver.power.state import EffectiveLimit, NodePower, Readings, RigGroup
from poolserver.sim.programme.fleets import Cohort
from poolserver.sim.programme.run import Tick

SLOW_S = 60.0
"""How often the estimator is told how many rigs there are, and meters what shares tell."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the pool makes of a tick."""

    at_s: float
    nodes: Mapping[str, NodePower]
    limits: Mapping[str, EffectiveLimit]
    decision: Decision


class Pool:
    """Everything from readings and work to beliefs and limits."""

    def __init__(self, config: Config, cohorts: Sequence[Cohort], now_s: float) -> None:
        self.tree = power_tree(config)
        self.meters = MeterBook(map(meter_spec, config.meters))
        self._estimator = Estimator(self.tree, now_s)
        self._calibrator = Calibrator()
        self._budgets = BudgetBook(self.tree)
        self._controller = Controller(self.tree)
        self._state = ControlState()
        self._rated = groups_of(cohorts)
        self._now_s = self._slow_s = now_s
        self._ai_loads = AiLoadBook(self.tree, lambda name: self.meters.state(name, self._now_s))

    def take(self, tick: Tick) -> Seen:
        """A tick of the control room."""
        now_s = self._now_s = tick.at_s
        for reading in tick.readings:
            self.meters.take(reading, now_s)
        self._estimator.add(tick.work, now_s)
        nodes = believe(
            self.tree,
            self._estimator,
            lambda name: self.meters.state(name, now_s),
            lambda load: self._ai_loads.power_w(load, now_s),
            self._calibrator,
            now_s,
        )
        if now_s >= self._slow_s:
            self._slow_s = now_s + SLOW_S
            self._estimator.note_rigs(self._rated)
            for node in self.tree:
                if node.meter:
                    self.meters.expect(node.meter, by_shares_w(nodes[node.path]))
        limits = self._budgets.limits(now_s)
        groups = tuple(self._hashing(group, now_s) for group in self._rated)
        readings = Readings(nodes, limits, self._budgets.mining_limits(now_s), groups)
        self._state, decision = self._controller.step(self._state, readings, now_s)
        return Seen(now_s, nodes, limits, decision)

    def _hashing(self, rated: RigGroup, now_s: float) -> RigGroup:
        """Those of a group that hash, by what they prove."""
        power_w = self._estimator.group_w(rated.node, rated.rating, BELIEF_WINDOW_S, now_s)
        rigs = round(power_w * rated.rigs / rated.power_w)
        return RigGroup(rated.node, rated.rating, rigs, 0, power_w)


def by_shares_w(power: NodePower) -> float:
    """All load of a node, mining by proven work and nameplates alone."""
    return power.estimated_w.value + power.ai_w + power.auxiliary_w


def groups_of(cohorts: Sequence[Cohort]) -> tuple[RigGroup, ...]:
    """The rigs as the pool takes them to be: by their number and their ratings."""
    rigs: dict[tuple[str, Rating], int] = {}
    power_w: dict[tuple[str, Rating], float] = {}
    for each in cohorts:
        key = each.node, each.rating
        rigs[key] = rigs.get(key, 0) + each.rigs
        rated_w = float(each.model.hashrate_th_s * each.rating.j_per_th)
        power_w[key] = power_w.get(key, 0.0) + each.rigs * rated_w
    return tuple(RigGroup(*key, count, 0, power_w[key]) for key, count in rigs.items())


def meter_spec(meter: MeterConfig) -> MeterSpec:
    """What the pool knows of a meter beforehand."""
    return MeterSpec(
        meter.name,
        int(meter.rated_mw * 1_000_000),
        meter.accuracy_class,
        meter.stale_after_s,
        meter.frozen_after_s or None,
        meter.feeds_back,
    )
