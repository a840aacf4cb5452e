"""Deltas put together: at once, or in two steps of which any thread may do the second."""

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import pytest

from poolserver.ledger.delta import Delta, NodeKey, NodeWork, Progress
from poolserver.ledger.records import SequenceGap
from poolserver.ledger.totals import Earning, EarningKey, IntervalKey, ShareTotals, WorkerKey
from poolserver.power.rating import Rating, RatingSource

WORKERS = [WorkerKey("hall", "demo", f"demo.{n}") for n in range(200)]
RATING = Rating(Fraction(35, 2), RatingSource.SITE_DEFAULT, "")


def delta(begin: int, workers: list[WorkerKey] = WORKERS) -> Delta:
    """A share of each worker, behind ``begin`` records."""
    work = len(workers)
    return Delta(
        progress={"pool/0/1": Progress(begin, begin + work)},
        intervals={IntervalKey(900, key): ShareTotals(accepted_work=1) for key in workers},
        earnings={EarningKey(900, "hall", "demo", 1): Earning(work, work)},
        nodes={NodeKey(900, "hall", RATING): NodeWork(work, work, work)},
        site_energy_pj={"hall": Fraction(work)},
    )


def deltas() -> list[Delta]:
    return [delta(n * len(WORKERS)) for n in range(20)]


def merged() -> Delta:
    whole = Delta()
    for each in deltas():
        whole.merge(each)
    return whole


def test_what_is_joined_and_settled_is_what_merging_gives() -> None:
    whole = Delta()
    for each in deltas():
        whole.join(each)
    whole.settle()
    assert whole == merged()
    assert whole.intervals[IntervalKey(900, WORKERS[0])].accepted_work == 20


def test_all_but_workers_and_nodes_is_there_before_it_is_settled() -> None:
    whole, expected = Delta(), merged()
    for each in deltas():
        whole.join(each)
    assert not whole.intervals
    assert whole.progress == expected.progress
    assert whole.earnings == expected.earnings
    assert whole.site_energy_pj == expected.site_energy_pj


def test_what_was_joined_to_what_is_joined_is_settled_with_it() -> None:
    whole, middle = Delta(), Delta()
    middle.join(delta(0))
    middle.join(delta(200))
    whole.join(middle)
    whole.settle()
    assert whole.nodes[NodeKey(900, "hall", RATING)].accepted_work == 400


def test_two_threads_may_settle_while_a_third_joins() -> None:
    whole = Delta()
    with ThreadPoolExecutor(2) as threads:
        jobs = []
        for each in deltas():
            whole.join(each)
            jobs.append(threads.submit(whole.settle))
        for job in jobs:
            job.result()
    whole.settle()
    assert whole == merged()


def test_a_delta_that_does_not_follow_on_is_refused_and_changes_nothing() -> None:
    whole = delta(0)
    with pytest.raises(SequenceGap):
        whole.join(delta(400))
    whole.settle()
    assert whole == delta(0)


def test_sums_by_worker_are_not_those_of_an_interval_where_there_are_several() -> None:
    quarters = {IntervalKey(begin_s, WORKERS[0]): ShareTotals(1) for begin_s in (900, 1800)}
    whole = Delta(intervals=quarters)
    assert whole.by_worker() == {WORKERS[0]: ShareTotals(2)}
    assert all(each == ShareTotals(1) for each in whole.intervals.values())
