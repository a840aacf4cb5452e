from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from poolserver.ledger.fold import Fold, joined
from poolserver.ledger.payout_records import payout_records
from poolserver.ledger.records import (
    BlockRecord,
    JournalBatch,
    Record,
    SequenceGap,
    TemplateRecord,
    TornTail,
    UnknownWorker,
    WorkerRecord,
)
from poolserver.ledger.totals import (
    Earning,
    EarningKey,
    ShareTotals,
    Totals,
    WorkerKey,
    site_lookup,
)
from poolserver.mining.coinbase import TxOut
from poolserver.mining.payout import Distribution, Due
from poolserver.mining.share import ShareOutcome
from poolserver.power.rating import Place, Rating, RatingSource
from tests.unit.ledger.judged import RIG, share
from tests.unit.ledger.places import places
from tests.unit.ledger.strategies import batch_of, journals

SOURCE = "pool-1/0/17"
PJ_PER_HASH = Fraction(147, 8)  # 17.5 J/TH at PUE 1.05
RIG_KEY = WorkerKey("north-site", "north", "north.rig1")
NOBODY_KEY = WorkerKey("unassigned", "", "")

site_of = site_lookup({"north-site": ["north"], "south-site": ["south"]})


def new_fold() -> Fold:
    return Fold(site_of=site_of, place_of=places(PJ_PER_HASH))


def fold_all(*records: Record) -> Delta:
    return new_fold().fold(batch_of(SOURCE, 1, records))


# --- what is counted -------------------------------------------------------------------------


def test_accepted_work_is_credit_and_all_proven_work_is_power() -> None:
    delta = fold_all(
        RIG,
        share(work=10, share_hash=500, unix_ms=2000),
        share(ShareOutcome.STALE, work=3, share_hash=5, unix_ms=1000),
        share(ShareOutcome.NTIME_OUT_OF_RANGE, work=2, unix_ms=3000),
        share(ShareOutcome.DUPLICATE, proven=False, work=0),
        share(share_hash=400),
    )
    shares = [0] * len(ShareOutcome)
    shares[ShareOutcome.ACCEPTED] = 2
    for outcome in (ShareOutcome.STALE, ShareOutcome.NTIME_OUT_OF_RANGE, ShareOutcome.DUPLICATE):
        shares[outcome] = 1
    assert delta.by_worker() == {
        RIG_KEY: ShareTotals(
            accepted_work=20,
            proven_work=25,
            proven_work_sq=100 + 9 + 4 + 100,
            shares=shares,
            best_hash=400,
            first_ms=1000,
            last_ms=3000,
        )
    }
    assert delta.site_energy_pj == {"north-site": 25 * PJ_PER_HASH}


def test_work_is_booked_at_the_node_of_its_rig_by_interval_and_rating() -> None:
    s21 = Rating(Fraction(35, 2), RatingSource.OPERATOR, "Antminer S21")
    site = Rating(Fraction(20), RatingSource.SITE_DEFAULT, "")
    rack = Place("hall/rack", s21, Fraction(147, 8))
    of_rig = {"north.rig1": rack, "north.rig2": Place("hall", site, Fraction(21))}
    fold = Fold(site_of=lambda _: "hall", place_of=lambda key: of_rig.get(key.worker))
    delta = fold.fold(
        batch_of(
            SOURCE,
            1,
            [
                RIG,
                WorkerRecord(2, 1, "north", "north.rig2"),
                WorkerRecord(3, 1, "north", "north.rig3"),
                share(work=10, unix_ms=1000),
                share(ShareOutcome.STALE, work=3, unix_ms=2000),
                share(work=5, unix_ms=900_000),
                share(work=7, worker_ref=2),
                share(ShareOutcome.DUPLICATE, proven=False, work=0, worker_ref=2),
                share(work=9, worker_ref=3),  # nothing is known of its power
            ],
        )
    )
    assert delta.nodes == {
        NodeKey(0, "hall/rack", s21): NodeWork(13, 100 + 9, 10),
        NodeKey(900, "hall/rack", s21): NodeWork(5, 25, 5),
        NodeKey(0, "hall", site): NodeWork(7, 49, 7),
    }
    assert delta.site_energy_pj == {"hall": 18 * Fraction(147, 8) + 7 * 21}


