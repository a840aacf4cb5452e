"""The fold: journal batches in, what they add to the ledger out.

Each source numbers its records without gaps, and the fold knows the last number it took of
each. A batch may therefore come twice, or overlap an earlier one, and each record still
counts once; a batch that leaves records out is refused.
"""

from collections.abc import Callable, Iterable, Mapping

from poolserver._native import ShareSum, sum_shares
from poolserver.bitcoin.header import hash_le_to_hex
from poolserver.ledger.delta import (
    Delta,
    FoundBlock,
    NodeKey,
    NodeWork,
    Progress,
    Seal,
    TemplateInForce,
    WorkerRef,
)
from poolserver.ledger.payout_records import DuesRecord, OutputsRecord
from poolserver.ledger.records import (
    NO_WORKER,
    BlockRecord,
    JournalBatch,
    Record,
    SequenceGap,
    TemplateRecord,
    TornTail,
    UnknownWorker,
    WorkerRecord,
    decode_record,
    whole_records,
)
from poolserver.ledger.totals import (
    DAY_S,
    INTERVAL_S,
    Earning,
    EarningKey,
    IntervalKey,
    ShareTotals,
    WorkerKey,
    add_energy,
)
from poolserver.mining.share import ShareOutcome
from poolserver.power.rating import Place

_ACCEPTED = int(ShareOutcome.ACCEPTED)
_MS = 1000
_UNKNOWN = TemplateInForce(0, 0, 0)


class Fold:
    """Where each source stands, and who its workers are.

    ``site_of`` gives an account's site, which is asked once for each worker, and ``place_of`` the
    power node that a worker is at and what its hashes take there, None where nothing is known of
    its power; that is asked whenever a batch is folded. The answers stay with the books: an account
    that moves to another site leaves its past behind.
    """

    def __init__(
        self,
        *,
        site_of: Callable[[str], str],
        place_of: Callable[[WorkerKey], Place | None] = lambda key: None,
        progress: Mapping[str, int] | None = None,
        workers: Mapping[WorkerRef, tuple[str, str]] | None = None,
        templates: Mapping[str, TemplateInForce] | None = None,
        sealed_through: int = -1,
        cutoffs: Mapping[str, int] | None = None,
        interval_s: int = INTERVAL_S,
    ) -> None:
        """What the store knows from before; ``cutoffs`` are of all seals together.

        The books are in intervals of INTERVAL_S; for others ``interval_s`` must divide a day.
        """
        self._site_of = site_of
        self._place_of = place_of
        self._folded = dict(progress or {})
        self._workers = dict(workers or {})
        self._templates = dict(templates or {})
        self._cutoffs = dict(cutoffs or {})
        self._keys: dict[str, dict[int, WorkerKey]] = {}
        self.interval_s = interval_s
        self.sealed_through = sealed_through
        """The last day (since 1970, UTC) that nothing is booked in any more; -1: there is none."""

    @property
    def progress(self) -> dict[str, int]:
        """The sequence of the last record taken of each source."""
        return dict(self._folded)

    def folded(self, source: str) -> int:
        """The sequence of the last record taken of ``source``; 0 before the first."""
        return self._folded.get(source, 0)

    def seal(self, through_day: int, now_ms: int) -> Delta:
        """Close all days up to ``through_day``: what comes later is booked in the day after it."""
        moved = {
            source: sequence
            for source, sequence in self._folded.items()
            if self._cutoffs.get(source) != sequence
        }
        self._cutoffs.update(moved)
        self.sealed_through = through_day
        return Delta(seals=[Seal(through_day, now_ms, moved)])

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
        folding = _Folding(self, batch, after)
        try:
            folding.take_all()
        except Exception:
            self._keys.pop(batch.source, None)  # some may be of workers that it declared
            raise
        delta = folding.delta
        self._add_energy(delta)
        self._folded[batch.source] = batch.last_sequence
        self._workers.update(delta.workers)
        self._templates.update(delta.templates)
        return delta

    def worker_key(self, delta: Delta, ref: WorkerRef) -> WorkerKey:
        """Where a worker's shares are booked.

        Raises:
            UnknownWorker: neither ``delta`` nor what was folded before declares it.
        """
        if ref.ref == NO_WORKER:
            return WorkerKey(self._site_of(""), "", "")
        worker = delta.workers.get(ref) or self._workers.get(ref)
        if worker is None:
            raise UnknownWorker(f"{ref.source}: worker {ref.ref} was never declared")
        account, name = worker
        return WorkerKey(self._site_of(account), account, name)

    def template_in_force(self, source: str) -> TemplateInForce:
        """The last template that ``source`` told of."""
        return self._templates.get(source, _UNKNOWN)

    def keys_of(self, source: str) -> dict[int, WorkerKey]:
        """Where the workers of a source are booked, by number; of those that were asked for."""
        return self._keys.setdefault(source, {})

    def _add_energy(self, delta: Delta) -> None:
        """Add up by place first: whoever gives places gives the same object for the same place,
        and the hash of a Fraction, or a product with one, costs more than all else here."""
        place_of = self._place_of
        sums: dict[tuple[int, str, int], tuple[Place, list[int]]] = {}
        for (begin_s, worker), totals in delta.intervals.items():
            proven_work = totals.proven_work
            if not proven_work or (place := place_of(worker)) is None:
                continue
            at = (begin_s, worker[0], id(place))  # worker[0] is its site
            known = sums.get(at)
            if known is None:
                known = sums[at] = (place, [0, 0, 0])
            work = known[1]
            work[0] += proven_work
            work[1] += totals.proven_work_sq
            work[2] += totals.accepted_work
        for (begin_s, site, _), (place, work) in sums.items():
            add_energy(delta.site_energy_pj, {site: work[0] * place.pj_per_hash})
            delta.nodes.setdefault(NodeKey(begin_s, place.node, place.rating), NodeWork()).add(
                NodeWork(*work)
            )


