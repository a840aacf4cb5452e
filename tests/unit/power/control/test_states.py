"""The tables of states: what is not in them is not done."""

import pytest

from poolserver.power.control.states import (
    DEVICE_TRANSITIONS,
    SITE_TRANSITIONS,
    DeviceEvent,
    DeviceState,
    SiteEvent,
    SiteState,
    after,
    moved,
)


def test_only_an_order_of_a_person_ends_observing_and_manual() -> None:
    for dry in (SiteState.OBSERVE, SiteState.MANUAL):
        events = {event for state, event in SITE_TRANSITIONS if state is dry}
        assert events <= {SiteEvent.ARM, SiteEvent.DISARM, SiteEvent.TAKE, SiteEvent.RELEASE}


def test_failsafe_and_manual_are_entered_from_every_active_state() -> None:
    for state in set(SiteState) - {SiteState.OBSERVE, SiteState.MANUAL, SiteState.FAILSAFE}:
        assert after(state, SiteEvent.BLIND) is SiteState.FAILSAFE
        assert after(state, SiteEvent.TAKE) is SiteState.MANUAL
        assert after(state, SiteEvent.DISARM) is SiteState.OBSERVE


def test_nothing_rises_out_of_failsafe_but_by_hold() -> None:
    assert after(SiteState.FAILSAFE, SiteEvent.SIGHTED) is SiteState.HOLD
    assert after(SiteState.FAILSAFE, SiteEvent.ROOM) is SiteState.FAILSAFE


def test_every_state_can_be_reached_and_left() -> None:
    assert {state for state, _ in SITE_TRANSITIONS} == set(SiteState)
    assert set(SITE_TRANSITIONS.values()) == set(SiteState)
    assert {state for state, _ in DEVICE_TRANSITIONS} == set(DeviceState)
    assert set(DEVICE_TRANSITIONS.values()) == set(DeviceState)


def test_an_acknowledgement_is_never_enough_to_be_off() -> None:
    off = {event for (_, event), state in DEVICE_TRANSITIONS.items() if state is DeviceState.OFF}
    assert off == {DeviceEvent.SILENT}


def test_an_event_that_cannot_come_is_our_bug() -> None:
    with pytest.raises(KeyError):
        moved(DeviceState.OFF, DeviceEvent.SHED)