def test_a_rig_that_moves_leaves_its_work_where_it_was() -> None:
    rating = Rating(Fraction(20), RatingSource.SITE_DEFAULT, "")
    node = "hall/a"
    fold = Fold(site_of=lambda _: "hall", place_of=lambda key: Place(node, rating, Fraction(20)))
    delta = fold.fold(batch_of(SOURCE, 1, [RIG, share(work=1)]))
    node = "hall/b"
    delta.merge(fold.fold(batch_of(SOURCE, 3, [share(work=2)])))
    assert {key.node: work.proven_work for key, work in delta.nodes.items()} == {
        "hall/a": 1,
        "hall/b": 2,
    }


def test_work_is_exact_beyond_64_bits() -> None:
    delta = fold_all(RIG, *[share(work=2**80 + 1)] * 3)
    assert delta.by_worker()[RIG_KEY].accepted_work == 3 * 2**80 + 3
    assert delta.by_worker()[RIG_KEY].proven_work_sq == 3 * (2**80 + 1) ** 2


def test_a_submit_by_nobody_is_counted_under_no_name() -> None:
    delta = fold_all(share(ShareOutcome.UNAUTHORIZED, proven=False, work=0, worker_ref=0))
    assert delta.by_worker()[NOBODY_KEY].shares[ShareOutcome.UNAUTHORIZED] == 1
    assert delta.site_energy_pj == {}


def test_an_account_of_no_site_has_credit_and_no_energy() -> None:
    delta = fold_all(WorkerRecord(1, 1, "guest", "guest"), share(work=10))
    assert delta.by_worker()[WorkerKey("unassigned", "guest", "guest")].accepted_work == 10
    assert delta.site_energy_pj == {}


def test_a_found_block_is_told_with_its_finder() -> None:
    delta = fold_all(RIG, BlockRecord(840_000, bytes(31) + b"\x0f", 1, 5000))
    assert delta.blocks == [FoundBlock("0f" + "00" * 31, 840_000, RIG_KEY, 5000, 0)]


def test_what_a_block_pays_is_told_as_it_was_recorded() -> None:
    paid = Distribution((TxOut(5_000_000_000, b"\x51"),), (Due("north", 10, 10),), 2)
    block = BlockRecord(840_000, bytes(31) + b"\x0f", 1, 5000)
    payouts = list(payout_records(block.hash_le, paid))
    assert fold_all(RIG, block, *payouts, share()).payouts == payouts
    fold = new_fold()
    fold.fold(batch_of(SOURCE, 1, [RIG, block, *payouts[:1]]))
    later = fold.fold(batch_of(SOURCE, 1, [RIG, block, *payouts]))  # the rest came too late
    assert (later.blocks, later.payouts) == ([], payouts[1:])


def test_each_source_has_its_own_worker_numbers() -> None:
    fold = new_fold()
    fold.fold(batch_of("a", 1, [RIG]))
    fold.fold(batch_of("b", 1, [WorkerRecord(1, 1, "south", "south.rig1")]))
    (key_a,) = fold.fold(batch_of("a", 2, [share()])).by_worker()
    (key_b,) = fold.fold(batch_of("b", 2, [share()])).by_worker()
    assert (key_a.worker, key_b.worker) == ("north.rig1", "south.rig1")


def test_an_account_that_moves_leaves_its_past_at_the_old_site() -> None:
    sites = {"north": "old"}
    fold = Fold(site_of=sites.__getitem__, place_of=places(PJ_PER_HASH))
    delta = fold.fold(batch_of(SOURCE, 1, [RIG, share(work=1)]))
    sites["north"] = "new"
    delta.merge(fold.fold(batch_of(SOURCE, 3, [share(work=2)])))
    assert {key.site: each.accepted_work for key, each in delta.by_worker().items()} == {
        "old": 1,
        "new": 2,
    }


# --- each record once ------------------------------------------------------------------------


def test_a_batch_that_comes_again_adds_nothing() -> None:
    fold = new_fold()
    batch = batch_of(SOURCE, 1, [RIG, share()])
    assert fold.fold(batch)
    again = fold.fold(batch)
    assert not again
    assert again == Delta()


