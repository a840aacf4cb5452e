"""Who is measured, for how long, and that no crowd of names grows without bound."""

import tracemalloc
from collections.abc import Iterable

import pytest

from poolserver.ledger.totals import ShareTotals, WorkerKey
from poolserver.mining.share import ShareOutcome
from poolserver.stats import meter
from poolserver.stats.meter import NO_READING, Reading, Rejects
from poolserver.stats.meters import IDLE_S, OF_POOL, Level, Meters
from tests.unit.share_counts import share_counts

WORK = 10**15  # hashes of a share
NORTH = ("alice", "bob")


def site_of(account: str) -> str:
    return "north" if account in NORTH else "unassigned"


def share(
    *, outcome: ShareOutcome = ShareOutcome.ACCEPTED, best_hash: int = 1 << 200
) -> ShareTotals:
    return ShareTotals(WORK, WORK, WORK**2, share_counts({outcome: 1}), best_hash=best_hash)


def send(
    meters: Meters, workers: Iterable[str], at_s: float, totals: ShareTotals | None = None
) -> None:
    keys = [(worker.partition(".")[0], worker) for worker in workers]
    rows = [
        (WorkerKey(site_of(account), account, worker), totals or share())
        for account, worker in keys
    ]
    meters.update(meters.judged(rows), at_s)


def worker(meters: Meters, name: str, now_s: float) -> Reading:
    return meters.read(Level.WORKER, (name.partition(".")[0], name), now_s)


def account(meters: Meters, name: str, now_s: float) -> Reading:
    return meters.read(Level.ACCOUNT, (name, ""), now_s)


def site(meters: Meters, name: str, now_s: float) -> Reading:
    return meters.read(Level.SITE, ("", name), now_s)


def pool(meters: Meters, now_s: float) -> Reading:
    return meters.read(Level.POOL, OF_POOL, now_s)


# --- who --------------------------------------------------------------------------------------


def test_work_is_measured_for_its_worker_its_account_its_site_and_the_pool() -> None:
    meters = Meters(site_of)
    meters.declare("alice", "alice.1", 0.0)
    send(meters, ["alice.1"], 60.0)
    reading = worker(meters, "alice.1", 60.0)
    assert reading.hashrates.m1 > 0
    assert account(meters, "alice", 60.0) == site(meters, "north", 60.0) == reading
    assert pool(meters, 60.0) == reading


def test_workers_add_up_to_their_account_accounts_to_their_site_and_sites_to_the_pool() -> None:
    meters = Meters(site_of)
    rigs = ["alice.1", "alice.2", "bob.1", "eve.1"]
    for rig in rigs:
        meters.declare(rig.partition(".")[0], rig, 0.0)
    send(meters, rigs, 60.0)
    one = worker(meters, "eve.1", 60.0).hashrates.m5
    assert account(meters, "alice", 60.0).hashrates.m5 == pytest.approx(2 * one)
    assert site(meters, "north", 60.0).hashrates.m5 == pytest.approx(3 * one)
    assert site(meters, "unassigned", 60.0).hashrates.m5 == pytest.approx(one)
    assert pool(meters, 60.0).hashrates.m5 == pytest.approx(4 * one)


def test_the_error_of_a_sum_is_that_of_all_its_shares() -> None:
    meters = Meters(site_of)
    send(meters, [f"alice.{number}" for number in range(4)], 60.0)
    assert worker(meters, "alice.0", 60.0).relative_sigmas.m1 == pytest.approx(1.0)
    assert site(meters, "north", 60.0).relative_sigmas.m1 == pytest.approx(0.5)  # 1/sqrt(4)


def test_rejects_and_best_shares_are_told_on_every_level() -> None:
    meters = Meters(site_of)
    send(meters, ["alice.1"], 1.0, share(best_hash=1 << 210))
    send(meters, ["alice.2"], 1.0, share(best_hash=1 << 205))
    send(meters, ["bob.1", "bob.1"], 1.0, share(outcome=ShareOutcome.STALE, best_hash=1 << 220))
    assert worker(meters, "alice.1", 1.0).rejects[0] == Rejects(0.0, 0.0)
    assert account(meters, "bob", 1.0).rejects[0] == Rejects(1.0, 0.0)
    assert (
        pool(meters, 1.0).rejects[1] == site(meters, "north", 1.0).rejects[1] == Rejects(0.5, 0.0)
    )
    best = worker(meters, "alice.2", 1.0).best_in_round
    assert best > worker(meters, "alice.1", 1.0).best_in_round > 0
    assert account(meters, "alice", 1.0).best_in_round == pool(meters, 1.0).best_in_round == best


