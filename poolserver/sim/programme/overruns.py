"""How long it takes until it shows that a node is over its limit. Pure.

An overrun is a time in which a node truly draws more than it may. It shows when the pool says so,
in some way or other: by meters, by shares alone, by what the controller wants done.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

SETTLE_S = 60.0
"""Two overruns of a node with less than this between them are one: noise at the limit."""
CLEAR = 0.005
"""What counts goes beyond the limit by so much of it once: less is within a meter's class."""


@dataclass(slots=True)
class Overrun:
    """One, of one node. ``began_s`` is the end of the last tick that was within the limit."""

    node: str
    limit_w: float
    began_s: float
    ended_s: float
    worst_w: float
    """The most that it truly drew."""
    shown_s: dict[str, float] = field(default_factory=dict)
    """How long after its begin it showed, by way."""

    @property
    def is_clear(self) -> bool:
        return self.worst_w > self.limit_w * (1 + CLEAR)


class Overruns:
    """Collects the overruns of all nodes, tick by tick."""

    def __init__(self, tick_s: float) -> None:
        self._tick_s = tick_s
        self._open: dict[str, Overrun] = {}
        self._closed: list[Overrun] = []
        self.false_s: dict[str, float] = {}
        """For how long each way showed an overrun that was none, over all nodes."""

    def note(
        self, node: str, at_s: float, true_w: float, limit_w: float, shows: Mapping[str, bool]
    ) -> None:
        """What is true of a node at the end of a tick, and in which ways it shows."""
        overrun = self._open.get(node)
        if overrun is not None and at_s > overrun.ended_s + SETTLE_S:
            self._closed.append(self._open.pop(node))
            overrun = None
        if true_w > limit_w:
            if overrun is None:
                overrun = Overrun(node, limit_w, at_s - self._tick_s, at_s, true_w)
                self._open[node] = overrun
            overrun.ended_s = at_s
            overrun.worst_w = max(overrun.worst_w, true_w)
        for way, is_shown in shows.items():
            if is_shown and overrun is not None:
                overrun.shown_s.setdefault(way, at_s - overrun.began_s)
            elif is_shown:
                self.false_s[way] = self.false_s.get(way, 0.0) + self._tick_s

    def clear(self) -> Iterator[Overrun]:
        """Those that went clearly beyond the limit, in the order of their begin."""
        found = [each for each in (*self._closed, *self._open.values()) if each.is_clear]
        yield from sorted(found, key=lambda each: each.began_s)
