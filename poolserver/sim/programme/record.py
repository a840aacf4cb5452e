"""What is kept of a run: a node's day for the drawing, and how all overruns showed."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields
from io import StringIO
from math import nan

from poolserver.control_room import desk
from poolserver.sim.programme.overruns import Overruns
from poolserver.sim.programme.plot import Line, Panel, plot
from poolserver.sim.programme.run import Run, Tick

MW = 1e6
MOST_OFF = 8.0
"""Percent: a minute's window is far off right after a step, and nothing else is."""
POINTS = 720
"""Of a line: one every two minutes of a day."""


@dataclass(frozen=True, slots=True)
class Point:
    """A node at a moment, in MW."""

    hour: float
    true_mw: float
    believed_mw: float
    """By meters as far as there are any."""
    shares_mw: float
    """By proven work and nameplates, with the AI load as it is metered."""
    taught_mw: float
    """The same, corrected by what meters have taught."""
    shares_low_mw: float
    shares_high_mw: float
    ai_mw: float
    limit_mw: float


class Recorder:
    """Takes in ticks with what the pool saw in them."""

    def __init__(self, run: Run, path: str) -> None:
        self._run, self.path = run, path
        self._row = run.world.row(path)
        self._every_s = max(run.tick_s, run.hours * 3600 / POINTS)
        self._next_s = 0.0
        self.points: list[Point] = []
        self.told: list[tuple[float, str]] = []
        """What the controller said it would do, and when."""
        self.overruns = Overruns(run.tick_s)

    def take(self, tick: Tick, seen: desk.Tick) -> None:
        """One tick."""
        self.told += ((tick.at_s, sentence) for sentence in seen.decision.told)
        overloads = {overload.node for overload in seen.decision.overloads}
        intended = {intention.node for intention in seen.decision.intentions}
        for row, node in enumerate(self._run.world.tree):
            limit = seen.readings.limits.get(node.path)
            if limit is not None and limit.limit_w is not None:
                power = seen.readings.nodes[node.path]
                shows = {
                    "meters": power.total_w.value > limit.limit_w,
                    "the controller": node.path in overloads,
                    "an intention": node.path in intended,
                    "shares": power.by_shares_w > limit.limit_w,
                }
                true_w = float(tick.truth.node_w[row])
                self.overruns.note(node.path, tick.at_s, true_w, limit.limit_w, shows)
        if tick.at_s >= self._next_s:
            self._next_s = tick.at_s + self._every_s
            self.points.append(self._point(tick, seen))

    def _point(self, tick: Tick, seen: desk.Tick) -> Point:
        power = seen.readings.nodes[self.path]
        limit = seen.readings.limits.get(self.path)
        other_w = power.ai_w + power.auxiliary_w
        interval = power.estimated_w.interval()
        return Point(
            hour=(tick.at_s - self._run.world.begin_s) / 3600,
            true_mw=float(tick.truth.node_w[self._row]) / MW,
            believed_mw=power.total_w.value / MW,
            shares_mw=power.by_shares_w / MW,
            taught_mw=(power.calibrated_w.value + other_w) / MW,
            shares_low_mw=(interval.low + other_w) / MW,
            shares_high_mw=(interval.high + other_w) / MW,
            ai_mw=power.ai_w / MW,
            limit_mw=nan if limit is None or limit.limit_w is None else limit.limit_w / MW,
        )

    def csv(self) -> str:
        """All points, for whoever draws them another way."""
        text = StringIO()
        rows = csv.writer(text, lineterminator="\n")
        names = [each.name for each in fields(Point)]
        rows.writerow(names)
        rows.writerows([f"{getattr(each, name):.4f}" for name in names] for each in self.points)
        return text.getvalue()

    def svg(self, title: str) -> str:
        """The day, drawn: power above, AI below."""
        points = self.points
        lines = [
            Line(
                "by shares and nameplates, 95 %",
                "blue",
                [each.shares_mw for each in points],
                [each.shares_low_mw for each in points],
                [each.shares_high_mw for each in points],
            ),
            Line("truth", "black", [each.true_mw for each in points], look="thick"),
            Line("by meters", "orange", [each.believed_mw for each in points]),
            Line(
                "limit",
                "red",
                [each.limit_mw for each in points],
                look="thick dashed",
                steps=True,
            ),
        ]
        ai = Line("AI hall", "purple", [each.ai_mw for each in points])
        errors = [
            Line("", "blue", [_off(each.shares_mw, each.true_mw) for each in points]),
            Line(
                "by shares, taught by meters",
                "green",
                [_off(each.taught_mw, each.true_mw) for each in points],
            ),
            Line("", "orange", [_off(each.believed_mw, each.true_mw) for each in points]),
        ]
        panels: Sequence[Panel] = [
            Panel("MW at the meter", lines, 360),
            Panel("AI load, MW", [ai], 90, from_zero=True),
            Panel(f"off the truth, % (cut off at {MOST_OFF:g})", errors, 90),
        ]
        return plot(title, [each.hour for each in points], panels)


def _off(told: float, true: float) -> float:
    """In percent."""
    return max(-MOST_OFF, min(MOST_OFF, 100 * (told / true - 1))) if true else nan
