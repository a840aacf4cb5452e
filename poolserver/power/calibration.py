"""What a node's meter teaches of its ratings: a factor on the estimate, learned slowly. Pure.

The factor is ``alpha = (metered - auxiliary - AI) / estimated``, by energy over periods long
enough to hold shares for TEACHING_SIGMA. It is for the nameplate's error, the heat of a season
and the age of machines. Rigs that begin to mine elsewhere raise it too, and must not be learned
away: so it stays within TOLERANCE, moves by DRIFT at most from where it settled, and learns
nothing from a step. Then it is frozen until an operator accepts, or until the step has gone back.
What it does not follow stays in the residual; that against the uncalibrated estimate has all.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from math import sqrt
from typing import NamedTuple

from poolserver.power.estimator import Total

TOLERANCE = 0.10
"""Of a nameplate (design: power.md): alpha is within 0.9 and 1.1."""
DRIFT = 0.015
"""How far alpha may move from where it settled, unless an operator accepts more."""
MEMORY_S = 3 * 86_400.0
"""How slowly it learns once it has settled: a change is followed by 28 % in a day."""
SETTLED_S = 86_400.0
"""So much teaching makes it settle: a whole day, since heat goes up and down in one."""
PERIOD_S = 300.0
TEACHING_SIGMA = 0.02
"""The relative error by chance that a period may have; else it goes on, up to LONGEST_S."""
LONGEST_S = 3600.0
SLACK = 0.025
"""How far a period's factor may be from alpha without being told: heat within a day."""
# The change detector (Page's CUSUM, Biometrika 41, 1954): what is beyond SLACK, in sigmas of its
# own, adds up. One period counts STEP_CAP at most, so a restart of a hall, when rigs draw power for
# minutes without hashing, is no step; four in a row are.
STEP_SIGMA = 0.005
STEP_CAP = 2.5
STEP_LIMIT = 8.0
BACK_PERIODS = 12
"""So many periods in a row within SLACK end a freeze: at least an hour."""
UNTAUGHT_SPREAD = 0.03


class Teaching(StrEnum):
    """What a node's calibration is doing."""

    LEARNING = "learning"
    SETTLED = "settled"
    FROZEN = "frozen"
    """At a step: rigs went elsewhere, a meter was changed, load was added."""


class Alpha(NamedTuple):
    """A factor on estimates and its relative standard error, the meter's own included."""

    factor: float
    relative_sigma: float


@dataclass(slots=True)
class Lesson:
    """What is known at one metered node. Plain data: it is saved as it stands."""

    alpha: float = 1.0
    teaching: str = Teaching.LEARNING.value
    taught_s: float = 0.0
    settled_alpha: float | None = None
    """Where it settled, or where an operator accepted it."""
    newest: float = 1.0
    """What the last period alone would say."""
    spread_sq: float = UNTAUGHT_SPREAD**2
    """The mean square of what periods were off from alpha beyond chance: heat within a day."""
    meter_sigma: float = 0.0
    high: float = 0.0
    low: float = 0.0
    """The change detector's sums: of being above alpha, and below."""
    back: int = 0
    frozen_s: float = 0.0
    """For how long it has been frozen."""


@dataclass(slots=True)
class Period:
    """What has been metered since it began."""

    began_s: float
    began: Total
    last_s: float
    metered_j: float = 0.0


@dataclass(slots=True)
class _Node:
    lesson: Lesson = field(default_factory=Lesson)
    period: Period | None = None


