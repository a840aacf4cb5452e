"""What a tick does that no scenario shows."""

from dataclasses import replace
from fractions import Fraction

import pytest

from poolserver.power.budget import BudgetBook, BudgetSignal
from poolserver.power.control import BatchReport, Controller, ControlState, Decision, SiteState
from poolserver.power.state import MeterState, NodePower, Quality, Readings, RigGroup
from poolserver.power.tree import PowerNode, PowerTree
from poolserver.power.uncertain import Uncertain
from tests.unit.power.control.fleet import rating

S21 = rating("17.5")
TREE = PowerTree([PowerNode("S", "site", limit_w=40_000, pue=Fraction(1))])
NORMAL = ControlState(sites={"S": SiteState.NORMAL})


def readings(
    rigs: int, power_w: float, *, read_w: float | None = None, sigma_w: float = 0.0
) -> Readings:
    book = BudgetBook(TREE)
    mining = Uncertain(power_w if read_w is None else read_w, sigma_w**2)
    nodes = {"S": NodePower("S", mining_w=mining, total_w=mining)}
    group = RigGroup("S", S21, rigs, 0, power_w)
    return Readings(nodes, book.limits(0.0), groups=(group,))


def step(
    state: ControlState, seen: Readings, now_s: float, *reports: BatchReport
) -> tuple[ControlState, Decision]:
    return Controller(TREE).step(state, seen, now_s, reports)


def test_it_changes_nothing_that_it_was_given() -> None:
    seen = readings(20, 70_000.0)
    before, copy = NORMAL, replace(NORMAL)
    first = step(before, seen, 0.0)
    assert before == copy
    assert step(before, seen, 0.0) == first


def test_a_rig_is_taken_to_draw_what_it_did_while_its_silence_is_waited_for() -> None:
    state, first = step(NORMAL, readings(20, 70_000.0), 0.0)
    assert [command.rigs for command in first.commands] == [9]
    # Half of the watts are gone, and all rigs are still counted as hashing; the limit is met.
    state, second = step(state, readings(20, 38_500.0), 30.0)
    assert second.commands == ()
    # Load of another kind: 7 kW are two rigs of 3.5 kW, not four of 1.9 kW.
    state, third = step(state, readings(20, 38_500.0, read_w=45_500.0), 80.0)
    assert [command.rigs for command in third.commands if command.action == "off"] == [2]


def test_what_is_over_is_told_in_the_same_tick_whatever_is_done_about_it() -> None:
    _, decision = step(ControlState(), readings(12, 42_000.0, sigma_w=8_000.0), 0.0)
    (overload,) = decision.overloads
    assert (overload.node, overload.excess_w) == ("S", 2000.0)
    assert overload.chance == pytest.approx(0.599, abs=1e-3)
    assert decision.intentions == ()


def test_noise_does_not_make_it_talk() -> None:
    state, told = ControlState(), []
    for tick, power_w in enumerate([60_000.0, 62_000.0, 57_000.0, 63_000.0, 58_000.0] * 10):
        seen = readings(18, power_w, sigma_w=2500.0)
        state, decision = step(state, seen, 5.0 * tick)
        told += decision.told
    assert len(told) == 1


def test_a_late_tick_and_a_lost_one_do_no_harm() -> None:
    state, _ = step(NORMAL, readings(20, 70_000.0), 0.0)
    reports = [BatchReport(batch.number, batch.rigs, batch.rigs) for batch in state.batches]
    state, decision = step(state, readings(11, 38_500.0), 3600.0, *reports)
    assert decision.commands == ()
    assert state.site("S") is SiteState.HOLD


def test_rigs_at_a_node_that_is_not_there_are_left_alone() -> None:
    stray = RigGroup("gone/r1", S21, 10, 0, 35_000.0)
    seen = replace(readings(20, 70_000.0), groups=(stray,))
    _, decision = step(ControlState(), seen, 0.0)
    assert decision.intended == ()
    assert decision.intentions[0].short_w > 0


def test_a_limit_that_comes_and_goes_is_met_at_once() -> None:
    book = BudgetBook(TREE)
    book.take(BudgetSignal("S", 20_000, "grid", 0.0, 60.0), 0.0)
    seen = readings(10, 35_000.0)
    _, during = step(NORMAL, replace(seen, limits=book.limits(59.0)), 59.0)
    _, later = step(NORMAL, replace(seen, limits=book.limits(60.0)), 60.0)
    assert [command.rigs for command in during.commands] == [5]
    assert later.commands == ()


def test_nothing_rises_while_a_meters_newest_reading_is_not_believed() -> None:
    """By shares alone a node that has other load draws less: that is no room."""
    state, _ = step(NORMAL, readings(20, 70_000.0), 0.0)
    reports = [BatchReport(batch.number, batch.rigs, batch.rigs) for batch in state.batches]
    state, _ = step(state, readings(11, 38_500.0), 60.0, *reports)

    def seen(quality: Quality) -> Readings:
        less = readings(11, 20_000.0)
        meter = MeterState("main", quality, power_w=38_500.0, at_s=990.0)
        return replace(less, nodes={"S": replace(less.nodes["S"], meter=meter)})

    _, decision = step(state, seen(Quality.NOT_A_NUMBER), 1000.0, *reports)
    assert decision.commands == ()
    _, decision = step(state, seen(Quality.GOOD), 1000.0, *reports)
    assert [command.action for command in decision.commands] == ["on"]


def test_a_meter_whose_reading_is_from_the_future_is_not_relied_on() -> None:
    """Our clock was set back."""
    seen = readings(10, 35_000.0)
    meter = MeterState("main", Quality.STALE, power_w=35_000.0, at_s=4600.0)
    seen = replace(seen, nodes={"S": replace(seen.nodes["S"], meter=meter)})
    state, decision = step(ControlState(), seen, 1000.0)
    assert decision.blind == ("S",)
    assert state.blind_since == {"S": 1000.0}
    state, _ = step(state, seen, 1005.0)
    assert state.blind_since == {"S": 1000.0}