def test_what_nobody_sent_counts_for_its_site_and_the_pool_only() -> None:
    meters = Meters(site_of)
    rejected = ShareTotals(shares=share_counts({ShareOutcome.UNAUTHORIZED: 3}))
    meters.update(meters.judged([(WorkerKey("unassigned", "", ""), rejected)]), 1.0)
    assert pool(meters, 1.0).rejects[0] == site(meters, "unassigned", 1.0).rejects[0] == (0.0, 1.0)
    assert not meters.accounts.states
    assert not meters.workers.states


def test_the_work_scale_of_a_site_is_in_all_of_its_hashrates_and_not_in_the_errors() -> None:
    plain, scaled = Meters(site_of), Meters(site_of, {"north": 1000, "unassigned": 1}.__getitem__)
    for meters in (plain, scaled):
        meters.declare("alice", "alice.1", 0.0)
        send(meters, ["alice.1", "alice.1"], 60.0)
    for level in (worker(scaled, "alice.1", 60.0), site(scaled, "north", 60.0), pool(scaled, 60.0)):
        assert level.hashrates.m5 == pytest.approx(1000 * pool(plain, 60.0).hashrates.m5)
        assert level.relative_sigmas == pytest.approx(pool(plain, 60.0).relative_sigmas)


# --- since when -------------------------------------------------------------------------------


def test_a_meter_begins_with_the_first_rig_and_not_with_its_first_share() -> None:
    early, late = Meters(site_of), Meters(site_of)
    early.declare("alice", "alice.1", 0.0)
    late.declare("alice", "alice.1", 50.0)
    for meters in (early, late):
        send(meters, ["alice.1"], 60.0)
    assert site(early, "north", 60.0).hashrates.h1 < site(late, "north", 60.0).hashrates.h1 / 5


def test_to_declare_a_rig_again_begins_nothing_anew() -> None:
    meters = Meters(site_of)
    meters.declare("alice", "alice.1", 0.0)
    send(meters, ["alice.1"], 30.0)
    before = site(meters, "north", 60.0)
    meters.declare("alice", "alice.1", 60.0)
    meters.declare("alice", "alice.2", 60.0)
    assert site(meters, "north", 60.0) == before
    assert worker(meters, "alice.2", 60.0) == NO_READING


def test_work_of_a_rig_that_was_never_declared_is_measured_from_then_on() -> None:
    meters = Meters(site_of)
    send(meters, ["alice.1"], 10.0)
    assert site(meters, "north", 10.0).hashrates.m1 == 0.0  # no time to divide by yet
    assert site(meters, "north", 20.0).hashrates.m1 > 0.0


def test_without_a_rig_there_is_no_meter() -> None:
    meters = Meters(site_of)
    meters.update([], 10.0)
    assert not any(level.states for level in meters.levels.values())
    assert pool(meters, 10.0) == NO_READING


# --- rounds -----------------------------------------------------------------------------------


def test_a_found_block_ends_the_round_for_all() -> None:
    meters = Meters(site_of)
    send(meters, ["alice.1", "bob.1"], 1.0)
    meters.end_round(1.0)
    for reading in (pool(meters, 1.0), site(meters, "north", 1.0), worker(meters, "bob.1", 1.0)):
        assert reading.best_in_round == 0.0
        assert reading.rejects[0] == (0.0, 0.0)  # all else goes on
    send(meters, ["alice.1"], 2.0)
    assert account(meters, "alice", 2.0).best_in_round > 0
    assert account(meters, "bob", 2.0).best_in_round == 0.0


# --- for how long -----------------------------------------------------------------------------


