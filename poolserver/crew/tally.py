"""What the workers count, added up: of those who live, and of those who have ended too.

A worker counts from its own start. Its gauges end with it; its counts stay, else a sum would go
back at each death, and a rate of it be wrong.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from poolserver.cluster.messages import WorkerCounters


@dataclass(slots=True)
class Counts:
    """Counts that only grow. ``stopgap_work`` in hashes."""

    malformed: int = 0
    resumed: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    journal_dropped: int = 0
    stopgap_seconds: float = 0.0
    stopgap_work: float = 0.0

    def add(self, told: WorkerCounters) -> None:
        """Add those of one life."""
        self.malformed += told.malformed
        self.resumed += told.resumed
        self.refused.update(told.refused)
        self.journal_dropped += told.journal_dropped
        self.stopgap_seconds += told.stopgap_seconds
        self.stopgap_work += told.stopgap_work


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
            self._ended.setdefault(_index(source), Counts()).add(told)

    def succeed(self, before: str, source: str) -> None:
        """One life goes on in another, which counts on from where it stood."""
        told = self._living.pop(before, None)
        if told is not None:
            self._living.setdefault(source, told)

    def counts(self) -> Counts:
        """The sums of all lives. All workers have a stopgap at once: its time is the longest."""
        by_index = {index: _copy(each) for index, each in self._ended.items()}
        for source, told in self._living.items():
            by_index.setdefault(_index(source), Counts()).add(told)
        total = Counts()
        for each in by_index.values():
            total.malformed += each.malformed
            total.resumed += each.resumed
            total.refused.update(each.refused)
            total.journal_dropped += each.journal_dropped
            total.stopgap_seconds = max(total.stopgap_seconds, each.stopgap_seconds)
            total.stopgap_work += each.stopgap_work
        return total


def _copy(counts: Counts) -> Counts:
    return Counts(
        counts.malformed,
        counts.resumed,
        Counter(counts.refused),
        counts.journal_dropped,
        counts.stopgap_seconds,
        counts.stopgap_work,
    )


def _index(source: str) -> str:
    return source.rsplit("/", 2)[1]
