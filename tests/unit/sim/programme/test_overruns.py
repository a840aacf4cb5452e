"""Overruns of a limit, and when they show."""

import pytest

from poolserver.sim.programme.overruns import Overruns

LIMIT = 100.0


def watched(true: list[float], shown: list[bool]) -> Overruns:
    overruns = Overruns(5.0)
    for tick, (true_w, is_shown) in enumerate(zip(true, shown, strict=True), 1):
        overruns.note("A", tick * 5.0, true_w, LIMIT, {"meters": is_shown})
    return overruns


def test_one_that_shows_in_the_tick_it_begins_in_took_one_tick() -> None:
    (found,) = watched([99, 102, 103, 99], [False, True, True, False]).clear()
    assert (found.began_s, found.ended_s, found.worst_w) == (5.0, 15.0, 103)
    assert found.shown_s == {"meters": 5.0}


def test_one_that_shows_later_took_as_long() -> None:
    (found,) = watched([102] * 4, [False, False, False, True]).clear()
    assert found.shown_s == {"meters": 20.0}


def test_one_that_never_shows_has_not_shown() -> None:
    (found,) = watched([102] * 4, [False] * 4).clear()
    assert found.shown_s == {}


def test_noise_at_the_limit_is_one_overrun_and_not_many() -> None:
    assert len(list(watched([101, 99] * 20, [True] * 40).clear())) == 1
    assert len(list(watched([101] + [99] * 20 + [101], [True] * 22).clear())) == 2


def test_what_is_within_a_meters_error_is_not_counted() -> None:
    assert list(watched([100.4] * 5, [False] * 5).clear()) == []


def test_showing_what_is_not_true_is_counted_as_false() -> None:
    overruns = watched([99] * 30, [True] * 30)
    assert overruns.false_s == {"meters": pytest.approx(150.0)}
