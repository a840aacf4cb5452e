"""The desk: what is made of all that is known of power, once a tick. Pure, and for one thread.

    work of the fold, rigs ─┐
    meters, AI, limits ─────┴─ tick(): believe ─► controller ─► what would be done, and the view

Nothing here reads a clock or waits. The room (``room.py``) does both; a simulation drives the
same desk in a time of its own.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from poolserver.control_room.books import Outside
from poolserver.control_room.view import CalibrationView, PowerView, power_view
from poolserver.ledger.delta import NodeKey, NodeWork
from poolserver.power.belief import believe
from poolserver.power.calibration import Calibrator, Period
from poolserver.power.control import Controller, ControlState, Decision, Terms
from poolserver.power.control.words import sentence
from poolserver.power.estimator import Estimator, EstimatorState
from poolserver.power.rating import Rating
from poolserver.power.rig_book import RigRow
from poolserver.power.silence import RigChange, RigState, SilenceState, SilenceWatch
from poolserver.power.state import Readings, RigGroup
from poolserver.power.tree import AiLoad, PowerTree

MODE = "observe"

# Of the power of rigs by groups, which the controller chooses among: 100 rigs at 12 shares a
# minute are known to 2.9% in it.
GROUP_WINDOW_S = 60.0

LONGEST_TICK_S = 30.0
"""If nobody looked for longer, the pool stood still: what rigs sent meanwhile is yet to be read."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What a tick found."""

    unix_s: float
    readings: Readings
    decision: Decision
    changes: tuple[RigChange, ...]
    """Rigs that fell silent, or are back."""
    view: PowerView


class DeskState(NamedTuple):
    """See ``PowerDesk.state``."""

    now_s: float
    looked_s: float
    estimator: EstimatorState
    silence: SilenceState
    control: ControlState
    periods: dict[str, Period]


DEFAULT_TERMS = Terms()


@dataclass(slots=True)
class PowerDesk:
    """``now_s`` only ever grows, ``unix_s`` is the time of day; both in seconds."""

    tree: PowerTree
    now_s: float
    terms: Terms = DEFAULT_TERMS
    estimator: Estimator = field(init=False)
    calibrator: Calibrator = field(default_factory=Calibrator)
    silence: SilenceWatch = field(default_factory=SilenceWatch)
    _controller: Controller = field(init=False)
    _state: ControlState = field(default_factory=ControlState)
    _looked_s: float = field(init=False)

    def state(self) -> DeskState:
        """All that it knows and no book has, for ``restore``."""
        return DeskState(
            self.now_s,
            self._looked_s,
            self.estimator.state(),
            self.silence.state(),
            self._state,
            self.calibrator.periods(),
        )

    def restore(self, state: DeskState) -> None:
        """Go on from what another desk knew, before anything is taken here."""
        self.now_s, self._looked_s = state.now_s, state.looked_s
        self.estimator.restore(state.estimator)
        self.silence.restore(state.silence, state.now_s)
        self._state = state.control
        self.calibrator.go_on(state.periods)

    def __post_init__(self) -> None:
        self.estimator = Estimator(self.tree, self.now_s)
        self._controller = Controller(self.tree, self.terms)
        self._looked_s = self.now_s

    def take_work(self, nodes: Mapping[NodeKey, NodeWork], now_s: float) -> None:
        """Work that the fold has added up."""
        self.now_s = max(self.now_s, now_s)
        self.estimator.add(nodes, self.now_s)

    def tick(
        self, outside: Outside, groups: tuple[RigGroup, ...], now_s: float, unix_s: float
    ) -> Tick:
        """Look at everything, and say what would be done."""
        self.now_s = now_s = max(self.now_s, now_s)
        if now_s - self._looked_s > LONGEST_TICK_S:
            self.silence.hold(self._looked_s)
            self.silence.resume(now_s)
        self._looked_s = now_s
        changes = tuple(self.silence.look(now_s))
        self.estimator.note_rigs(groups)
        nodes = believe(
            self.tree,
            self.estimator,
            outside.meters.get,
            lambda load: _ai_w(outside, load),
            self.calibrator,
            now_s,
        )
        readings = Readings(nodes, outside.limits, outside.mining_limits, groups)
        self._state, decision = self._controller.step(self._state, readings, unix_s)
        view = power_view(
            self.tree,
            replace(readings, limits=decision.limits),
            at_s=unix_s,
            mode=MODE,
            state="within" if not decision.overloads else "over",
            intended=[sentence(self.tree, each) for each in decision.intentions],
            calibrations=dict(self._calibrations()),
        )
        return Tick(unix_s, readings, decision, changes, view)

    def _calibrations(self) -> Iterator[tuple[str, CalibrationView]]:
        for path, lesson in self.calibrator.lessons().items():
            if (alpha := self.calibrator.alpha(path)) is not None:
                factor, sigma = alpha
                yield path, CalibrationView(factor, sigma, lesson.newest, lesson.teaching)

    def groups(self, rigs: Iterable[RigRow]) -> tuple[RigGroup, ...]:
        """The rigs that hash or are silent, by node and rating, with what they draw together."""
        counts: dict[tuple[str, Rating], list[int]] = {}
        for rig in rigs:
            state = self.silence.state_of(rig.worker)
            if state is RigState.DISCONNECTED:
                continue
            count = counts.setdefault((rig.node, rig.rating), [0, 0])
            count[state is RigState.SILENT] += 1
        return tuple(
            RigGroup(
                node,
                rating,
                hashing,
                silent,
                self.estimator.group_w(node, rating, GROUP_WINDOW_S, self.now_s),
            )
            for (node, rating), (hashing, silent) in counts.items()
        )


def _ai_w(outside: Outside, load: AiLoad) -> float | None:
    return outside.ai_w.get((load.site, load.name))
