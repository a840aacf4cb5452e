"""The fold: journal batches in, what they add to the totals out.

Each source numbers its records without gaps, and the fold knows the last number it took of
each. A batch may therefore come twice, or overlap an earlier one, and each record still
counts once; a batch that leaves records out is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from poolserver.bitcoin.header import hash_le_to_hex
from poolserver.ledger.payout_records import DuesRecord, OutputsRecord, PayoutRecord
from poolserver.ledger.records import (
    NO_WORKER,
    BlockRecord,
    JournalBatch,
    SequenceGap,
    ShareRecord,
    TornTail,
    UnknownWorker,
    decode_records,
)
from poolserver.ledger.totals import Totals, WorkerKey, WorkerTotals
from poolserver.mining.share import ShareOutcome

_ACCEPTED = ShareOutcome.ACCEPTED


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


@dataclass(slots=True)
class Delta:
    """What some batches add to the ledger; false when they add nothing."""

    progress: dict[str, Progress] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    workers: dict[WorkerRef, tuple[str, str]] = field(default_factory=dict)
    """The (account, worker name) of each worker that was declared."""
    blocks: list[FoundBlock] = field(default_factory=list)
    payouts: list[PayoutRecord] = field(default_factory=list)
    """What blocks pay, of these batches and of earlier ones."""

    def __bool__(self) -> bool:
        return bool(self.progress)

    def merge(self, later: "Delta") -> None:
        """Take in a delta that follows on this one, for one transaction instead of two.

        Raises:
            SequenceGap: it does not follow on; nothing was changed.
        """
        for source, (after, _) in later.progress.items():
            mine = self.progress.get(source)
            if mine is not None and mine.through != after:
                raise SequenceGap(source, mine.through + 1, after + 1)
        for source, (after, through) in later.progress.items():
            mine = self.progress.get(source)
            self.progress[source] = Progress(after if mine is None else mine.after, through)
        self.totals.add(later.totals)
        self.workers.update(later.workers)
        self.blocks.extend(later.blocks)
        self.payouts.extend(later.payouts)


class Fold:
    """Where each source stands, and who its workers are.

    ``site_of`` gives an account's site and ``energy_pj`` the energy that an amount of proven
    work takes at a site. Both are asked when a batch is folded, and the answer stays with
    the totals: an account that moves to another site leaves its past behind.
    """

    def __init__(
        self,
        *,
        site_of: Callable[[str], str],
        energy_pj: Callable[[str, int], Fraction],
        progress: Mapping[str, int] | None = None,
        workers: Mapping[WorkerRef, tuple[str, str]] | None = None,
    ) -> None:
        """``progress`` and ``workers`` are what the store knows from before."""
        self._site_of = site_of
        self._energy_pj = energy_pj
        self._folded = dict(progress or {})
        self._workers = dict(workers or {})

    def folded(self, source: str) -> int:
        """The sequence of the last record taken of ``source``; 0 before the first."""
        return self._folded.get(source, 0)

    def fold(self, batch: JournalBatch) -> Delta:
        """What is new in ``batch``. Either all of it is taken, or (on an error) none.

        Raises:
            SequenceGap: records before it are missing.
            TornTail: its bytes are not ``count`` whole records.
            UnknownWorker: it speaks of a worker that was not declared.
        """
        after = self.folded(batch.source)
        if batch.first_sequence > after + 1:
            raise SequenceGap(batch.source, after + 1, batch.first_sequence)
        if batch.last_sequence <= after:
            return Delta()
        delta = Delta(progress={batch.source: Progress(after, batch.last_sequence)})
        self._add_records(delta, batch, after)
        self._add_energy(delta.totals)
        self._folded[batch.source] = batch.last_sequence
        self._workers.update(delta.workers)
        return delta

    def _add_records(self, delta: Delta, batch: JournalBatch, after: int) -> None:
        booked: dict[int, WorkerTotals] = {}  # by worker_ref: one look-up a share
        sequence = batch.first_sequence - 1
        for sequence, record in decode_records(batch.records, batch.first_sequence):
            if sequence <= after:
                continue
            if isinstance(record, ShareRecord):
                totals = booked.get(record.worker_ref)
                if totals is None:
                    key = self._key(delta, batch.source, record.worker_ref)
                    totals = delta.totals.workers.setdefault(key, WorkerTotals())
                    booked[record.worker_ref] = totals
                _add_share(totals, record)
            elif isinstance(record, BlockRecord):
                key = self._key(delta, batch.source, record.worker_ref)
                hash_hex = hash_le_to_hex(record.hash_le)
                delta.blocks.append(FoundBlock(hash_hex, record.height, key, record.unix_ms))
            elif isinstance(record, OutputsRecord | DuesRecord):
                delta.payouts.append(record)
            else:
                worker = WorkerRef(batch.source, record.worker_ref)
                delta.workers[worker] = (record.account, record.worker_name)
                booked.pop(record.worker_ref, None)
        if sequence != batch.last_sequence:
            raise TornTail(len(batch.records), f"not {batch.count} records, as the batch says")

    def _key(self, delta: Delta, source: str, worker_ref: int) -> WorkerKey:
        if worker_ref == NO_WORKER:
            return WorkerKey(self._site_of(""), "", "")
        ref = WorkerRef(source, worker_ref)
        worker = delta.workers.get(ref) or self._workers.get(ref)
        if worker is None:
            raise UnknownWorker(f"{source}: worker {worker_ref} was never declared")
        account, name = worker
        return WorkerKey(self._site_of(account), account, name)

    def _add_energy(self, totals: Totals) -> None:
        work_of_sites: dict[str, int] = {}
        for key, worker in totals.workers.items():
            work_of_sites[key.site] = work_of_sites.get(key.site, 0) + worker.proven_work
        for site, proven_work in work_of_sites.items():
            energy_pj = self._energy_pj(site, proven_work)
            if energy_pj:
                totals.site_energy_pj[site] = energy_pj


def _add_share(totals: WorkerTotals, share: ShareRecord) -> None:
    totals.shares[share.outcome] += 1
    if share.proven:
        work = share.work
        totals.proven_work += work
        totals.proven_work_sq += work * work
        if share.outcome is _ACCEPTED:
            totals.accepted_work += work
            share_hash = int.from_bytes(share.hash_le, "little")
            if totals.best_hash is None or share_hash < totals.best_hash:
                totals.best_hash = share_hash
    if totals.first_ms is None or share.unix_ms < totals.first_ms:
        totals.first_ms = share.unix_ms
    if totals.last_ms is None or share.unix_ms > totals.last_ms:
        totals.last_ms = share.unix_ms
