"""How often something took how long: a few counts, for Prometheus.

On whatever path it stands, it costs a search among a dozen bounds and two additions.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

# Of what should take a fraction of a millisecond, and may take a second when all goes wrong.
QUICK_S = (0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5)
# Of what waits for a disk, or for all rigs, or for a turn.
DISK_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
# Of calls: from one that finds its answer ready to one that a node has to work for.
CALL_S = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0)


@dataclass(slots=True)
class Histogram:
    """Observations of seconds, by upper bounds that never change."""

    bounds_s: tuple[float, ...] = QUICK_S
    counts: list[int] = field(init=False)
    """Observations of up to each bound, and above the one before; the last is of all beyond."""
    seconds: float = field(init=False, default=0.0)
    """The sum of all observations."""

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds_s) + 1)

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
