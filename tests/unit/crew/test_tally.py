"""Counts of workers that ended stay in the sums, and never go back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.cluster.messages import Timed, WorkerCounters
from poolserver.cluster.timings import BOUNDS_S, SHARE_LATENCY
from poolserver.crew.tally import Counts, Tally
from tests.unit.counters import worker_counters


def test_the_gauges_are_of_the_living() -> None:
    tally = Tally()
    tally.take(worker_counters(source="pool-1/0/1"))
    tally.take(worker_counters(source="pool-1/1/2"))
    tally.end("pool-1/0/1")
    assert list(tally.living) == ["pool-1/1/2"]


def test_the_counts_are_of_all_lives() -> None:
    tally = Tally()
    tally.take(worker_counters(source="pool-1/0/1", malformed=1, refused={"banned": 1}))
    tally.take(worker_counters(source="pool-1/0/1", malformed=3, refused={"banned": 2}))
    tally.end("pool-1/0/1")
    tally.take(worker_counters(source="pool-1/0/5", malformed=4, refused={"dropped": 1}))
    tally.take(worker_counters(source="pool-1/1/2", journal_dropped=7, stopgap_work=2.0**70))
    counts = tally.counts()
    assert (counts.malformed, counts.journal_dropped) == (7, 7)
    assert counts.refused == {"banned": 2, "dropped": 1}
    assert counts.stopgap_work == 2.0**70


def test_a_stopgap_that_all_have_at_once_counts_once() -> None:
    tally = Tally()
    tally.take(worker_counters(source="pool-1/0/1", stopgap_seconds=2.0))
    tally.end("pool-1/0/1")
    tally.take(worker_counters(source="pool-1/0/3", stopgap_seconds=0.5))
    tally.take(worker_counters(source="pool-1/1/2", stopgap_seconds=2.25))
    assert tally.counts().stopgap_seconds == 2.5


def test_who_ended_without_a_word_or_twice_changes_nothing() -> None:
    tally = Tally()
    tally.end("pool-1/0/1")
    tally.take(worker_counters(source="pool-1/0/2", malformed=1))
    tally.end("pool-1/0/2")
    tally.end("pool-1/0/2")
    assert tally.counts().malformed == 1


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.booleans()), max_size=40))
def test_no_sum_ever_goes_back(events: list[tuple[int, int, bool]]) -> None:
    tally, lives, malformed, before = Tally(), [1, 1, 1], [0, 0, 0], Counts()
    for index, more, ends in events:
        source = f"pool-1/{index}/{lives[index]}"
        malformed[index] += more
        tally.take(
            worker_counters(
                source=source,
                malformed=malformed[index],
                stopgap_seconds=float(malformed[index]),
                refused={"banned": malformed[index]},
            )
        )
        if ends:
            tally.end(source)
            lives[index] += 1
            malformed[index] = 0
        now = tally.counts()
        assert now.malformed == before.malformed + more
        assert now.refused["banned"] == now.malformed
        assert now.stopgap_seconds >= before.stopgap_seconds
        before = now


def test_a_life_that_goes_on_in_another_process_counts_once() -> None:
    tally = Tally()
    tally.take(worker_counters(source="pool-1/0/1", malformed=3))
    tally.succeed("pool-1/0/1", "pool-1/0/2")
    assert tally.counts().malformed == 3
    tally.take(worker_counters(source="pool-1/0/2", malformed=4))
    assert (tally.counts().malformed, list(tally.living)) == (4, ["pool-1/0/2"])
    tally.succeed("pool-1/9/1", "pool-1/9/2")  # of whom nothing was heard yet
    assert tally.counts().malformed == 4


def timed_by(source: str, shares: int, seconds: float) -> WorkerCounters:
    counts = (shares, *[0] * len(BOUNDS_S[SHARE_LATENCY]))
    return worker_counters(source=source, timed={SHARE_LATENCY: Timed(counts, seconds)})


def test_what_was_timed_is_of_all_lives_and_goes_on_in_a_successor() -> None:
    tally = Tally()
    tally.take(timed_by("pool-1/0/1", 3, 0.3))
    tally.end("pool-1/0/1")
    tally.take(timed_by("pool-1/0/2", 4, 0.4))
    tally.take(timed_by("pool-1/1/2", 1, 0.1))
    tally.succeed("pool-1/0/2", "pool-1/0/3")
    assert sum(tally.counts().timed[SHARE_LATENCY].counts) == 8
    tally.take(timed_by("pool-1/0/3", 2, 0.2))  # which begins anew
    observed = tally.counts().timed[SHARE_LATENCY]
    assert observed.counts[0] == 10
    assert observed.seconds == pytest.approx(1.0)
    assert sum(tally.by_worker()["0"].timed[SHARE_LATENCY].counts) == 9


def test_what_a_process_of_another_version_times_otherwise_is_left_out() -> None:
    tally = Tally()
    odd = {SHARE_LATENCY: Timed((1, 2), 3.0), "of_tomorrow": Timed((1,), 1.0)}
    tally.take(worker_counters(timed=odd))
    assert not any(sum(each.counts) or each.seconds for each in tally.counts().timed.values())
