"""The pool's own parts, driven as they are at run time, but for the rigs' and the nodes' I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from poolserver.config import Config
from poolserver.outfit import power_tree
from poolserver.power.belief import believe
from poolserver.power.calibration import Calibrator
from poolserver.power.estimator import Estimator
from poolserver.power.state import (
    EffectiveLimit,
    Limit,
    LimitKind,
    MeterReading,
    MeterState,
    NodePower,
    Quality,
    RigGroup,
)
from poolserver.power.tree import AiLoad, PowerTree
from poolserver.sim.programme.fleets import Cohort
from poolserver.sim.programme.run import Tick, accuracy_class

STALE_S = 60.0
COUNT_S = 60.0
"""How often the estimator is told how many rigs there are."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the pool makes of a tick."""

    at_s: float
    nodes: Mapping[str, NodePower]
    limits: Mapping[str, EffectiveLimit]


class Pool:
    """Everything from readings and work to beliefs and limits."""

    def __init__(self, config: Config, cohorts: Sequence[Cohort], now_s: float) -> None:
        self.tree = power_tree(config)
        self._config = config
        self._estimator = Estimator(self.tree, now_s)
        self._calibrator = Calibrator()
        self._readings: dict[str, MeterReading] = {}
        self._count_s = now_s
        self._groups = groups_of(cohorts)
        self._limits = physical_limits(self.tree)

    def take(self, tick: Tick) -> Seen:
        """A tick of the control room."""
        now_s = tick.at_s
        for reading in tick.readings:
            self._readings[reading.meter] = reading
        self._estimator.add(tick.work, now_s)
        if now_s >= self._count_s:
            self._count_s = now_s + COUNT_S
            self._estimator.note_rigs(self._groups)
        nodes = believe(
            self.tree,
            self._estimator,
            lambda name: self._state(name, now_s),
            lambda load: self._ai_w(load, now_s),
            self._calibrator,
            now_s,
        )
        return Seen(now_s, nodes, self._limits)

    def _state(self, name: str, now_s: float) -> MeterState:
        reading = self._readings.get(name)
        if reading is None:
            return MeterState(name)
        quality = Quality.GOOD if now_s - reading.at_s <= STALE_S else Quality.STALE
        sigma = accuracy_class(self._config, name) / 100 / 3**0.5
        return MeterState(name, quality, "", reading.power_w, reading.energy_j, reading.at_s, sigma)

    def _ai_w(self, load: AiLoad, now_s: float) -> float | None:
        state = None if load.meter is None else self._state(load.meter, now_s)
        return state.power_w if state is not None and state.is_good else None


def groups_of(cohorts: Sequence[Cohort]) -> tuple[RigGroup, ...]:
    """The rigs as the pool takes them to be: by their number and their ratings."""
    rigs: dict[tuple[str, object], tuple[Cohort, int]] = {}
    for cohort in cohorts:
        known = rigs.get((cohort.node, cohort.rating))
        rigs[cohort.node, cohort.rating] = (cohort, cohort.rigs + (known[1] if known else 0))
    return tuple(
        RigGroup(
            cohort.node,
            cohort.rating,
            count,
            0,
            count * float(cohort.model.hashrate_th_s * cohort.rating.j_per_th),
        )
        for cohort, count in rigs.values()
    )


def physical_limits(tree: PowerTree) -> dict[str, EffectiveLimit]:
    """What the tree itself says."""
    return {
        node.path: EffectiveLimit(
            node.limit_w, (Limit(node.path, LimitKind.PHYSICAL, node.limit_w, node.kind),)
        )
        for node in tree
        if node.limit_w is not None
    }
