"""A day as an SVG, written by hand: lines over hours in one or more panels. Pure.

It carries its own background and colours, for light and for dark, and asks nobody for anything:
no font, no script. Colours are Okabe and Ito's, which colour-blind readers can tell apart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, isfinite, log10

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 1080, 64, 20, 84, 34
GAP = 30
"""Between panels."""

STYLE = """
svg { --bg: #ffffff; --ink: #1d1d1f; --faint: #6e6e73; --grid: #e4e4e8;
      --blue: #0072b2; --orange: #d55e00; --green: #007a5a; --black: #1d1d1f; --purple: #a0458a;
      --red: #c1121f; }
@media (prefers-color-scheme: dark) {
svg { --bg: #16181c; --ink: #ececf1; --faint: #a0a3ab; --grid: #2c3037;
      --blue: #56b4e9; --orange: #ff8c42; --green: #2fc79b; --black: #ececf1; --purple: #dd95c8;
      --red: #ff6b6b; } }
text { font: 13px system-ui, sans-serif; fill: var(--faint); }
.title { font-size: 17px; font-weight: 600; fill: var(--ink); }
.label { fill: var(--ink); }
.line { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.thick { stroke-width: 2.4; }
.dashed { stroke-dasharray: 7 4; }
.band { stroke: none; opacity: 0.2; }
.grid { stroke: var(--grid); stroke-width: 1; }
"""


@dataclass(frozen=True, slots=True)
class Line:
    """A line, or with ``low`` and ``high`` one in its band. NaN is a gap."""

    label: str
    """In the legend; empty where its colour is told already."""
    colour: str
    """``blue``, ``orange``, ``green``, ``black``, ``purple`` or ``red``."""
    values: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    look: str = ""
    """``thick``, ``dashed`` or both."""
    steps: bool = False
    """Whether it holds until the next value, as a limit does."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines with one axis of their own."""

    title: str
    lines: Sequence[Line]
    height: int
    from_zero: bool = False


def plot(title: str, hours: Sequence[float], panels: Sequence[Panel]) -> str:
    """The SVG. ``hours`` belong to all lines of all panels; the first and last are the ends."""
    height = TOP + sum(panel.height for panel in panels) + GAP * (len(panels) - 1) + BOTTOM
    body = list(_hours(hours, TOP, height - BOTTOM))
    top = TOP
    for panel in panels:
        body += _panel(panel, hours, top)
        top += panel.height + GAP
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            f'<rect width="{WIDTH}" height="{height}" fill="var(--bg)"/>',
            f'<text x="{LEFT}" y="26" class="title">{escape(title)}</text>',
            *_legend([line for panel in panels for line in panel.lines if line.label]),
            *body,
            "</svg>",
            "",
        ]
    )


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round figures from below ``low`` to above ``high``, at most ``most`` steps apart.

    >>> ticks(1711, 2093)
    [1700.0, 1800.0, 1900.0, 2000.0, 2100.0]
    """
    span = max(high - low, abs(high) * 1e-6, 1e-9)
    size = 10.0 ** floor(log10(span / most))
    step = next(size * each for each in (1, 2, 5, 10, 20) if span / (size * each) <= most)
    first = floor(low / step)
    return [step * each for each in range(first, max(first + 1, ceil(high / step)) + 1)]


def _panel(panel: Panel, hours: Sequence[float], top: int) -> Iterator[str]:
    shown = [
        value
        for line in panel.lines
        for values in (line.values, line.low, line.high)
        for value in values
        if isfinite(value)
    ]
    marks = ticks(0.0 if panel.from_zero else min(shown), max(shown), max(3, panel.height // 55))

    def y_of(value: float) -> float:
        return top + panel.height * (marks[-1] - value) / (marks[-1] - marks[0])

    for mark in marks:
        y = y_of(mark)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4.5:.1f}" text-anchor="end">{mark:,g}</text>'
    yield f'<text x="{LEFT}" y="{top - 9}">{escape(panel.title)}</text>'
    xs = [_x_of(hour, hours) for hour in hours]
    for line in panel.lines:
        if line.low:
            there = list(zip(xs, map(y_of, line.high), strict=True))
            back = list(zip(xs, map(y_of, line.low), strict=True))[::-1]
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in there + back if isfinite(y))
            yield f'<polygon points="{points}" class="band" fill="var(--{line.colour})"/>'
    for line in panel.lines:
        path = _path(xs, [y_of(value) for value in line.values], line.steps)
        yield f'<path d="{path}" class="line {line.look}" stroke="var(--{line.colour})"/>'


def _x_of(hour: float, hours: Sequence[float]) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (hour - hours[0]) / ((hours[-1] - hours[0]) or 1.0)


def _path(xs: Sequence[float], ys: Sequence[float], steps: bool) -> str:
    parts: list[str] = []
    before: float | None = None
    for x, y in zip(xs, ys, strict=True):
        if not isfinite(y):
            before = None
            continue
        if before is None:
            parts.append(f"M{x:.1f} {y:.1f}")
        elif steps and y != before:
            parts.append(f"H{x:.1f}V{y:.1f}")
        elif not steps or x == xs[-1]:
            parts.append(f"L{x:.1f} {y:.1f}")
        before = y
    return "".join(parts)


def _hours(hours: Sequence[float], top: int, bottom: int) -> Iterator[str]:
    for hour in ticks(hours[0], hours[-1], 12) if hours[-1] - hours[0] != 24 else range(0, 25, 2):
        if hours[0] <= hour <= hours[-1]:
            x = _x_of(hour, hours)
            yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}" class="grid"/>'
            yield f'<text x="{x:.1f}" y="{bottom + 19}" text-anchor="middle">{_clock(hour)}</text>'


def _clock(hour: float) -> str:
    return f"{int(hour):d}:{round(hour % 1 * 60):02d}"


def _legend(lines: Sequence[Line]) -> Iterator[str]:
    x = float(LEFT)
    for line in lines:
        colour = f"var(--{line.colour})"
        if line.low:
            yield f'<rect x="{x:.0f}" y="39" width="26" height="14" class="band" fill="{colour}"/>'
        yield (
            f'<line x1="{x:.0f}" x2="{x + 26:.0f}" y1="46" y2="46" '
            f'class="line {line.look}" stroke="{colour}"/>'
        )
        yield f'<text x="{x + 33:.0f}" y="50.5" class="label">{escape(line.label)}</text>'
        x += 33 + 7.1 * len(line.label) + 22