class Calibrator:
    """All lessons, by the path of the metered node. Times are Unix seconds."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}

    def take(
        self, path: str, now_s: float, mining_w: float, meter_sigma: float, total: Total
    ) -> None:
        """What a good meter says that mining draws now, and all energy estimated until now."""
        node = self._nodes.setdefault(path, _Node())
        node.lesson.meter_sigma = meter_sigma
        period = node.period
        if period is None:
            node.period = Period(now_s, total, now_s)
            return
        period.metered_j += mining_w * (now_s - period.last_s)
        period.last_s = now_s
        passed_s = now_s - period.began_s
        if passed_s < PERIOD_S:
            return
        estimated_j = total.energy_j - period.began.energy_j
        variance = max(0.0, total.variance_j2 - period.began.variance_j2)
        noise = sqrt(variance) / estimated_j if estimated_j > 0 else 1.0
        if noise <= TEACHING_SIGMA:
            learn(node.lesson, period.metered_j / estimated_j, noise, passed_s)
        elif passed_s < LONGEST_S:
            return
        node.period = Period(now_s, total, now_s)

    def interrupt(self, path: str) -> None:
        """The meter or what else it sees is not known for now: the period so far is void."""
        if (node := self._nodes.get(path)) is not None:
            node.period = None

    def alpha(self, path: str) -> Alpha | None:
        """What a node's own meter has taught, None before it has taught anything."""
        node = self._nodes.get(path)
        if node is None or not node.lesson.taught_s:
            return None
        lesson = node.lesson
        return Alpha(lesson.alpha, sqrt(lesson.meter_sigma**2 + lesson.spread_sq))

    def accept(self, path: str) -> bool:
        """An operator says that a step or a drift is right: learn anew. False: no such lesson."""
        node = self._nodes.get(path)
        if node is None:
            return False
        node.lesson = Lesson(meter_sigma=node.lesson.meter_sigma)
        node.period = None
        return True

    def lessons(self) -> Mapping[str, Lesson]:
        """All of them, to show."""
        return {path: node.lesson for path, node in self._nodes.items()}

    def state(self) -> dict[str, dict[str, object]]:
        """All lessons as plain data for JSON."""
        return {path: asdict(node.lesson) for path, node in self._nodes.items()}

    def periods(self) -> dict[str, Period]:
        """What is being metered now: it goes on only with the estimator that it began with."""
        return {path: node.period for path, node in self._nodes.items() if node.period is not None}

    def go_on(self, periods: Mapping[str, Period]) -> None:
        """Meter on, where another one was metering."""
        for path, period in periods.items():
            self._nodes.setdefault(path, _Node()).period = period

    def restore(self, state: Mapping[str, Mapping[str, object]]) -> None:
        """Go on from a saved state().

        Raises:
            TypeError: it is of another version.
        """
        for path, lesson in state.items():
            self._nodes[path] = _Node(Lesson(**lesson))  # type: ignore[arg-type]


def learn(lesson: Lesson, factor: float, noise: float, passed_s: float) -> None:
    """Take in what a period of ``passed_s`` says, with its relative error by chance."""
    lesson.newest = factor
    if lesson.teaching == Teaching.LEARNING:
        _move(lesson, factor, noise, passed_s)
        if lesson.taught_s >= SETTLED_S:
            lesson.teaching = Teaching.SETTLED.value
            lesson.settled_alpha = lesson.alpha
        return
    off = factor - lesson.alpha
    if lesson.teaching == Teaching.FROZEN:
        lesson.back = lesson.back + 1 if abs(off) <= SLACK + noise else 0
        if lesson.back < BACK_PERIODS:
            lesson.frozen_s += passed_s
            return
        lesson.teaching = Teaching.SETTLED.value
        lesson.high = lesson.low = lesson.frozen_s = 0.0
    elif _is_step(lesson, off, noise):
        lesson.teaching = Teaching.FROZEN.value
        lesson.back = 0
        return
    # One period alone, as at a restart, moves alpha no more than any other would.
    _move(lesson, lesson.alpha + min(SLACK, max(-SLACK, off)), noise, passed_s)


def _is_step(lesson: Lesson, off: float, noise: float) -> bool:
    sigma = sqrt(noise * noise + STEP_SIGMA**2)
    slack = SLACK / sigma
    lesson.high = max(0.0, lesson.high + min(STEP_CAP, off / sigma - slack))
    lesson.low = max(0.0, lesson.low + min(STEP_CAP, -off / sigma - slack))
    return max(lesson.high, lesson.low) > STEP_LIMIT


def _move(lesson: Lesson, factor: float, noise: float, passed_s: float) -> None:
    """Towards ``factor``: a plain mean at first, then by MEMORY_S."""
    lesson.taught_s += passed_s
    gain = passed_s / min(lesson.taught_s, MEMORY_S)
    off = factor - lesson.alpha
    alpha = lesson.alpha + gain * off
    low, high = 1 - TOLERANCE, 1 + TOLERANCE
    if lesson.settled_alpha is not None:
        low = max(low, lesson.settled_alpha - DRIFT)
        high = min(high, lesson.settled_alpha + DRIFT)
    lesson.alpha = min(high, max(low, alpha))
    # Over a day at least, since one period says nothing of how they differ; without chance.
    part = passed_s / max(SETTLED_S, min(lesson.taught_s, MEMORY_S))
    swing_sq = (factor - lesson.alpha) ** 2 - noise * noise
    lesson.spread_sq = max(0.0, lesson.spread_sq + part * (swing_sq - lesson.spread_sq))
