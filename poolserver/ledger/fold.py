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
from poolserver.power.rating import Place

_MS = 1000
JOINED_BYTES = 8 << 20
"""98,000 shares: a tenth of a second's work, without the interpreter's lock."""
_UNKNOWN = TemplateInForce(0, 0, 0)


def joined(batches: Iterable[JournalBatch], most_bytes: int = JOINED_BYTES) -> list[JournalBatch]:
    """The same records in fewer batches: those of a source that follow on each other as one.

    What a worker sends in a second is a sum then, and not one for each sync of its journal.
    """
    runs: dict[str, list[list[JournalBatch]]] = {}
    for batch in batches:
        of_source = runs.setdefault(batch.source, [])
        run = of_source[-1] if of_source else []
        size = sum(len(each.records) for each in run) + len(batch.records)
        if run and batch.first_sequence == run[-1].last_sequence + 1 and size <= most_bytes:
            run.append(batch)
        else:
            of_source.append([batch])
    return [
        run[0]
        if len(run) == 1
        else JournalBatch(
            run[0].source,
            run[0].first_sequence,
            sum(each.count for each in run),
            b"".join(each.records for each in run),
        )
        for of_source in runs.values()
        for run in of_source
    ]


class Fold:
    """Where each source stands, and who its workers are.

    ``site_of`` gives an account's site and ``place_of`` the power node that a worker is at and
    what its hashes take there, None where nothing is known of its power. Both are asked when a
    batch is folded, and the answer stays with the books: an account that moves to another site
    leaves its past behind.
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
        self._keys: dict[str, dict[int, WorkerKey]] = {}  # by source, as far as they were needed
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
        folding = _Folding(self, batch, after, self._keys.get(batch.source, {}))
        folding.take_all()
        delta = folding.delta
        self._add_energy(delta)
        self._folded[batch.source] = batch.last_sequence
        self._workers.update(delta.workers)
        self._keys.setdefault(batch.source, {}).update(folding.keys)
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

    def is_at_its_site(self, key: WorkerKey) -> bool:
        """Whether the account has not moved."""
        return self._site_of(key.account) == key.site

    def template_in_force(self, source: str) -> TemplateInForce:
        """The last template that ``source`` told of."""
        return self._templates.get(source, _UNKNOWN)

    def _add_energy(self, delta: Delta) -> None:
        """Add up by place first: whoever gives places gives the same object for the same place,
        and the hash of a Fraction, or a product with one, costs more than all else here."""
        sums: dict[tuple[int, str, int], tuple[Place, NodeWork]] = {}
        for (begin_s, worker), totals in delta.intervals.items():
            if not totals.proven_work or (place := self._place_of(worker)) is None:
                continue
            known = sums.get((begin_s, worker.site, id(place)))
            if known is None:
                known = sums[begin_s, worker.site, id(place)] = (place, NodeWork())
            work = known[1]
            work.proven_work += totals.proven_work
            work.proven_work_sq += totals.proven_work_sq
            work.accepted_work += totals.accepted_work
        for (begin_s, site, _), (place, work) in sums.items():
            energy_pj = work.proven_work * place.pj_per_hash
            add_energy(delta.site_energy_pj, {site: energy_pj})
            key = NodeKey(begin_s, place.node, place.rating)
            if (mine := delta.nodes.setdefault(key, work)) is not work:
                mine.add(work)


class _Folding:
    """One batch being folded: shares are added up a stretch at a time, the rest one by one."""

    def __init__(
        self, fold: Fold, batch: JournalBatch, after: int, known: Mapping[int, WorkerKey]
    ) -> None:
        """``known`` are keys that earlier batches of the source needed, by worker_ref."""
        self.delta = Delta(progress={batch.source: Progress(after, batch.last_sequence)})
        self._fold = fold
        self._batch = batch
        self._after = after
        self._interval_ms = fold.interval_s * _MS
        self._open_from_ms = (fold.sealed_through + 1) * DAY_S * _MS
        self._template = fold.template_in_force(batch.source)
        self._known = known
        self.keys: dict[int, WorkerKey] = {}
        """Those that this batch needed, by worker_ref."""
        self._groups: dict[tuple[int, str, str], ShareTotals] = {}

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
        self._add_groups()
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
        """Once for each worker that sent anything: 2 us, so groups are summed up here as well."""
        intervals, groups, keys = self.delta.intervals, self._groups, self.keys
        for ref, interval_ms, totals in sums:
            key = keys.get(ref) or self._key(ref)
            begin_s = interval_ms // _MS
            interval = intervals.setdefault(IntervalKey(begin_s, key), totals)
            if interval is not totals:
                interval.add(totals)
            site, account, _ = key
            group = groups.get((begin_s, site, account))
            if group is None:
                group = groups[begin_s, site, account] = ShareTotals()
            group.add(totals)

    def _add_groups(self) -> None:
        """What accounts have earned by the template in force until here, and the sums of sites."""
        template, earnings = self._template, self.delta.earnings
        for (begin_s, site, account), totals in self._groups.items():
            if work := totals.accepted_work:
                earned = EarningKey(begin_s, site, account, template.nbits)
                earning = earnings.setdefault(earned, Earning())
                earning.accepted_work += work
                earning.value_work += work * template.value_sat
                self.delta.rounds.work(template.nbits, work)
            self.delta.sites.setdefault(site, ShareTotals()).add(totals)
        self._groups.clear()

    def _take(self, record: Record) -> None:
        match record:
            case WorkerRecord():
                ref = WorkerRef(self._batch.source, record.worker_ref)
                self.delta.workers[ref] = (record.account, record.worker_name)
                self.keys.pop(record.worker_ref, None)
            case TemplateRecord():
                self._add_groups()
                template = TemplateInForce(record.height, record.nbits, record.value_sat)
                self._template = self.delta.templates[self._batch.source] = template
            case BlockRecord():
                self._add_groups()  # the work before it is of its round
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
        key, declared = self._known.get(worker_ref), self.delta.workers
        if (
            key is None
            or not self._fold.is_at_its_site(key)
            or (declared and WorkerRef(self._batch.source, worker_ref) in declared)
        ):
            key = self._fold.worker_key(self.delta, WorkerRef(self._batch.source, worker_ref))
        self.keys[worker_ref] = key
        return key