def test_of_a_batch_that_overlaps_the_new_part_is_taken() -> None:
    fold = new_fold()
    fold.fold(batch_of(SOURCE, 1, [RIG, share(work=1)]))
    delta = fold.fold(batch_of(SOURCE, 1, [RIG, share(work=1), share(work=5)]))
    assert delta.progress == {SOURCE: Progress(2, 3)}
    assert delta.by_worker()[RIG_KEY].accepted_work == 5
    assert delta.workers == {}


def test_a_gap_is_told_and_changes_nothing() -> None:
    fold = new_fold()
    fold.fold(batch_of(SOURCE, 1, [RIG]))
    with pytest.raises(SequenceGap, match="record 2 is due, the batch begins at 3") as raised:
        fold.fold(batch_of(SOURCE, 3, [share()]))
    assert (raised.value.source, raised.value.expected, raised.value.found) == (SOURCE, 2, 3)
    assert fold.folded(SOURCE) == 1
    assert fold.fold(batch_of(SOURCE, 2, [share(), share()])).progress == {SOURCE: Progress(1, 3)}


def test_a_fold_goes_on_from_what_the_store_knows() -> None:
    fold = Fold(
        site_of=site_of,
        place_of=places(PJ_PER_HASH),
        progress={SOURCE: 5},
        workers={WorkerRef(SOURCE, 1): ("north", "north.rig1")},
    )
    assert not fold.fold(batch_of(SOURCE, 4, [share(), share()]))
    delta = fold.fold(batch_of(SOURCE, 6, [share()]))
    assert list(delta.by_worker()) == [RIG_KEY]


def bad_batches() -> list[tuple[JournalBatch, type[Exception]]]:
    good = batch_of(SOURCE, 1, [RIG, share(), share()])
    return [
        (batch_of(SOURCE, 1, [RIG, share(), share(worker_ref=2)]), UnknownWorker),
        (batch_of(SOURCE, 1, [RIG, BlockRecord(1, bytes(32), 3, 1)]), UnknownWorker),
        (JournalBatch(SOURCE, 1, 3, good.records[:-1]), TornTail),
        (JournalBatch(SOURCE, 1, 2, good.records), TornTail),
        (JournalBatch(SOURCE, 1, 4, good.records), TornTail),
    ]


@pytest.mark.parametrize(("batch", "error"), bad_batches())
def test_a_bad_batch_changes_nothing(batch: JournalBatch, error: type[Exception]) -> None:
    fold = new_fold()
    with pytest.raises(error):
        fold.fold(batch)
    assert fold.folded(SOURCE) == 0
    delta = fold.fold(batch_of(SOURCE, 1, [RIG, share()]))
    assert delta.by_worker()[RIG_KEY].shares[ShareOutcome.ACCEPTED] == 1


def split(draw: st.DrawFn, source: str, records: Sequence[Record]) -> list[JournalBatch]:
    cuts = sorted(draw(st.sets(st.integers(1, len(records) - 1)))) if len(records) > 1 else []
    edges = [0, *cuts, len(records)]
    return [batch_of(source, begin + 1, records[begin:end]) for begin, end in pairwise(edges)]


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[JournalBatch], list[JournalBatch]]:
    """What some sources wrote, each in one batch; and batches that deliver it, each source's
    new ones in order, with those of other sources and any that came before in between."""
    whole: list[JournalBatch] = []
    queues: list[list[JournalBatch]] = []
    delivered: list[JournalBatch] = []
    for source in ("a/0/1", "b/0/1", "c/1/1")[: draw(st.integers(1, 3))]:
        records = draw(journals(max_shares=12))
        whole.append(batch_of(source, 1, records))
        queues.append(split(draw, source, records))
    while any(queues):
        if draw(st.booleans()):
            delivered.append(draw(st.sampled_from([*delivered, *whole[:1]])))
        queue = draw(st.sampled_from([queue for queue in queues if queue]))
        delivered.append(queue.pop(0))
    return whole, delivered


def all_work(delta: Delta) -> int:
    """What all rounds have together: where one ends depends on which source was heard first."""
    rounds = [work for _, work in delta.rounds.closed]
    return sum(sum(work.values()) for work in (*rounds, delta.rounds.open))


