"""The states of sites from tick to tick, and orders to them."""

import pytest

from poolserver.power.control.decision import Batch, ControlState
from poolserver.power.control.sites import (
    Findings,
    OrderError,
    next_site_state,
    order,
    protect,
    unprotect,
)
from poolserver.power.control.states import DeviceState, SiteEvent, SiteState
from tests.unit.power.control.fleet import rating

S21 = rating("17.5")


def batches(*states: DeviceState) -> list[Batch]:
    return [Batch(n, "S/r", S21, 1, 1.0, state, 0.0, 0.0) for n, state in enumerate(states)]


OFF, VERIFYING, RISING = DeviceState.OFF, DeviceState.VERIFYING, DeviceState.PENDING_ON


@pytest.mark.parametrize(
    ("before", "findings", "states", "expected"),
    [
        ("normal", Findings(), (), "normal"),
        ("normal", Findings(over=True), (VERIFYING,), "curtailing"),
        ("curtailing", Findings(), (VERIFYING,), "curtailing"),
        ("curtailing", Findings(), (OFF,), "hold"),
        ("curtailing", Findings(), (DeviceState.FAILED,), "normal"),
        ("hold", Findings(), (OFF,), "hold"),
        ("hold", Findings(rising=True), (OFF, RISING), "restoring"),
        ("hold", Findings(), (), "normal"),
        ("restoring", Findings(), (OFF, RISING), "restoring"),
        ("restoring", Findings(), (OFF,), "hold"),
        ("restoring", Findings(over=True), (OFF, RISING, VERIFYING), "curtailing"),
        ("restoring", Findings(), (DeviceState.ON,), "normal"),
        ("restoring", Findings(blind=True), (OFF, RISING), "failsafe"),
        ("failsafe", Findings(blind=True), (OFF,), "failsafe"),
        ("failsafe", Findings(), (OFF,), "hold"),
        ("failsafe", Findings(), (), "normal"),
        ("observe", Findings(over=True, blind=True), (), "observe"),
        ("manual", Findings(over=True, blind=True), (OFF,), "manual"),
    ],
)
def test_a_tick_leads_on(
    before: str, findings: Findings, states: tuple[DeviceState, ...], expected: str
) -> None:
    found = next_site_state(SiteState(before), findings, batches(*states))
    assert found is SiteState(expected)


def test_a_person_arms_takes_over_and_gives_back() -> None:
    state = ControlState()
    for event, expected in (
        (SiteEvent.ARM, SiteState.HOLD),
        (SiteEvent.TAKE, SiteState.MANUAL),
        (SiteEvent.RELEASE, SiteState.HOLD),
        (SiteEvent.DISARM, SiteState.OBSERVE),
    ):
        state = order(state, "S", event)
        assert state.site("S") is expected


@pytest.mark.parametrize("event", [SiteEvent.RELEASE, SiteEvent.DISARM, SiteEvent.OVER])
def test_an_order_that_means_nothing_is_refused(event: SiteEvent) -> None:
    with pytest.raises(OrderError, match="S is in observe"):
        order(ControlState(), "S", event)


def test_rigs_are_protected_until_they_are_not() -> None:
    state = protect(ControlState(next_batch=7), "S/r", S21, 5, 3500.0, 1.0)
    assert [(each.number, each.state) for each in state.batches] == [(7, DeviceState.PROTECTED)]
    assert state.next_batch == 8
    assert unprotect(state, 7).batches == ()
    with pytest.raises(OrderError, match="6 is no protected batch"):
        unprotect(state, 6)
