"""How often something took how long: a few counts, for Prometheus.

On whatever path it stands, it costs a search among a dozen bounds and two additions.
"""

from bisect import bisect_left
from collections.abc import Sequence

# Of what should take a fraction of a millisecond, and may take a second when all goes wrong.
QUICK_S = (0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5)


class Histogram:
    """Observations of seconds, by upper bounds that never change."""

    __slots__ = ("bounds_s", "counts", "seconds")

    def __init__(self, bounds_s: Sequence[float] = QUICK_S) -> None:
        self.bounds_s = bounds_s
        self.counts = [0] * (len(bounds_s) + 1)
        """Observations of up to each bound, and above the one before; the last is of all beyond."""
        self.seconds = 0.0
        """The sum of all observations."""

    def note(self, seconds: float, count: int = 1) -> None:
        """``count`` of them took so long, each."""
        self.counts[bisect_left(self.bounds_s, seconds)] += count
        self.seconds += seconds * count

    def add(self, counts: Sequence[int], seconds: float) -> None:
        """Those of another one. One of other bounds, as of a process of an older version, is left
        out: half of it would be worse.
        """
        if len(counts) == len(self.counts):
            self.counts = [mine + its for mine, its in zip(self.counts, counts, strict=True)]
            self.seconds += seconds
