from math import exp, log
from random import Random

import pytest

from poolserver.power.silence import MEMORY_S, RigState, SilenceWatch

WORK = 10**15
RATE = 0.2


def hashing(
    watch: SilenceWatch, worker: str = "rig", until_s: float = 3600.0, work: int = WORK
) -> float:
    """Let a rig send a share every five seconds; gives when it sent the last."""
    watch.note(worker, work, 1, 0.0)
    at_s = 0.0
    while at_s + 5 <= until_s:
        at_s += 5
        watch.shares(worker, work, work * work, at_s)
    watch.look(at_s)
    return at_s


def told_after_s(watch: SilenceWatch, last_s: float, step_s: float = 1.0) -> float:
    now_s = last_s
    while now_s < last_s + 3000:
        now_s += step_s
        if any(change.state is RigState.SILENT for change in watch.look(now_s)):
            return now_s - last_s
    raise AssertionError("it was never told")


def test_a_rig_at_12_a_minute_is_told_within_two_minutes() -> None:
    watch = SilenceWatch()
    # By theory ln(0.2 * 86,400 * 10,000) / 0.2 = 95 s, were its rate known for certain.
    assert 95 <= told_after_s(watch, hashing(watch)) <= 115
    assert watch.state_of("rig") is RigState.SILENT


def test_a_change_tells_how_long_and_how_likely_by_luck_it_is() -> None:
    watch = SilenceWatch()
    last_s = hashing(watch)
    watch.look(last_s + 60)
    (change,) = watch.look(last_s + 130)
    assert (change.worker, change.state, change.was) == ("rig", RigState.SILENT, RigState.HASHING)
    assert change.silent_s == 130
    assert exp(-30) < change.chance < 1e-4 / (RATE * 86_400)


def test_a_share_brings_it_back() -> None:
    watch = SilenceWatch()
    last_s = hashing(watch)
    watch.look(last_s + 300)
    watch.shares("rig", WORK, WORK**2, last_s + 310)
    (change,) = watch.look(last_s + 311)
    assert (change.state, change.was, change.silent_s) == (RigState.HASHING, RigState.SILENT, 310)
    assert 95 <= told_after_s(watch, last_s + 310) <= 200


def test_a_disconnected_rig_is_not_silent() -> None:
    watch = SilenceWatch()
    last_s = hashing(watch)
    watch.note("rig", WORK, 0, last_s + 10)
    assert [change.state for change in watch.look(last_s + 1000)] == [RigState.DISCONNECTED]
    watch.note("rig", WORK, 1, last_s + 1001)
    assert [change.state for change in watch.look(last_s + 2000)] == [RigState.NEW]


def test_one_of_two_connections_that_ends_changes_nothing() -> None:
    watch = SilenceWatch()
    last_s = hashing(watch)
    watch.note("rig", WORK, 2, last_s)
    watch.note("rig", WORK, 1, last_s + 1)
    assert watch.look(last_s + 2) == []


def test_of_a_rig_that_just_came_nothing_is_said() -> None:
    watch = SilenceWatch()
    watch.note("rig", WORK, 1, 0.0)
    watch.shares("rig", WORK, WORK**2, 3.0)
    assert [change.state for change in watch.look(10_000.0)] == [RigState.NEW]
    assert watch.chance("rig", 10_000.0) == 1.0
    assert watch.chance("nobody", 0.0) == 1.0
    assert watch.state_of("nobody") is RigState.DISCONNECTED


def test_a_farm_under_one_name_is_not_silent_between_two_folds() -> None:
    # A thousand rigs: by chance alone a tenth of a second would be too long.
    watch = SilenceWatch()
    watch.note("proxy", WORK, 1, 0.0)
    for second in range(1, 1201):
        if second % 5:  # a fold may be late
            watch.shares("proxy", 200 * WORK, 200 * WORK**2, float(second))
        if second % 5 == 0 and second > 60:
            assert watch.look(second + 0.9) == []
        elif second == 60:
            watch.look(60.0)
    assert told_after_s(watch, 1200.0) <= 20


def test_a_higher_difficulty_is_waited_for_at_once() -> None:
    watch = SilenceWatch()
    last_s = hashing(watch)
    watch.note("rig", 4 * WORK, 1, last_s + 1)
    assert 4 * 90 <= told_after_s(watch, last_s) <= 4 * 115