@given(deliveries())
def test_any_delivery_of_the_same_records_adds_up_to_the_same(
    journals_and_batches: tuple[list[JournalBatch], list[JournalBatch]],
) -> None:
    whole, delivered = journals_and_batches
    expected, merged, fold_once, fold_parts = Delta(), Delta(), new_fold(), new_fold()
    for batch in whole:
        expected.merge(fold_once.fold(batch))
    totals = Totals()
    for batch in delivered:
        delta = fold_parts.fold(batch)
        totals.add(delta.sites, delta.site_energy_pj)
        merged.merge(delta)
    assert merged.intervals == expected.intervals
    assert merged.earnings == expected.earnings
    assert merged.site_energy_pj == expected.site_energy_pj
    assert merged.nodes == expected.nodes
    by_site = Totals()
    by_site.add(expected.sites, expected.site_energy_pj)
    assert totals == by_site
    assert all_work(merged) == all_work(expected)
    assert merged.templates == expected.templates
    assert merged.progress == expected.progress
    assert merged.workers == expected.workers
    assert sorted(merged.blocks) == sorted(expected.blocks)
    assert sorted(merged.payouts, key=repr) == sorted(expected.payouts, key=repr)


def test_deltas_merge_only_where_one_follows_on_the_other() -> None:
    fold = new_fold()
    first = fold.fold(batch_of(SOURCE, 1, [RIG]))
    fold.fold(batch_of(SOURCE, 2, [share()]))
    third = fold.fold(batch_of(SOURCE, 3, [share()]))
    with pytest.raises(SequenceGap):
        first.merge(third)
    assert first.progress == {SOURCE: Progress(0, 1)}
    assert first.intervals == {}


# --- when, and on what -----------------------------------------------------------------------

DAY_MS = 86_400_000
QUARTER_S = 900


def booked(delta: Delta) -> dict[int, int]:
    """How many accepted shares are in each interval, by when it begins."""
    return {key.begin_s: each.shares[0] for key, each in delta.intervals.items()}


def test_shares_are_booked_in_the_quarter_of_an_hour_of_their_record() -> None:
    edge_ms = QUARTER_S * 1000
    times = (0, edge_ms - 1, edge_ms, 2 * edge_ms - 1, 2 * edge_ms)
    assert booked(fold_all(RIG, *[share(unix_ms=each) for each in times])) == {
        0: 2,
        QUARTER_S: 2,
        2 * QUARTER_S: 1,
    }


def test_a_clock_that_jumps_moves_shares_and_loses_none() -> None:
    times = (5 * DAY_MS, 2 * DAY_MS, 900 * DAY_MS, 5 * DAY_MS)
    assert booked(fold_all(RIG, *[share(unix_ms=each) for each in times])) == {
        5 * 86_400: 2,
        2 * 86_400: 1,
        900 * 86_400: 1,
    }


def test_what_comes_after_a_day_was_closed_is_booked_at_the_begin_of_the_next() -> None:
    fold = new_fold()
    fold.fold(batch_of(SOURCE, 1, [RIG, share(unix_ms=7 * DAY_MS)]))
    sealed = fold.seal(7, 123)
    assert sealed.seals == [Seal(7, 123, {SOURCE: 2})]
    late = [share(unix_ms=each) for each in (5 * DAY_MS, 8 * DAY_MS - 1, 8 * DAY_MS, 9 * DAY_MS)]
    delta = fold.fold(batch_of(SOURCE, 3, late))
    assert booked(delta) == {8 * 86_400: 3, 9 * 86_400: 1}
    assert delta.by_worker()[RIG_KEY].first_ms == 5 * DAY_MS


def test_a_seal_tells_of_the_sources_that_moved_since_the_last_one() -> None:
    fold = new_fold()
    fold.fold(batch_of("a", 1, [RIG]))
    fold.seal(1, 1)
    fold.fold(batch_of("b", 1, [RIG]))
    assert fold.seal(2, 2).seals == [Seal(2, 2, {"b": 1})]


