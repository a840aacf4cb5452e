"""Whose templates are mined on: the rules one by one, and over random trees of blocks."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.node.gate import GateState, GateTerms, believable, judge
from poolserver.node.views import NodeView
from tests.unit.node.views import view

TERMS = GateTerms()


class Gate:
    """Keeps the state from one judgement to the next."""

    def __init__(self, *, peers_matter: bool = False) -> None:
        self.state = GateState()
        self._peers_matter = peers_matter

    def sees(self, now: float, *views: NodeView) -> str | None:
        """The node whose templates go out after this; None where none may."""
        self.state = judge(self.state, views, now, peers_matter=self._peers_matter, terms=TERMS)
        return self.state.active if self.state.serves else None

    @property
    def mined(self) -> str:
        assert self.state.mined is not None
        return self.state.mined.tip_hex


# --- one rule each ---------------------------------------------------------------------------


def test_the_first_node_is_preferred() -> None:
    assert Gate().sees(0.0, view("x"), view("y")) == "x"


def test_at_the_start_the_order_counts_at_once_and_not_who_answered_first() -> None:
    gate = Gate()
    assert gate.sees(0.0, view("x", on=None), view("y")) == "y"
    assert gate.sees(0.1, view("x"), view("y")) == "x"


def test_without_a_template_there_is_no_node() -> None:
    gate = Gate()
    assert gate.sees(0.0, view("x", on=None), view("y", fault="timeout")) is None
    assert gate.state.active is None
    assert gate.state.offering == frozenset()


@pytest.mark.parametrize("fault", ["unreachable", "timeout", "unchecked", "loading"])
def test_a_node_that_cannot_be_believed_loses_its_place_at_once(fault: str) -> None:
    gate = Gate()
    gate.sees(0.0, view("x"), view("y"))
    assert gate.sees(1.0, view("x", fault=fault), view("y")) == "y"
    assert gate.state.reason == "failover"


def test_a_node_that_gives_no_templates_any_more_loses_its_place_at_once() -> None:
    gate = Gate()
    gate.sees(0.0, view("x"), view("y"))
    assert gate.sees(1.0, view("x", sound=False), view("y")) == "y"
    assert gate.state.reason == "failover"
    assert gate.state.offering == {"y"}


def test_its_stopgap_on_the_newest_block_is_better_than_another_nodes_template_on_the_old() -> None:
    gate = Gate()
    gate.sees(0.0, view("x"), view("y"))
    assert gate.sees(1.0, view("x", "aa", full=False, sound=False), view("y")) == "x"
    assert gate.mined == "aa"
    assert gate.sees(2.0, view("x", "aa", full=False, sound=False), view("y", "aa")) == "y"


def test_a_node_that_only_takes_blocks_is_never_mined_on() -> None:
    assert Gate().sees(0.0, view("x", gives_templates=False), view("y")) == "y"


def test_without_peers_a_node_counts_only_while_no_other_has_any() -> None:
    lonely = view("x", peers=0)
    assert Gate(peers_matter=True).sees(0.0, lonely, view("y")) == "y"
    assert Gate(peers_matter=True).sees(0.0, lonely, view("y", peers=0)) == "x"
    assert Gate(peers_matter=False).sees(0.0, lonely, view("y")) == "x"


def test_the_preferred_node_gets_its_place_back_after_it_was_well_for_a_while() -> None:
    gate = Gate()
    gate.sees(0.0, view("x"), view("y"))
    gate.sees(20.0, view("x", fault="timeout"), view("y"))
    assert gate.sees(30.0, view("x"), view("y")) == "y"
    assert gate.sees(30.0 + TERMS.fail_back_after_s - 0.1, view("x"), view("y")) == "y"
    assert gate.sees(30.0 + TERMS.fail_back_after_s, view("x"), view("y")) == "x"
    assert gate.state.reason == "fail_back"


def test_a_node_that_comes_and_goes_does_not_get_its_place_back() -> None:
    gate = Gate()
    gate.sees(0.0, view("x"), view("y"))
    for second in range(20, 120, 4):
        assert gate.sees(float(second), view("x", fault="unreachable"), view("y")) == "y"
        assert gate.sees(second + 2.0, view("x"), view("y")) == "y"


def test_the_first_to_have_a_template_on_a_new_block_is_mined_on_at_once() -> None:
    gate = Gate()
    gate.sees(0.0, view("x"), view("y"))
    assert gate.sees(20.0, view("x"), view("y", "aa")) == "y"
    assert gate.state.reason == "better"


def test_a_full_template_goes_before_a_stopgap() -> None:
    gate = Gate()
    gate.sees(0.0, view("x"), view("y"))
    assert gate.sees(20.0, view("x", "aa", full=False), view("y")) == "x"
    assert gate.sees(20.1, view("x", "aa", full=False), view("y", "aa")) == "y"


def test_between_chains_of_equal_work_the_mined_one_stays() -> None:
    gate = Gate()
    gate.sees(0.0, view("x"), view("y"))
    gate.sees(20.0, view("x"), view("y", "ab"))
    for now in (20.1, 60.0, 1000.0):
        assert gate.sees(now, view("x", "aa"), view("y", "ab")) == "y"
    assert gate.mined == "ab"
    assert gate.sees(1001.0, view("x", "aaa"), view("y", "ab")) == "x"


def test_the_chain_with_most_work_wins() -> None:
    gate = Gate()
    gate.sees(0.0, view("x", "aaa"), view("y", "aaa"))
    assert gate.sees(20.0, view("x", "aaa"), view("y", "abbb")) == "y"


def test_the_trusted_nodes_chain_wins_whatever_others_have() -> None:
    gate = Gate()
    gate.sees(0.0, view("x"), view("y", trusted=True))
    assert gate.sees(20.0, view("x", "abbbb"), view("y", "aa", trusted=True)) == "y"
    assert gate.mined == "aa"


def test_another_node_on_the_trusted_ones_tip_may_be_mined_on() -> None:
    assert Gate().sees(0.0, view("x"), view("y", trusted=True)) == "x"
    assert Gate().sees(0.0, view("x"), view("y", on=None, trusted=True)) == "x"


def test_a_node_ahead_waits_for_the_trusted_one() -> None:
    gate = Gate()
    gate.sees(0.0, view("x"), view("y", trusted=True))
    assert gate.sees(20.0, view("x", "aa"), view("y", trusted=True)) is None
    assert gate.mined == "a"
    # The trusted node has heard of it; its own template is not there yet.
    assert gate.sees(20.1, view("x", "aa"), view("y", "aa", on="a", trusted=True)) == "x"
    assert gate.mined == "aa"


def test_where_the_trusted_node_does_not_follow_its_own_templates_are_mined_on() -> None:
    gate = Gate()
    gate.sees(0.0, view("x"), view("y", trusted=True))
    gate.sees(20.0, view("x", "aa"), view("y", trusted=True))
    now = 20.0 + TERMS.tip_grace_s
    assert gate.sees(now, view("x", "aa"), view("y", trusted=True)) == "y"
    assert gate.mined == "a"


def test_a_trusted_node_that_is_lost_leaves_the_others_to_their_work() -> None:
    gate = Gate()
    gate.sees(0.0, view("x"), view("y", trusted=True))
    assert not gate.state.trusted_is_lost
    assert gate.sees(20.0, view("x", "aa"), view("y", trusted=True, fault="timeout")) == "x"
    assert gate.state.trusted_is_lost


def test_a_node_one_block_back_does_not_take_over_from_one_that_is_lost() -> None:
    gate = Gate()
    gate.sees(0.0, view("x", "aa"), view("y", "aa"))
    gate.sees(20.0, view("x", "aaa"), view("y", "aa"))
    lost = view("x", "aaa", fault="unreachable")
    assert gate.sees(21.0, lost, view("y", "aa")) is None
    assert gate.mined == "aaa"
    assert gate.sees(22.0, lost, view("y", "aaa")) == "y"  # it has followed


def test_a_block_that_no_other_node_ever_has_is_given_up() -> None:
    gate = Gate()
    gate.sees(0.0, view("x", "aa"), view("y", "aa"))
    gate.sees(20.0, view("x", "aaa"), view("y", "aa"))
    lost = view("x", "aaa", fault="unreachable")
    assert gate.sees(21.0, lost, view("y", "aa")) is None
    assert gate.sees(21.0 + TERMS.hold_s - 0.1, lost, view("y", "aa")) is None
    assert gate.sees(21.0 + TERMS.hold_s, lost, view("y", "aa")) == "y"
    assert gate.mined == "aa"


def test_a_node_without_templates_that_still_has_the_mined_block_keeps_us_on_it() -> None:
    gate = Gate()
    gate.sees(0.0, view("x", "aaa"), view("y", "aa"))
    assert gate.sees(1000.0, view("x", "aaa", on=None), view("y", "aa")) is None
    assert gate.sees(1001.0, view("x", "aaa", sound=False), view("y", "aa")) == "x"
    assert gate.mined == "aaa"


def test_a_reorganisation_to_a_lower_height_is_followed() -> None:
    gate = Gate()
    gate.sees(0.0, view("x", "aaa"))
    assert gate.sees(1.0, view("x", "ab")) == "x"
    assert gate.mined == "ab"


def test_a_template_on_a_tip_that_its_node_has_left_is_good_for_a_moment_only() -> None:
    gate = Gate()
    gate.sees(0.0, view("x", "aaa"))
    left = view("x", "ab", on="aaa", tip_at=50.0)
    assert gate.sees(50.0 + TERMS.tip_grace_s, left) == "x"
    assert gate.sees(50.1 + TERMS.tip_grace_s, left) is None


# --- work that is outdated -------------------------------------------------------------------


def test_work_is_outdated_since_a_newer_tip_is_known() -> None:
    gate = Gate()
    gate.sees(0.0, view("x"))
    assert gate.state.outdated_since is None
    gate.sees(5.0, view("x", "aa", on="a"))
    gate.sees(6.0, view("x", "aa", on=None))
    assert gate.state.outdated_since == 5.0
    gate.sees(7.0, view("x", "aa"))
    assert gate.state.outdated_since is None


def test_what_was_known_of_a_newer_tip_does_not_go_with_the_nodes() -> None:
    gate = Gate()
    gate.sees(0.0, view("x"))
    gate.sees(5.0, view("x", "aa", on="a"))
    gate.sees(6.0, view("x", "aa", on="a", fault="unreachable"))
    assert gate.state.outdated_since == 5.0


def test_a_node_that_has_not_heard_of_a_newer_tip_is_no_proof_against_it() -> None:
    gate = Gate()
    gate.sees(0.0, view("x"), view("y"))
    gate.sees(5.0, view("x", "aa", on="a"), view("y"))
    lost = view("x", "aa", on="a", fault="unreachable")
    gate.sees(6.0, lost, view("y"))
    assert gate.state.outdated_since == 5.0
    gate.sees(5.0 + TERMS.hold_s, lost, view("y"))  # it never hears of it: nobody else has it
    assert gate.state.outdated_since is None


def test_a_newer_tip_that_its_node_has_left_outdates_nothing() -> None:
    gate = Gate()
    gate.sees(0.0, view("x"), view("y"))
    gate.sees(5.0, view("x", "aa", on="a"), view("y"))
    gate.sees(6.0, view("x"), view("y"))
    assert gate.state.outdated_since is None


def test_nodes_that_are_lost_outdate_nothing() -> None:
    gate = Gate()
    gate.sees(0.0, view("x"))
    gate.sees(5.0, view("x", fault="unreachable"))
    assert gate.state.outdated_since is None


def test_a_race_outdates_nothing() -> None:
    gate = Gate()
    gate.sees(0.0, view("x", "aa"), view("y", "aa"))
    gate.sees(1.0, view("x", "aa"), view("y", "ab", on="aa"))
    assert gate.state.outdated_since is None


def test_a_node_that_only_takes_blocks_outdates_nothing() -> None:
    gate = Gate()
    gate.sees(0.0, view("x"), view("y", "aaa", gives_templates=False))
    assert gate.state.outdated_since is None


def test_a_trusted_node_that_comes_back_behind_takes_nobody_back_to_an_old_block() -> None:
    gate = Gate()
    gate.sees(0.0, view("x", trusted=True), view("y"))
    gate.sees(20.0, view("x", trusted=True, fault="unreachable"), view("y", "aaaa"))
    assert gate.sees(60.0, view("x", "aa", trusted=True), view("y", "aaaa")) == "y"
    assert gate.mined == "aaaa"
    assert gate.state.trusted_is_lost  # it is told so
    caught_up = view("x", "aaaa", trusted=True), view("y", "aaaaa")
    gate.sees(61.0, *caught_up)
    assert gate.sees(61.0 + TERMS.tip_grace_s, *caught_up) == "x"
    assert not gate.state.trusted_is_lost


def test_a_trusted_node_that_will_not_follow_chooses_again_in_the_end() -> None:
    gate = Gate()
    gate.sees(0.0, view("x", trusted=True), view("y"))
    gate.sees(20.0, view("x", trusted=True, fault="unreachable"), view("y", "aaaa"))
    gate.sees(60.0, view("x", "aa", trusted=True), view("y", "aaaa"))
    late = 60.0 + TERMS.catch_up_s
    assert gate.sees(late, view("x", "aa", trusted=True), view("y", "aaaa")) == "x"


def test_a_trusted_node_that_comes_back_on_another_branch_chooses_at_once() -> None:
    gate = Gate()
    gate.sees(0.0, view("x", trusted=True), view("y"))
    gate.sees(40.0, view("x", trusted=True, fault="unreachable"), view("y", "aaaa"))
    assert gate.sees(80.0, view("x", "ab", trusted=True), view("y", "aaaa")) == "x"


def test_a_missed_probe_of_the_trusted_node_moves_nobody_to_another_branch() -> None:
    gate = Gate()
    gate.sees(0.0, view("x", "aa", trusted=True), view("y", "abbb"))
    missed = view("x", "aa", trusted=True, fault="timeout")
    assert gate.sees(1.0, missed, view("y", "abbb")) is None  # what is mined stays
    assert gate.mined == "aa"
    assert gate.sees(1.5, view("x", "aa", trusted=True), view("y", "abbb")) == "x"
    gate.sees(2.0, missed, view("y", "abbb"))
    assert gate.sees(2.0 + TERMS.hold_s, missed, view("y", "abbb")) == "y"


def test_the_block_of_a_lost_node_is_no_old_work_where_nobody_has_a_better_one() -> None:
    gate = Gate()
    gate.sees(0.0, view("x", "aa"), view("y"))
    gate.sees(1.0, view("x", "aa", fault="unreachable"), view("y"))
    gate.sees(5.0, view("x", "aa", fault="unreachable"), view("y"))
    assert gate.state.outdated_since is None


def test_a_template_with_fees_goes_before_a_newer_stopgap_though_a_question_failed() -> None:
    gate = Gate()
    gate.sees(0.0, view("x"), view("y", full=False))
    assert gate.sees(1.0, view("x", sound=False), view("y", full=False)) == "x"


def test_a_block_that_the_trusted_node_has_not_outdates_nothing() -> None:
    gate = Gate()
    gate.sees(0.0, view("x"), view("y", trusted=True))
    gate.sees(1.0, view("x", "aa"), view("y", trusted=True))
    assert gate.state.outdated_since is None


# --- over random trees -----------------------------------------------------------------------

BLOCKS = st.text("ab", min_size=1, max_size=4)
FAULTS = st.sampled_from([None, None, None, "timeout", "unchecked"])


@st.composite
def a_view(draw: st.DrawFn, name: str, trusted: bool) -> NodeView:
    tip = draw(BLOCKS)
    return view(
        name,
        tip,
        draw(st.one_of(st.just("="), st.just(tip[:-1] or tip), st.none(), BLOCKS)),
        full=draw(st.booleans()),
        sound=draw(st.booleans()),
        trusted=trusted,
        fault=draw(FAULTS),
        peers=draw(st.integers(0, 1)),
        gives_templates=trusted or draw(st.integers(0, 4)) > 0,
    )


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[float, Sequence[NodeView]]]:
    """Views of up to four nodes at growing times; at most one node is trusted."""
    names = "wxyz"[: draw(st.integers(1, 4))]
    trusted = draw(st.sampled_from(["", *names]))
    now, history = 0.0, []
    for _ in range(draw(st.integers(1, 8))):
        now += draw(st.sampled_from([0.01, 0.5, 2.0, 15.0, 40.0]))
        history.append((now, [draw(a_view(name, name == trusted)) for name in names]))
    return history


@given(histories(), st.booleans())
def test_what_may_go_out_keeps_the_rules(
    history: list[tuple[float, Sequence[NodeView]]], peers_matter: bool
) -> None:
    state = GateState()
    for now, views in history:
        before, state = state, judge(state, views, now, peers_matter=peers_matter)
        believed = {each.name: each for each in believable(views, peers_matter=peers_matter)}
        if not state.serves:
            assert state.active == before.active
            assert state.mined == before.mined
            continue
        active = believed[state.active or ""]
        assert active.offer is not None
        assert active.gives_templates
        assert state.mined is not None
        assert state.mined.tip_hex == active.offer.tip_hex
        trusted = [each for each in believed.values() if each.trusted]
        if trusted and state.trusted_behind_since is None:
            assert state.mined.tip_hex == trusted[0].chain.tip_hex
        elif state.trusted_lost_since is None:
            # No node gives templates on a chain with more work.
            assert state.mined.work >= max(
                (
                    each.offer.work
                    for each in believed.values()
                    if each.name in state.offering and each.offer is not None
                ),
                default=0,
            )


@given(histories())
def test_a_switch_has_a_reason(history: list[tuple[float, Sequence[NodeView]]]) -> None:
    """No switch between two nodes that offer the same, but to one that was well for a while."""
    state = GateState()
    for now, views in history:
        before, state = state, judge(state, views, now, peers_matter=False)
        if state.active == before.active or state.reason != "fail_back":
            continue
        assert state.active is not None
        assert now - state.well_since[state.active] >= TERMS.fail_back_after_s
        order = [each.name for each in views]
        assert order.index(state.active) < order.index(before.active or "")


@given(histories())
def test_the_same_views_again_change_nothing(
    history: list[tuple[float, Sequence[NodeView]]],
) -> None:
    state = GateState()
    for now, views in history:
        state = judge(state, views, now, peers_matter=False)
        again = judge(state, views, now, peers_matter=False)
        if state.reason != "first":  # at the start the order counts at once: one step more
            assert again == state