class _Folding:
    """One batch being folded: shares are added up a stretch at a time, the rest one by one."""

    def __init__(self, fold: Fold, batch: JournalBatch, after: int) -> None:
        self.delta = Delta(progress={batch.source: Progress(after, batch.last_sequence)})
        self._fold = fold
        self._batch = batch
        self._after = after
        self._interval_ms = fold.interval_s * _MS
        self._open_from_ms = (fold.sealed_through + 1) * DAY_S * _MS
        self._template = fold.template_in_force(batch.source)
        self._keys = fold.keys_of(batch.source)

    def take_all(self) -> None:
        records = self._batch.records
        offset, sequence = self._skip()
        while offset < len(records):
            offset, count, sums = sum_shares(
                records, offset, sequence, self._interval_ms, self._open_from_ms
            )
            self._add(sums)
            sequence += count
            if offset < len(records):
                record, offset = decode_record(records, offset, sequence)
                self._take(record)
                sequence += 1
        if sequence != self._batch.last_sequence + 1:
            raise TornTail(len(records), f"not {self._batch.count} records, as the batch says")

    def _skip(self) -> tuple[int, int]:
        """Where the first record is that was not taken before, and its sequence."""
        batch, sequence, offset = self._batch, self._batch.first_sequence, 0
        if sequence <= self._after:
            for end in whole_records(batch.records, sequence):
                offset, sequence = end, sequence + 1
                if sequence > self._after:
                    break
        return offset, sequence

    def _add(self, sums: Iterable[ShareSum]) -> None:
        """All of one stretch. Nearly all that a fold costs is here, once for each worker of it."""
        intervals, keys = self.delta.intervals, self._keys
        earned: dict[tuple[int, str, str], int] = {}
        for ref, interval_ms, work, is_proven, outcomes, best_le, first_ms, last_ms in sums:
            key = keys.get(ref) or self._key(ref)
            begin_s = interval_ms // _MS
            proven = work * sum(outcomes) if is_proven else 0
            accepted = work * outcomes[_ACCEPTED] if is_proven else 0
            best = None if best_le is None else int.from_bytes(best_le, "little")
            totals = ShareTotals(
                accepted, proven, work * proven, list(outcomes), best, first_ms, last_ms
            )
            interval = intervals.setdefault(IntervalKey(begin_s, key), totals)
            if interval is not totals:
                interval.add(totals)
            if accepted:
                site, account, _ = key
                at = (begin_s, site, account)
                earned[at] = earned.get(at, 0) + accepted
        for at, accepted in earned.items():
            self._earn(EarningKey(*at, self._template.nbits), accepted)

    def _earn(self, key: EarningKey, work: int) -> None:
        earning = self.delta.earnings.setdefault(key, Earning())
        earning.accepted_work += work
        earning.value_work += work * self._template.value_sat
        self.delta.rounds.work(key.nbits, work)

    def _take(self, record: Record) -> None:
        match record:
            case WorkerRecord():
                ref = WorkerRef(self._batch.source, record.worker_ref)
                self.delta.workers[ref] = (record.account, record.worker_name)
                self._keys.pop(record.worker_ref, None)
            case TemplateRecord():
                template = TemplateInForce(record.height, record.nbits, record.value_sat)
                self._template = self.delta.templates[self._batch.source] = template
            case BlockRecord():
                hash_hex = hash_le_to_hex(record.hash_le)
                key = self._key(record.worker_ref)
                found = FoundBlock(
                    hash_hex, record.height, key, record.unix_ms, self._template.nbits
                )
                self.delta.blocks.append(found)
                self.delta.rounds.found(hash_hex)
            case OutputsRecord() | DuesRecord():
                self.delta.payouts.append(record)
            case _:
                raise TypeError(f"{record} is not summed up")

    def _key(self, worker_ref: int) -> WorkerKey:
        key = self._keys.get(worker_ref)
        if key is None:
            ref = WorkerRef(self._batch.source, worker_ref)
            key = self._keys[worker_ref] = self._fold.worker_key(self.delta, ref)
        return key