def test_a_fold_that_goes_on_keeps_days_closed() -> None:
    fold = Fold(
        site_of=site_of, place_of=places(PJ_PER_HASH), sealed_through=7, cutoffs={SOURCE: 2}
    )
    assert booked(fold.fold(batch_of("b", 1, [RIG, share(unix_ms=7 * DAY_MS)]))) == {8 * 86_400: 1}
    assert fold.seal(8, 1).seals == [Seal(8, 1, {"b": 2})]


HARD, EASY = TemplateRecord(5, 0x1701, 100, 1), TemplateRecord(6, 0x1D01, 90, 2)


def test_accepted_work_is_worth_what_the_template_in_force_pays() -> None:
    delta = fold_all(
        RIG, share(), HARD, share(), share(ShareOutcome.STALE), EASY, share(work=3), share(work=4)
    )
    site, account = RIG_KEY.site, RIG_KEY.account
    assert delta.earnings == {
        EarningKey(0, site, account, 0): Earning(10, 0),
        EarningKey(0, site, account, HARD.nbits): Earning(10, 10 * 100),
        EarningKey(0, site, account, EASY.nbits): Earning(7, 7 * 90),
    }
    assert delta.templates == {SOURCE: TemplateInForce(6, EASY.nbits, 90)}


def test_the_template_of_an_earlier_batch_stays_in_force() -> None:
    fold = new_fold()
    fold.fold(batch_of(SOURCE, 1, [RIG, HARD]))
    (key,) = fold.fold(batch_of(SOURCE, 3, [share()])).earnings
    assert key.nbits == HARD.nbits
    (key,) = fold.fold(batch_of("b", 1, [RIG, share()])).earnings
    assert key.nbits == 0  # each source tells its own


def test_a_round_is_the_work_from_one_found_block_to_the_next() -> None:
    blocks = [BlockRecord(n, bytes(31) + bytes([n]), 1, 5000) for n in (1, 2)]
    hashes = [f"0{n}" + "00" * 31 for n in (1, 2)]
    records = [RIG, HARD, share(), EASY, share(), blocks[0], blocks[1], share(work=1)]
    rounds = fold_all(*records).rounds
    assert rounds.closed == [(hashes[0], {HARD.nbits: 10, EASY.nbits: 10}), (hashes[1], {})]
    assert rounds.open == {EASY.nbits: 1}
    fold, merged = new_fold(), Delta()
    for number, record in enumerate(records, 1):
        merged.merge(fold.fold(batch_of(SOURCE, number, [record])))
    assert merged.rounds == rounds


# --- batches joined --------------------------------------------------------------------------


@given(journals(), st.data())
def test_joined_batches_add_up_to_the_same(records: Sequence[Record], data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(records)), max_size=5).map(sorted))
    ends = [0, *cuts, len(records)]
    batches = [
        batch_of(SOURCE, begin + 1, records[begin:end])
        for begin, end in pairwise(ends)
        if begin < end
    ]
    one_by_one, together = Delta(), Delta()
    fold, other = new_fold(), new_fold()
    for batch in batches:
        one_by_one.merge(fold.fold(batch))
    for batch in joined(batches):
        together.merge(other.fold(batch))
    assert len(joined(batches)) <= 1
    assert together == one_by_one


def test_batches_that_do_not_follow_on_each_other_stay_apart() -> None:
    first, third = batch_of(SOURCE, 1, [RIG]), batch_of(SOURCE, 3, [share()])
    other = batch_of("pool-1/1/17", 2, [RIG])
    assert joined([first, other, third]) == [first, third, other]


def test_a_joined_batch_is_no_longer_than_asked_for() -> None:
    batches = [batch_of(SOURCE, n, [share()]) for n in range(1, 5)]
    size = len(batches[0].records)
    assert [each.count for each in joined(batches, 3 * size)] == [3, 1]


def test_what_sites_have_is_what_their_workers_have() -> None:
    south = WorkerRecord(2, 1, "south", "south.rig1")
    delta = fold_all(RIG, south, share(), share(worker_ref=2, work=3), share(worker_ref=0, work=1))
    sums: dict[str, ShareTotals] = {}
    for key, totals in delta.by_worker().items():
        sums.setdefault(key.site, ShareTotals()).add(totals)
    assert delta.sites == sums
    assert set(sums) == {"north-site", "south-site", "unassigned"}
