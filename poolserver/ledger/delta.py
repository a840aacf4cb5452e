"""What some journal records add to the ledger: the one thing that passes from fold to store."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from threading import Lock
from typing import NamedTuple

from poolserver.ledger.payout_records import PayoutRecord
from poolserver.ledger.records import SequenceGap
from poolserver.ledger.totals import (
    Earning,
    EarningKey,
    IntervalKey,
    ShareTotals,
    WorkerKey,
    add_energy,
)
from poolserver.power.rating import Rating


class WorkerRef(NamedTuple):
    """A worker's number, which means something within its source only."""

    source: str
    ref: int


class Progress(NamedTuple):
    """The records of one source that a delta covers: those after ``after``, up to ``through``."""

    after: int
    through: int


class FoundBlock(NamedTuple):
    """A share that met the network target, as the journal tells."""

    hash_hex: str
    height: int
    key: WorkerKey
    found_at_ms: int
    nbits: int
    """Of the template in force; 0 in a journal without templates."""


class TemplateInForce(NamedTuple):
    """What a source's shares are made on from some record on."""

    height: int
    nbits: int
    value_sat: int


class Seal(NamedTuple):
    """All days up to ``through_day`` (days since 1970, UTC) are closed for what comes later.

    ``cutoffs`` are the sources that moved since the last seal, with the last record of each
    that was still booked in such a day.
    """

    through_day: int
    sealed_at_ms: int
    cutoffs: dict[str, int]


class NodeKey(NamedTuple):
    """A power node's interval, for rigs of one rating. Energy is this work times the rating."""

    begin_s: int
    node: str
    """The path of the deepest node that the rigs are at; see ``power.tree``."""
    rating: Rating


@dataclass(slots=True)
class NodeWork:
    """Work in hashes: proven for power, accepted for credit."""

    proven_work: int = 0
    proven_work_sq: int = 0
    accepted_work: int = 0

    def add(self, other: "NodeWork") -> None:
        self.proven_work += other.proven_work
        self.proven_work_sq += other.proven_work_sq
        self.accepted_work += other.accepted_work


@dataclass(slots=True)
class Rounds:
    """Accepted work by ``nbits``, between one found block and the next."""

    closed: list[tuple[str, dict[int, int]]] = field(default_factory=list)
    """The hash of each block, and the work that led to it."""
    open: dict[int, int] = field(default_factory=dict)
    """The work since."""

    def work(self, nbits: int, work: int) -> None:
        """Note accepted work."""
        self.open[nbits] = self.open.get(nbits, 0) + work

    def found(self, hash_hex: str) -> None:
        """A block ends the round."""
        self.closed.append((hash_hex, self.open))
        self.open = {}

    def merge(self, later: "Rounds") -> None:
        """Take in what came next."""
        for hash_hex, work in later.closed:
            self._add(work)
            self.found(hash_hex)
        self._add(later.open)

    def _add(self, work: Mapping[int, int]) -> None:
        for nbits, hashes in work.items():
            self.work(nbits, hashes)


@dataclass(slots=True)
class Delta:
    """What some batches add to the ledger; false when they add nothing."""

    progress: dict[str, Progress] = field(default_factory=dict)
    intervals: dict[IntervalKey, ShareTotals] = field(default_factory=dict)
    sites: dict[str, ShareTotals] = field(default_factory=dict)
    """The same shares by site."""
    earnings: dict[EarningKey, Earning] = field(default_factory=dict)
    site_energy_pj: dict[str, Fraction] = field(default_factory=dict)
    nodes: dict[NodeKey, NodeWork] = field(default_factory=dict)
    workers: dict[WorkerRef, tuple[str, str]] = field(default_factory=dict)
    """The (account, worker name) of each worker that was declared."""
    templates: dict[str, TemplateInForce] = field(default_factory=dict)
    """By source, the last one that was told."""
    rounds: Rounds = field(default_factory=Rounds)
    blocks: list[FoundBlock] = field(default_factory=list)
    payouts: list[PayoutRecord] = field(default_factory=list)
    """What blocks pay, of these batches and of earlier ones."""
    seals: list[Seal] = field(default_factory=list)
    """Days that were closed, each after what stands in this delta of them."""
    _unsettled: deque["Delta"] = field(default_factory=deque, repr=False, compare=False)
    _settling: Lock = field(default_factory=Lock, repr=False, compare=False)

    def __bool__(self) -> bool:
        return bool(self.progress or self.seals)

    @property
    def rows(self) -> int:
        """About how many rows of the store it changes."""
        by_key = len(self.intervals) + len(self.earnings) + len(self.nodes)
        return by_key + len(self.workers) + len(self.payouts)

    def by_worker(self) -> dict[WorkerKey, ShareTotals]:
        """The shares of all intervals together. To be read: what is of one interval is its own."""
        sums: dict[WorkerKey, ShareTotals] = {}
        begins = {begin_s for begin_s, _ in self.intervals}
        for (_, worker), totals in self.intervals.items():
            mine = sums.get(worker)
            if mine is None:
                sums[worker] = totals if len(begins) == 1 else totals.copy()
            else:
                mine.add(totals)
        return sums

    def merge(self, later: "Delta") -> None:
        """Take in a delta that follows on this one, for one transaction instead of two.

        What it holds passes over to this one; it is not to be used any more.

        Raises:
            SequenceGap: it does not follow on; nothing was changed.
        """
        self.join(later)
        self.settle()

    def join(self, later: "Delta") -> None:
        """As merge(), but what there is of each worker and node waits for settle().

        That is nearly all of the work, and for it rigs need not wait: it may be done in any thread.
        """
        for source, (after, _) in later.progress.items():
            mine = self.progress.get(source)
            if mine is not None and mine.through != after:
                raise SequenceGap(source, mine.through + 1, after + 1)
        for source, (after, through) in later.progress.items():
            mine = self.progress.get(source)
            self.progress[source] = Progress(after if mine is None else mine.after, through)
        for site, totals in later.sites.items():
            if (mine_too := self.sites.setdefault(site, totals)) is not totals:
                mine_too.add(totals)
        for earned, earning in later.earnings.items():
            if (my_earning := self.earnings.setdefault(earned, earning)) is not earning:
                my_earning.add(earning)
        add_energy(self.site_energy_pj, later.site_energy_pj)
        self.workers.update(later.workers)
        self.templates.update(later.templates)
        self.rounds.merge(later.rounds)
        self.blocks.extend(later.blocks)
        self.payouts.extend(later.payouts)
        self.seals.extend(later.seals)
        self._unsettled.append(later)

    def settle(self) -> None:
        """Do what join() has left; ``intervals`` and ``nodes`` are whole after it."""
        with self._settling:
            while self._unsettled:
                self._settle(self._unsettled.popleft())

    def _settle(self, later: "Delta") -> None:
        later.settle()
        if not self.intervals:  # as of the first that comes: one table less to fill
            self.intervals, later.intervals = later.intervals, self.intervals
        for key, totals in later.intervals.items():
            if (mine := self.intervals.setdefault(key, totals)) is not totals:
                mine.add(totals)
        for at_node, work in later.nodes.items():
            if (my_work := self.nodes.setdefault(at_node, work)) is not work:
                my_work.add(work)
