"""How good the work is: pure, so time is what the test says."""

import msgspec
import pytest
from msgspec.structs import replace

from poolserver.server.freshness import Freshness, FreshnessState
from tests.unit.solving import CURTIME, template

MAX_AGE_S, GRACE_S = 300.0, 60.0


def fresh(now: float = 1000.0) -> Freshness:
    freshness = Freshness(MAX_AGE_S, GRACE_S)
    freshness.on_template(template(), now)
    return freshness


def test_before_a_template_there_is_nothing_to_be_lost() -> None:
    freshness = Freshness(MAX_AGE_S, GRACE_S)
    assert not freshness.is_lost(10_000.0)
    assert not freshness.may_be_good(10_000.0)
    assert freshness.unix_time(10_000.0) is None


@pytest.mark.parametrize(
    ("stopgaps", "tips", "goes_out"),
    [
        ((False, False), (1, 1), False),
        ((False, False), (1, 2), True),
        ((False, True), (1, 1), True),
        ((True, False), (1, 1), True),
    ],
)
def test_a_new_tip_a_stopgap_and_what_follows_one_go_out_at_once(
    stopgaps: tuple[bool, bool], tips: tuple[int, int], goes_out: bool
) -> None:
    freshness = Freshness(MAX_AGE_S, GRACE_S)
    first, second = (
        replace(template(tip=tip), stopgap=stopgap)
        for tip, stopgap in zip(tips, stopgaps, strict=True)
    )
    assert freshness.on_template(first, 0.0)
    assert freshness.on_template(second, 1.0) is goes_out


def test_work_is_good_for_its_age_and_lost_after_the_grace() -> None:
    freshness = fresh()
    assert freshness.may_be_good(1000.0 + MAX_AGE_S)
    assert not freshness.may_be_good(1000.1 + MAX_AGE_S)
    assert not freshness.is_lost(1000.0 + MAX_AGE_S + GRACE_S)
    assert freshness.is_lost(1000.1 + MAX_AGE_S + GRACE_S)
    freshness.confirmed(1200.0)
    assert freshness.may_be_good(1200.0 + MAX_AGE_S)


def test_a_newer_tip_makes_it_lost_sooner() -> None:
    freshness = fresh()
    freshness.outdated(1010.0)
    assert not freshness.may_be_good(1010.0)
    assert not freshness.is_lost(1010.0 + GRACE_S)
    assert freshness.is_lost(1010.1 + GRACE_S)


def test_a_template_that_comes_late_is_as_old_as_it_is() -> None:
    freshness = Freshness(MAX_AGE_S, GRACE_S)
    freshness.on_template(template(), 1000.0, age_s=50.0, unconfirmed_s=20.0)
    assert freshness.age_s(1000.0) == 20.0
    assert freshness.unix_time(1000.0) == CURTIME + 50


def test_stopgaps_are_timed() -> None:
    freshness = Freshness(MAX_AGE_S, GRACE_S)
    freshness.on_template(replace(template(), stopgap=True), 10.0)
    assert freshness.stopgap_seconds(12.0) == 2.0
    freshness.on_template(template(), 15.0)
    assert freshness.stopgap_seconds(100.0) == 5.0


def test_another_process_goes_on_where_one_left_off() -> None:
    freshness = fresh()
    freshness.on_template(replace(template(), stopgap=True), 1001.0)
    freshness.sent(1002.0)
    freshness.outdated(1003.0)
    sent = msgspec.msgpack.encode(freshness.state())
    other = Freshness(MAX_AGE_S, GRACE_S)
    other.restore(freshness.latest, msgspec.msgpack.decode(sent, type=FreshnessState))
    for now in (1003.0, 1063.5, 1500.0):
        for look in ("age_s", "sent_before_s", "may_be_good", "is_lost", "unix_time"):
            assert getattr(other, look)(now) == getattr(freshness, look)(now)
        assert other.stopgap_seconds(now) == freshness.stopgap_seconds(now)
