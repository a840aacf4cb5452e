"""What the workers count, added up: of those who live, and of those who have ended too.

A worker counts from its own start. Its gauges end with it; its counts stay, else a sum would go
back at each death, and a rate of it be wrong.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from poolserver.cluster.messages import WorkerCounters
from poolserver.cluster.timings import BOUNDS_S, timing
from poolserver.histogram import Histogram


@dataclass(slots=True)
class Counts:
    """Counts that only grow. ``stopgap_work`` in hashes."""

    malformed: int = 0
    resumed: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    journal_dropped: int = 0
    stopgap_seconds: float = 0.0
    stopgap_work: float = 0.0
    timed: dict[str, Histogram] = field(default_factory=lambda: {n: timing(n) for n in BOUNDS_S})
    """By the names in ``cluster.timings``."""

    def add(self, told: WorkerCounters) -> None:
        """Add those of one life."""
        self.malformed += told.malformed
        self.resumed += told.resumed
        self.refused.update(told.refused)
        self.journal_dropped += told.journal_dropped
        self.stopgap_seconds += told.stopgap_seconds
        self.stopgap_work += told.stopgap_work
        self.add_timed(told)

    def add_timed(self, told: WorkerCounters) -> None:
        """Add what one life has timed; what only another version times is left out."""
        for name, timed in told.timed.items():
            if name in self.timed:
                self.timed[name].add(timed.counts, timed.seconds)

    def merge(self, other: "Counts") -> None:
        """Add those of another worker. All have a stopgap at once: its time is the longest."""
        self.malformed += other.malformed
        self.resumed += other.resumed
        self.refused.update(other.refused)
        self.journal_dropped += other.journal_dropped
        self.stopgap_seconds = max(self.stopgap_seconds, other.stopgap_seconds)
        self.stopgap_work += other.stopgap_work
        for name, observed in other.timed.items():
            self.timed[name].add(observed.counts, observed.seconds)


class Tally:
    """Of all worker processes. Sources are of WorkerIdentity's form."""

    def __init__(self) -> None:
        self._living: dict[str, WorkerCounters] = {}
        self._ended: dict[str, Counts] = {}  # by the worker's index

    @property
    def living(self) -> Mapping[str, WorkerCounters]:
        """The last word of each worker that lives, by its source."""
        return self._living

    def take(self, told: WorkerCounters) -> None:
        """A worker's counters, in place of those that it told before."""
        self._living[told.source] = told

    def end(self, source: str) -> None:
        """This life is over."""
        told = self._living.pop(source, None)
        if told is not None:
            self._ended.setdefault(index_of(source), Counts()).add(told)

    def succeed(self, before: str, source: str) -> None:
        """One life goes on in another, which counts on from where it stood, and times anew."""
        told = self._living.pop(before, None)
        if told is not None:
            self._ended.setdefault(index_of(before), Counts()).add_timed(told)
            self._living.setdefault(source, replace(told, timed={}))

    def by_worker(self) -> dict[str, Counts]:
        """The sums of all lives of each worker, by its index."""
        found: dict[str, Counts] = {}
        for index, ended in self._ended.items():
            found.setdefault(index, Counts()).merge(ended)
        for source, told in self._living.items():
            found.setdefault(index_of(source), Counts()).add(told)
        return found

    def counts(self) -> Counts:
        """The sums of all lives of all workers."""
        total = Counts()
        for each in self.by_worker().values():
            total.merge(each)
        return total


def index_of(source: str) -> str:
    """The worker's index, of a source of WorkerIdentity's form."""
    return source.rsplit("/", 2)[1]
