"""What was of late is what Prometheus would say of it."""

from typing import Any

import pytest
from msgspec.structs import replace

from poolserver.control_room.view import LimitView
from poolserver.lookout.lately import EVERY_S, Lasting, Lately, mining_room_w
from poolserver.lookout.view import Shares
from tests.unit.lookout.seen import node, site

GB = 1_000_000_000
LIMIT = LimitView(3_000_000, "override", "ops", "", None)


def shares_after(lately: Lately, shares: Shares, now_s: float) -> Shares:
    now = site(shares=shares)
    lately.note([now], [], now_s)
    return lately.shares(now)


def test_what_has_ended_begins_anew() -> None:
    lasting = Lasting()
    seen = [(True, 10.0), (True, 12.0), (False, 13.0), (True, 20.0), (True, 21.0)]
    assert [lasting.s(is_so, now_s) for is_so, now_s in seen] == [0.0, 2.0, 0.0, 0.0, 1.0]


def test_shares_are_those_of_a_quarter_of_an_hour() -> None:
    lately = Lately()
    assert shares_after(lately, Shares(1000, 10, 1), 0.0) == Shares(0, 0, 0)
    assert shares_after(lately, Shares(1400, 11, 3), 600.0) == Shares(400, 1, 2)
    # Those before are counted from where they stood then.
    assert shares_after(lately, Shares(1500, 11, 3), 1500.0) == Shares(100, 0, 0)


def test_a_site_whose_first_shares_have_come_has_all_of_them() -> None:
    lately = Lately()
    lately.note([], [], 0.0)
    assert shares_after(lately, Shares(5, 0, 0), 20.0) == Shares(5, 0, 0)


@pytest.mark.parametrize(
    ("changes", "room_w"),
    [
        ({}, 10_000_000),  # 8 are drawn, 2 are free
        ({"headroom_w": None, "limits": ()}, None),
        ({"mining_limits": (LIMIT,)}, 3_000_000),
        ({"headroom_w": None, "mining_limits": (LIMIT,)}, 3_000_000),
        ({"headroom_w": -7_000_000.0, "mining_limits": (LIMIT,)}, 1_000_000),
        ({"headroom_w": -9_000_000.0}, 0),
    ],
)
def test_the_room_of_mining_is_the_least_of_its_limit_and_what_is_left(
    changes: dict[str, Any], room_w: float | None
) -> None:
    assert mining_room_w(node(**changes)) == room_w


def test_the_least_room_of_half_an_hour_is_remembered_of_sites_alone() -> None:
    lately = Lately()
    rack = node(path="Sahiwal/T1", depth=2, headroom_w=-9e6)
    for headroom_w, at_s in ((-4e6, 0.0), (2e6, 600.0), (1e6, 1200.0)):
        lately.note([], [node(headroom_w=headroom_w), rack], at_s)
    assert lately.least_room_w == {"Sahiwal": 4e6}
    lately.note([], [node()], 2500.0)
    assert lately.least_room_w == {"Sahiwal": 9e6}


def test_what_is_said_too_often_is_not_kept() -> None:
    lately = Lately()
    lately.note([], [node(headroom_w=0.0)], 0.0)
    lately.note([], [node(headroom_w=-8e6)], EVERY_S / 2)
    assert lately.least_room_w == {"Sahiwal": 8e6}


def test_a_disk_that_fills_steadily_is_told_by_a_straight_line() -> None:
    lately = Lately()
    for minute in range(61):
        lately.note_disk(100 * GB - minute * GB // 2, minute * 60.0)
    assert lately.free_soon_bytes == pytest.approx(70 * GB - 240 * GB / 2)
    assert lately.free_later_bytes == pytest.approx(70 * GB - 4 * 1440 * GB / 2)


def test_of_a_new_trend_the_last_hour_tells_what_is_soon() -> None:
    lately = Lately()
    for minute in range(6 * 60):
        lately.note_disk(100 * GB - max(0, minute - 240) * GB // 10, minute * 60.0)
    assert lately.free_soon_bytes == pytest.approx(88 * GB - 24 * GB, abs=GB)
    assert lately.free_later_bytes is not None
    assert lately.free_later_bytes < 0


def test_minutes_after_a_start_are_no_trend() -> None:
    lately = Lately()
    lately.note_disk(100 * GB, 0.0)
    lately.note_disk(1 * GB, 590.0)
    assert lately.free_soon_bytes is lately.free_later_bytes is None


def test_a_disk_that_got_room_goes_up() -> None:
    lately = Lately()
    lately.note_disk(1 * GB, 0.0)
    lately.note_disk(100 * GB, 600.0)
    assert lately.free_soon_bytes is not None
    assert lately.free_soon_bytes > 100 * GB


def test_a_site_that_is_new_and_one_that_is_gone_do_no_harm() -> None:
    lately = Lately()
    lately.note([replace(site(), name="gone")], [node(path="gone")], 0.0)
    lately.note([site()], [node()], 20.0)
    assert lately.shares(site()) == Shares(1, 0, 0)
    assert lately.least_room_w == {"gone": 1e7, "Sahiwal": 1e7}
