"""Series over time, for graphs: in memory, bounded, and as text to outlive a restart. Pure.

Every ten seconds a sample is taken of the pool and each site. It goes into four rings at once, of
steps from ten seconds to half an hour. A step has the mean of its samples, but the least limit and
the sum of shares.

The hashrate is that of the one-minute meter. Work done in a step would be exact, but shares come to
the books up to a second late: of ten seconds that is a tenth, and a steady site would look
unsteady. Over longer steps the mean of the meter is the work done in them.

A ring is 360 points of nine numbers at most: all four take 97 kB for the pool and for each site.
"""

import base64
import json
import zlib
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain
from math import floor, isnan, nan
from typing import Any, Literal, NamedTuple

from poolserver.lookout.view import History

SAMPLE_S = 10

Span = Literal["1h", "6h", "1d", "7d"]
# Seconds a step, and how many.
STEPS: dict[Span, tuple[int, int]] = {
    "1h": (10, 360),
    "6h": (60, 360),
    "1d": (300, 288),
    "7d": (1800, 336),
}

MOST_SAVED = 16 << 20
"""Of a text that is taken up: a hundred sites are 5 MB."""

Combine = Callable[[float, float, int], float]


class Sample(NamedTuple):
    """How it is now. Shares are counts since ever, of which a step has the growth."""

    hashrate_h_s: float | None = None
    power_w: float | None = None
    power_sigma_w: float | None = None
    limit_w: float | None = None
    ai_w: float | None = None
    accepted: float | None = None
    stale: float | None = None
    rejected: float | None = None
    rigs: float | None = None


def _mean(before: float, new: float, samples: int) -> float:
    return before + (new - before) / samples


def _least(before: float, new: float, samples: int) -> float:
    return min(before, new)


def _sum(before: float, new: float, samples: int) -> float:
    return before + new


_COUNTS = frozenset({"accepted", "stale", "rejected"})
_COMBINE: tuple[Combine, ...] = tuple(
    _sum if name in _COUNTS else _least if name == "limit_w" else _mean for name in Sample._fields
)


@dataclass(slots=True)
class _Ring:
    """``step`` is the number of the newest whole step since 1970; its point is the last one."""

    step_s: int
    points: int
    step: int = -1
    columns: "list[array[float]]" = field(default_factory=list)
    _open: int = -1
    _sums: list[float] = field(default_factory=list)
    _samples: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.columns:
            self.columns = [array("d", [nan]) * self.points for _ in Sample._fields]

    def take(self, at_s: float, values: Iterable[float]) -> None:
        """Values of ``at_s``; NaN is not known."""
        step = floor(at_s / self.step_s)
        if step != self._open:
            self._close(step)
        for number, value in enumerate(values):
            if isnan(value):
                continue
            self._samples[number] += 1
            before, samples = self._sums[number], self._samples[number]
            combine = _COMBINE[number]
            self._sums[number] = value if samples == 1 else combine(before, value, samples)

    def go_to(self, step: int) -> None:
        """Let ``step`` be the newest; nothing is known of those between."""
        gone = step - self.step
        if self.step < 0 or gone < 0 or gone >= self.points:  # a clock that was set back, too
            gone = self.points
        for column in self.columns:
            del column[:gone]
            column.extend([nan] * gone)
        self.step = step

    def _close(self, following: int) -> None:
        """The open step is over."""
        if self._open >= 0 and self._open < following:
            self.go_to(self._open)
            for column, value, samples in zip(self.columns, self._sums, self._samples, strict=True):
                column[-1] = value if samples else nan
        self._open = following
        self._sums = [nan] * len(Sample._fields)
        self._samples = [0] * len(Sample._fields)

    def at(self, now_s: float) -> tuple[int, list[list[float | None]]]:
        """The number of the newest whole step now, and all columns up to it."""
        newest = floor(now_s / self.step_s) - 1
        behind = min(max(0, newest - self.step), self.points) if self.step >= 0 else 0
        missing: list[float | None] = [None] * behind
        return newest, [
            [None if isnan(value) else value for value in column[behind:]] + missing
            for column in self.columns
        ]

    def state(self) -> list[Any]:
        """To be saved; see restore()."""
        points = array("f", chain.from_iterable(self.columns))
        return [self.step, _packed(points), self._open, list(self._sums), list(self._samples)]

    def restore(
        self, step: int, packed: str, open_step: int, sums: list[float], samples: list[int]
    ) -> None:
        """Take up a state. The step that was under way goes on.

        Raises:
            ValueError, TypeError: it is none.
        """
        values = _unpacked(packed, self.points * len(Sample._fields))
        if open_step >= 0 and not len(sums) == len(samples) == len(Sample._fields):
            raise ValueError("its open step is of another form")
        self.step, self._open = int(step), int(open_step)
        self._sums, self._samples = list(map(float, sums)), list(map(int, samples))
        self.columns = [
            array("d", values[begin : begin + self.points])
            for begin in range(0, len(values), self.points)
        ]


