"""Forks and laggards: what is shown, and when it is an alarm."""

import pytest

from poolserver.node.chains import NOTHING_KNOWN, Chain
from poolserver.node.splits import LASTING_S, Trouble, forks, laggards
from tests.unit.node.views import chain, view


def test_nodes_on_one_chain_are_not_forked_though_one_is_behind() -> None:
    assert forks({}, chain("aaa"), [view("x", "aaa"), view("y", "a")], 0.0) == {}


def test_a_race_of_one_block_is_shown_at_once_and_is_no_alarm() -> None:
    found = forks({}, chain("aa"), [view("x", "ab")], 5.0)
    assert found == {"x": Trouble("x", 1, 1, 5.0, alarmed=False)}


@pytest.mark.parametrize(("ours", "theirs"), [("aaaa", "ab"), ("aa", "abbb")])
def test_a_race_that_one_side_has_won_is_no_alarm(ours: str, theirs: str) -> None:
    assert not forks({}, chain(ours), [view("x", theirs)], 0.0)["x"].alarmed


def test_a_fork_of_two_blocks_on_both_sides_is_an_alarm_at_once() -> None:
    fork = forks({}, chain("aaa"), [view("x", "abb")], 0.0)["x"]
    assert (fork.alarmed, fork.depth) == (True, 2)


def test_a_fork_that_lasts_is_an_alarm() -> None:
    first = forks({}, chain("aa"), [view("x", "ab")], 0.0)
    assert not forks(first, chain("aa"), [view("x", "ab")], LASTING_S)["x"].alarmed
    assert forks(first, chain("aa"), [view("x", "ab")], LASTING_S + 0.1)["x"].alarmed


def test_an_alarm_stays_until_the_fork_is_over() -> None:
    deep = forks({}, chain("aaa"), [view("x", "abb")], 0.0)
    # The node is on its way back: one block of its own is left.
    assert forks(deep, chain("aaa"), [view("x", "ab")], 1.0)["x"].alarmed
    assert forks(deep, chain("aaa"), [view("x", "aaa")], 1.0) == {}


def test_where_it_cannot_be_told_what_was_known_stays() -> None:
    deep = forks({}, chain("aaa"), [view("x", "abb")], 0.0)
    assert forks(deep, NOTHING_KNOWN, [view("x", "abb")], 1.0) == deep
    assert forks(deep, Chain(4, ("aaaa",)), [view("x", "abb")], 1.0) == deep
    assert forks({}, NOTHING_KNOWN, [view("x", "abb")], 1.0) == {}


def test_a_node_that_is_not_there_is_in_no_fork() -> None:
    deep = forks({}, chain("aaa"), [view("x", "abb")], 0.0)
    assert forks(deep, chain("aaa"), [], 1.0) == {}


def test_a_node_is_behind_by_the_blocks_that_the_longest_chain_has_more() -> None:
    nodes = [view("x", "aaaa"), view("y", "aaa"), view("z", "aa")]
    assert laggards({}, nodes, 3.0) == {"z": Trouble("z", 2, 0, 3.0, alarmed=False)}


def test_a_node_that_stays_behind_is_an_alarm() -> None:
    nodes = [view("x", "aaaa"), view("z", "aa")]
    first = laggards({}, nodes, 0.0)
    assert not laggards(first, nodes, LASTING_S)["z"].alarmed
    assert laggards(first, nodes, LASTING_S + 0.1)["z"].alarmed


def test_a_node_far_behind_is_behind_though_no_block_is_shared() -> None:
    nodes = [view("x", "a" * 30), view("z", "aa")]
    assert laggards({}, nodes, 0.0)["z"].ours == 28


def test_a_forked_node_is_not_called_behind() -> None:
    assert laggards({}, [view("x", "aaaa"), view("y", "ab")], 0.0) == {}


def test_of_no_nodes_none_is_behind() -> None:
    assert laggards({}, [], 0.0) == {}