def test_who_was_idle_for_seven_days_leaves_and_its_site_does_not() -> None:
    meters = Meters(site_of)
    send(meters, ["alice.1", "alice.2", "eve.1"], 0.0)
    send(meters, ["alice.2"], 100.0)
    meters.leave(IDLE_S)
    assert len(meters.workers.states) == 3
    meters.leave(IDLE_S + 50.0)
    assert list(meters.workers.states) == [("alice", "alice.2")]
    assert list(meters.accounts.states) == [("alice", "")]
    assert set(meters.sites.states) == {("", "north"), ("", "unassigned")}


def test_of_too_many_names_those_go_that_were_idle_for_longest() -> None:
    meters = Meters(site_of, max_names=3)
    send(meters, ["alice.1", "alice.2"], 0.0)
    send(meters, ["alice.1"], 1.0)
    meters.declare("eve", "eve.1", 2.0)
    meters.declare("mallory", "mallory.1", 3.0)
    meters.leave(3.0)
    assert {name for _, name in meters.workers.states} == {"alice.1", "eve.1", "mallory.1"}


def test_a_flood_of_names_takes_no_more_memory_than_the_cap_and_rigs_that_send_stay() -> None:
    meters = Meters(site_of, max_names=1000)
    sizes = []
    for second in range(10):
        for number in range(1000):
            meters.declare(f"x{second}", f"x{second}.{number}", float(second))
        send(meters, ["alice.1"], float(second))
        meters.leave(float(second))
        sizes.append(len(meters.workers.states) + len(meters.workers.changed))
        assert ("alice", "alice.1") in meters.workers.states
    assert max(sizes) <= 2000
    assert len(meters.accounts.states) <= 1000


def test_a_worker_takes_under_600_bytes() -> None:
    meters = Meters(site_of)
    keys = [WorkerKey("north", "alice", f"alice.rig-{number:05d}") for number in range(10_000)]
    tracemalloc.start()
    try:
        for key in keys:
            meters.declare(key.account, key.worker, 0.0)
        one = share()
        meters.update(meters.judged((key, one) for key in keys), 1.0)
        size = tracemalloc.get_traced_memory()[0] / len(keys)
    finally:
        tracemalloc.stop()
    assert size + len(keys[0].worker) + 49 < 600  # with the name, if nobody else had it


# --- to be saved ------------------------------------------------------------------------------


def test_only_meters_that_changed_are_to_be_saved() -> None:
    meters = Meters(site_of)
    send(meters, ["alice.1", "bob.1"], 1.0)
    first = meters.take_changes()
    assert {level: set(first[level]) for level in Level} == {
        level: set(meters.levels[level].states) for level in Level
    }
    send(meters, ["bob.1"], 2.0)
    assert set(meters.take_changes()[Level.WORKER]) == {("bob", "bob.1")}
    assert not any(meters.take_changes().values())


def test_what_could_not_be_saved_is_to_be_saved_again_as_it_is_by_then() -> None:
    meters = Meters(site_of, max_names=2)
    send(meters, ["alice.1"], 0.0)
    send(meters, ["alice.2"], 1.0)
    changes = meters.take_changes()
    send(meters, ["alice.2"], 2.0)
    send(meters, ["alice.3"], 3.0)
    meters.leave(3.0)
    meters.put_back(changes)
    again = meters.take_changes()[Level.WORKER]
    assert set(again) == {("alice", "alice.2"), ("alice", "alice.3")}  # alice.1 has left
    assert all(again[name] is meters.workers.states[name] for name in again)


def test_meters_are_taken_up_with_their_round_and_in_the_order_of_their_last_shares() -> None:
    meters, resumed = Meters(site_of), Meters(site_of, max_names=2)
    send(meters, ["alice.3"], 1.0)
    meters.end_round(1.0)
    for second, rig in enumerate(["alice.1", "alice.2", "alice.3"], 2):
        send(meters, [rig], float(second))
    changes = meters.take_changes()
    resumed.restore({level: dict(reversed(changes[level].items())) for level in Level}, 5.0)
    assert resumed.round_number == 1
    assert [name for _, name in resumed.workers.states] == ["alice.2", "alice.3"]
    assert pool(resumed, 5.0) == pool(meters, 5.0)
    assert meter.last_s(resumed.pool.states[OF_POOL]) == 4.0