class Series:
    """The rings of the pool, or of a site."""

    def __init__(self) -> None:
        self._rings = {span: _Ring(*steps) for span, steps in STEPS.items()}
        self._counted: dict[str, float] = {}

    def take(self, at_s: float, sample: Sample) -> None:
        """A sample of ``at_s``, Unix seconds."""
        values = [
            self._growth(name, value) if name in _COUNTS else nan if value is None else value
            for name, value in zip(Sample._fields, sample, strict=True)
        ]
        for ring in self._rings.values():
            ring.take(at_s, values)

    def _growth(self, name: str, count: float | None) -> float:
        """Since the last sample. Of the first one nobody knows when that was."""
        if count is None:
            return nan
        before, self._counted[name] = self._counted.get(name), count
        return nan if before is None else max(0.0, count - before)

    def history(self, span: Span, now_s: float) -> History:
        """The whole steps up to ``now_s``."""
        ring = self._rings[span]
        newest, columns = ring.at(now_s)
        *figures, accepted, stale, rejected, rigs = columns
        hashrate_h_s, power_w, power_sigma_w, limit_w, ai_w = map(tuple, figures)
        return History(
            end_s=float((newest + 1) * ring.step_s),
            step_s=ring.step_s,
            hashrate_h_s=hashrate_h_s,
            power_w=power_w,
            power_sigma_w=power_sigma_w,
            limit_w=limit_w,
            ai_w=ai_w,
            accepted=_whole(accepted),
            stale=_whole(stale),
            rejected=_whole(rejected),
            rigs=_whole(rigs),
        )

    def state(self) -> dict[str, list[Any]]:
        """To be saved: by span, how each ring stands, points in half the digits."""
        return {span: ring.state() for span, ring in self._rings.items()}

    def restore(self, state: dict[str, list[Any]]) -> None:
        """Take up what was saved.

        Raises:
            ValueError, TypeError, KeyError: it is no such state.
        """
        for span, ring in self._rings.items():
            ring.restore(*state[span])


class Histories:
    """All series; the pool's has the name ``""``."""

    def __init__(self) -> None:
        self._series: dict[str, Series] = {}

    def take(self, at_s: float, samples: dict[str, Sample]) -> None:
        """A sample of each at ``at_s``, Unix seconds."""
        for name, sample in samples.items():
            self._series.setdefault(name, Series()).take(at_s, sample)

    def history(self, name: str, span: Span, now_s: float) -> History | None:
        """None: there is no such site."""
        series = self._series.get(name)
        return None if series is None else series.history(span, now_s)

    def text(self) -> str:
        """To be saved."""
        return json.dumps({name: series.state() for name, series in self._series.items()})

    def restore(self, text: str) -> None:
        """Take up what was saved; before the first sample.

        Raises:
            ValueError, TypeError, KeyError: it is no such text, as one of another version.
        """
        if len(text) > MOST_SAVED:
            raise ValueError("it is too long")
        restored: dict[str, Series] = {}
        for name, state in dict(json.loads(text)).items():
            restored[name] = Series()
            restored[name].restore(state)
        self._series = restored


def _whole(column: Iterable[float | None]) -> tuple[int | None, ...]:
    return tuple(None if value is None else round(value) for value in column)


def _packed(values: "array[float]") -> str:
    return base64.b85encode(zlib.compress(values.tobytes(), 1)).decode()


def _unpacked(text: str, count: int) -> "array[float]":
    values = array("f")
    size = count * values.itemsize
    try:
        values.frombytes(zlib.decompressobj().decompress(base64.b85decode(text), size))
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(values) != count:
        raise ValueError(f"{len(values)} points and not {count}")
    return values