def test_a_lower_difficulty_is_waited_for_until_a_share_has_it() -> None:
    # Vardiff eases for a rig that is silent: that must not make it suspect sooner.
    watch = SilenceWatch()
    last_s = hashing(watch)
    watch.note("rig", WORK // 4, 1, last_s + 1)
    assert 95 <= told_after_s(watch, last_s) <= 115
    watch = SilenceWatch()
    last_s = hashing(watch)
    watch.note("rig", WORK // 4, 1, last_s + 1)
    for second in range(60):
        watch.shares("rig", WORK // 4, (WORK // 4) ** 2, last_s + 2 + second)
    assert told_after_s(watch, last_s + 61) <= 70


def test_time_in_which_shares_cannot_come_is_not_silence() -> None:
    watch = SilenceWatch()
    last_s = hashing(watch)
    watch.hold(last_s + 20)
    assert watch.look(last_s + 600) == []
    watch.resume(last_s + 600)
    watch.resume(last_s + 601)
    assert watch.look(last_s + 650) == []
    assert 95 <= told_after_s(watch, last_s + 580) <= 115


def test_a_row_that_was_told_to_stop_is_silent_together() -> None:
    watch = SilenceWatch()
    row = [f"rig-{n}" for n in range(100)]
    for worker in row:
        last_s = hashing(watch, worker)
    watch.shares("rig-7", WORK, WORK**2, last_s + 3)
    watch.note("rig-8", WORK, 0, last_s + 3)
    check = watch.check(row, last_s + 1, last_s + 1.36)
    assert check.sending == ("rig-7",)
    assert check.unknown == ("rig-8",)
    assert len(check.silent) == 98
    # 98 rigs for 0.36 s at 0.2 a second: e^-7; one in a thousand after 0.35 s.
    assert log(check.chance) == pytest.approx(-98 * 0.36 * RATE, rel=0.02)


def test_a_long_lost_rig_begins_anew() -> None:
    watch = SilenceWatch()
    last_s = hashing(watch)
    watch.note("rig", WORK, 0, last_s)
    back_s = last_s + 10 * MEMORY_S
    watch.note("rig", WORK, 1, back_s)
    watch.look(back_s)
    for n in range(1, 13):
        watch.shares("rig", WORK, WORK**2, back_s + 5 * n)
    assert 95 <= told_after_s(watch, back_s + 60) <= 400


def test_rigs_that_have_left_are_forgotten() -> None:
    watch = SilenceWatch()
    last_s = hashing(watch)
    for name in range(1000):  # who only connects, and goes, under ever new names
        watch.note(f"made-up-{name}", WORK, 1, last_s)
        watch.note(f"made-up-{name}", WORK, 0, last_s)
        watch.shares(f"never-heard-of-{name}", WORK, WORK**2, last_s)
    watch.note("rig", WORK, 0, last_s)
    watch.look(last_s + MEMORY_S)
    assert watch.chance("rig", last_s + MEMORY_S) < 1.0
    for minute in range(1, 3):
        watch.look(last_s + MEMORY_S + minute * 60)
    assert len(watch) == 0
    assert watch.state_of("rig") is RigState.DISCONNECTED


def test_a_rig_that_is_back_in_time_is_not_forgotten() -> None:
    watch = SilenceWatch()
    last_s = hashing(watch)
    watch.note("rig", WORK, 0, last_s)
    watch.look(last_s + 60)
    watch.note("rig", WORK, 1, last_s + 300)
    watch.look(last_s + 5 * MEMORY_S)
    assert len(watch) == 1


def test_honest_rigs_are_not_called_silent_and_those_that_stop_are() -> None:
    # 40 rigs for two hours at 12 a minute: 0.0003 false alarms are expected.
    random, watch = Random(5), SilenceWatch()
    names = [f"rig-{n}" for n in range(40)]
    for name in names:
        watch.note(name, WORK, 1, 0.0)
    stopped, silent = set(names[::4]), {}
    for tick in range(1, 7200 // 5):
        now_s = tick * 5.0
        for name in names:
            sends = random.random() < 1 - exp(-RATE * 5)
            if sends and not (name in stopped and now_s > 3600):
                watch.shares(name, WORK, WORK**2, now_s)
        for change in watch.look(now_s):
            if change.state is RigState.SILENT:
                silent[change.worker] = now_s - 3600
    assert set(silent) == stopped
    assert max(silent.values()) < 200
