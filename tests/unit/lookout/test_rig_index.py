"""Rigs are found and sorted as plain Python would, in steps."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.lookout.rig_index import (
    AT_ONCE,
    SORTS,
    RigQuery,
    rig_index,
    rig_line,
    sorted_in_steps,
)
from tests.unit.lookout.fleet import NOW, MadeUpFleet


def a_fleet() -> MadeUpFleet:
    fleet = MadeUpFleet()
    fleet.add("hall.b", 3e14, node="hall/T1/R1")
    fleet.add("hall.a", 1e14, node="hall/T10")
    fleet.add("hall.C", 2e14, node="hall/T1")
    fleet.add("barn.d", 0.0, node="barn")
    fleet.add("nobody.e", 4e14, node="")
    fleet.add("hall.gone", 5e13, sessions=0)
    fleet.silent.add("hall.C")
    return fleet


def found(**query: Any) -> list[str]:
    index = rig_index(a_fleet())
    return [index.line(row).worker for row in index.find(RigQuery(**query))]


def test_without_a_wish_all_are_in_the_order_of_their_names() -> None:
    names = ["barn.d", "hall.C", "hall.a", "hall.b", "hall.gone", "nobody.e"]
    assert found() == names
    assert found(sort="-worker") == names[::-1]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"site": "barn"}, ["barn.d"]),
        ({"site": "unassigned"}, ["nobody.e"]),
        ({"node": "hall/T1"}, ["hall.C", "hall.b", "hall.gone"]),  # and not T10
        ({"node": "/", "site": "barn"}, ["barn.d"]),
        ({"state": "silent"}, ["hall.C"]),
        ({"state": "new"}, ["barn.d"]),
        ({"state": "away"}, ["hall.gone"]),
        ({"text": "HALL.c"}, ["hall.C"]),
        ({"text": "s21", "state": "hashing"}, ["hall.a", "hall.b"]),
        ({"text": "bmminer"}, ["nobody.e"]),  # what is not rated shows what it tells of itself
        ({"text": "10.0.0.1"}, ["hall.a"]),
        ({"text": "t1/r1"}, ["hall.b"]),
        ({"text": "nothing of that"}, []),
    ],
)
def test_rigs_are_found_by_what_is_shown_of_them(query: Any, names: list[str]) -> None:
    assert found(**query) == names


def test_those_alike_stay_in_the_order_of_their_names_either_way() -> None:
    assert found(sort="-hashrate_1h", site="hall") == ["hall.b", "hall.C", "hall.a", "hall.gone"]
    assert found(sort="sessions") == [
        "hall.gone", "barn.d", "hall.C", "hall.a", "hall.b", "nobody.e",
    ]  # fmt: skip
    assert found(sort="-sessions")[:3] == ["barn.d", "hall.C", "hall.a"]
    assert found(sort="power")[0] == "nobody.e"  # of which none is known
    assert found(sort="state")[0] == "hall.C"
    # Who never sent one, then who is silent for longest.
    assert found(sort="last_share_at")[:3] == ["barn.d", "hall.gone", "nobody.e"]


@pytest.mark.parametrize("sort", SORTS)
def test_each_column_sorts_both_ways(sort: str) -> None:
    assert sorted(found(sort=sort)) == sorted(found(sort=f"-{sort}")) == found()


def test_a_line_tells_a_rig_with_its_errors_and_units() -> None:
    fleet = a_fleet()
    line = rig_line(fleet.known["hall.b"], fleet)
    assert (line.account, line.site, line.node) == ("hall", "hall", "hall/T1/R1")
    assert (line.hashrate_1h_h_s.value, line.hashrate_1h_h_s.sigma) == (3e14, 1e13)
    assert (line.power_w, line.j_per_th) == (6000.0, 20.0)  # 300 TH/s at 20 J/TH
    assert (line.stale_1h, line.rejected_1h) == (0.01, 0.02)
    new = rig_line(fleet.known["barn.d"], fleet)
    assert (new.state, new.power_w, new.stale_1h) == ("new", 0.0, None)
    assert (line.last_share_at, new.last_share_at) == (NOW - len("hall.b"), None)
    unplaced = rig_line(fleet.known["nobody.e"], fleet)
    assert (unplaced.node, unplaced.power_w, unplaced.j_per_th) == ("", None, None)


@given(st.lists(st.integers(0, 50), max_size=200), st.booleans())
def test_steps_sort_as_one_sort_does(items: list[int], reverse: bool) -> None:
    pairs = list(enumerate(items * (2 * AT_ONCE // 200 + 1)))
    assert sorted_in_steps(pairs, lambda pair: pair[1], reverse=reverse) == sorted(
        pairs, key=lambda pair: pair[1], reverse=reverse
    )
