from math import inf

import pytest

from poolserver.power.meters import Meters

WORK = 10**15  # hashes of a share
SHARE = (WORK, WORK**2)


def site_of(account: str) -> str:
    return "north" if account in ("alice", "bob") else "unassigned"


def test_work_is_measured_for_its_worker_its_account_and_its_site() -> None:
    meters = Meters(site_of)
    meters.declare("alice", "alice.1", 0.0)
    meters.update({("alice", "alice.1"): SHARE}, 60.0)
    rate = meters.workers["alice", "alice.1"].rates(60.0)
    assert rate.m1 > 0
    assert meters.accounts["alice"].rates(60.0) == rate
    assert meters.sites["north"].rates(60.0) == rate


def test_workers_add_up_to_their_account_and_accounts_to_their_site() -> None:
    meters = Meters(site_of)
    rigs = [("alice", "alice.1"), ("alice", "alice.2"), ("bob", "bob.1"), ("eve", "eve.1")]
    for account, worker in rigs:
        meters.declare(account, worker, 0.0)
    meters.update({rigs[0]: SHARE, rigs[1]: SHARE, rigs[2]: SHARE, rigs[3]: SHARE}, 60.0)
    one = meters.workers["eve", "eve.1"].rates(60.0).m5
    assert meters.accounts["alice"].rates(60.0).m5 == pytest.approx(2 * one)
    assert meters.sites["north"].rates(60.0).m5 == pytest.approx(3 * one)
    assert meters.sites["unassigned"].rates(60.0).m5 == pytest.approx(one)


def test_the_error_of_a_sum_is_that_of_all_its_shares() -> None:
    meters = Meters(site_of)
    for number in range(4):
        meters.declare("alice", f"alice.{number}", 0.0)
    meters.update({("alice", f"alice.{n}"): SHARE for n in range(4)}, 60.0)
    assert meters.workers["alice", "alice.0"].relative_sigmas.m1 == pytest.approx(1.0)
    assert meters.sites["north"].relative_sigmas.m1 == pytest.approx(0.5)  # 1/sqrt(4)


def test_a_meter_begins_with_the_first_rig_and_not_with_its_first_share() -> None:
    early, late = Meters(site_of), Meters(site_of)
    early.declare("alice", "alice.1", 0.0)
    late.declare("alice", "alice.1", 50.0)
    for meters in (early, late):
        meters.update({("alice", "alice.1"): SHARE}, 60.0)
    assert early.sites["north"].rates(60.0).h1 < late.sites["north"].rates(60.0).h1 / 5


def test_to_declare_a_rig_again_begins_nothing_anew() -> None:
    meters = Meters(site_of)
    meters.declare("alice", "alice.1", 0.0)
    meters.update({("alice", "alice.1"): SHARE}, 30.0)
    before = meters.sites["north"].rates(60.0)
    meters.declare("alice", "alice.1", 60.0)
    meters.declare("alice", "alice.2", 60.0)
    assert meters.sites["north"].rates(60.0) == before
    assert meters.workers["alice", "alice.2"].relative_sigmas.m1 == inf


def test_work_of_a_rig_that_was_never_declared_is_measured_from_then_on() -> None:
    meters = Meters(site_of)
    meters.update({("alice", "alice.1"): SHARE}, 10.0)
    assert meters.sites["north"].rates(10.0).m1 == 0.0  # no time to divide by yet
    assert meters.sites["north"].rates(20.0).m1 > 0.0


def test_without_a_rig_there_is_no_meter() -> None:
    meters = Meters(site_of)
    meters.update({}, 10.0)
    assert (meters.sites, meters.accounts, meters.workers) == ({}, {}, {})
