"""The states of a site and of rigs under command; what is not in a table is not done."""

from enum import StrEnum


class SiteState(StrEnum):
    """What the controller does at a site."""

    OBSERVE = "observe"
    """It tells what it would do, and does nothing. The default."""
    NORMAL = "normal"
    """All rigs may run."""
    CURTAILING = "curtailing"
    """Rigs are being switched off."""
    HOLD = "hold"
    """Some are off, and there is no room for them yet."""
    RESTORING = "restoring"
    """They are being switched on again, a few at a time."""
    FAILSAFE = "failsafe"
    """A meter or a budget's source is not heard: nothing rises, its failsafe limit holds."""
    MANUAL = "manual"
    """A person has taken over: it tells, and does nothing."""


class SiteEvent(StrEnum):
    """What makes a site change its state: people's orders, then what a tick finds."""

    ARM = "arm"
    DISARM = "disarm"
    TAKE = "take"
    RELEASE = "release"
    BLIND = "blind"
    """A failsafe limit holds."""
    SIGHTED = "sighted"
    OVER = "over"
    """More is drawn than may be."""
    WITHIN = "within"
    """No more than may be, and no command is under way."""
    ROOM = "room"
    """Rigs that are off have room again."""
    FULL = "full"
    """They have none any more."""
    ALL_ON = "all_on"


_ACTIVE = (
    SiteState.NORMAL,
    SiteState.CURTAILING,
    SiteState.HOLD,
    SiteState.RESTORING,
    SiteState.FAILSAFE,
)
IS_DRY = frozenset({SiteState.OBSERVE, SiteState.MANUAL})
"""Where commands are told of and not given."""

SITE_TRANSITIONS: dict[tuple[SiteState, SiteEvent], SiteState] = {
    # What was off stays off: HOLD, from which a tick finds NORMAL where all are on.
    (SiteState.OBSERVE, SiteEvent.ARM): SiteState.HOLD,
    (SiteState.MANUAL, SiteEvent.RELEASE): SiteState.HOLD,
    **{(state, SiteEvent.TAKE): SiteState.MANUAL for state in (SiteState.OBSERVE, *_ACTIVE)},
    **{(state, SiteEvent.DISARM): SiteState.OBSERVE for state in (*_ACTIVE, SiteState.MANUAL)},
    **{(state, SiteEvent.BLIND): SiteState.FAILSAFE for state in _ACTIVE[:-1]},
    (SiteState.FAILSAFE, SiteEvent.SIGHTED): SiteState.HOLD,
    (SiteState.NORMAL, SiteEvent.OVER): SiteState.CURTAILING,
    (SiteState.HOLD, SiteEvent.OVER): SiteState.CURTAILING,
    (SiteState.RESTORING, SiteEvent.OVER): SiteState.CURTAILING,
    (SiteState.CURTAILING, SiteEvent.WITHIN): SiteState.HOLD,
    (SiteState.HOLD, SiteEvent.ROOM): SiteState.RESTORING,
    (SiteState.HOLD, SiteEvent.ALL_ON): SiteState.NORMAL,
    (SiteState.RESTORING, SiteEvent.FULL): SiteState.HOLD,
    (SiteState.RESTORING, SiteEvent.ALL_ON): SiteState.NORMAL,
}


def after(state: SiteState, event: SiteEvent) -> SiteState:
    """The next state; the same one where the event means nothing in it."""
    return SITE_TRANSITIONS.get((state, event), state)


class DeviceState(StrEnum):
    """What the rigs of a batch are in. Rigs in no batch run, and may be switched off."""

    ON = "on"
    """Back for less than the shortest time that a rig is left on."""
    PENDING_OFF = "pending_off"
    """Told to stop, and not all have said that they will."""
    VERIFYING = "verifying"
    """All have said so, which proves nothing: their shares have to stop."""
    OFF = "off"
    """Silent."""
    PENDING_ON = "pending_on"
    """Told to start, and not all hash yet. They count as drawing what a cold start takes."""
    FAILED = "failed"
    """Did not do what they were told, several times. They count as drawing."""
    PROTECTED = "protected"
    """Not to be touched."""


class DeviceEvent(StrEnum):
    """What makes a batch change its state."""

    SHED = "shed"
    RESTORE = "restore"
    ACKNOWLEDGED = "acknowledged"
    SILENT = "silent"
    UNHEARD = "unheard"
    """In time they did not do it: they are told again."""
    GIVEN_UP = "given_up"
    HASHING = "hashing"
    RELEASED = "released"
    """Back among all others."""
    PROTECT = "protect"


DEVICE_TRANSITIONS: dict[tuple[DeviceState, DeviceEvent], DeviceState] = {
    (DeviceState.ON, DeviceEvent.SHED): DeviceState.PENDING_OFF,
    (DeviceState.ON, DeviceEvent.PROTECT): DeviceState.PROTECTED,
    (DeviceState.PENDING_OFF, DeviceEvent.ACKNOWLEDGED): DeviceState.VERIFYING,
    (DeviceState.PENDING_OFF, DeviceEvent.SILENT): DeviceState.OFF,
    (DeviceState.PENDING_OFF, DeviceEvent.UNHEARD): DeviceState.PENDING_OFF,
    (DeviceState.PENDING_OFF, DeviceEvent.GIVEN_UP): DeviceState.FAILED,
    (DeviceState.VERIFYING, DeviceEvent.SILENT): DeviceState.OFF,
    (DeviceState.VERIFYING, DeviceEvent.UNHEARD): DeviceState.PENDING_OFF,
    (DeviceState.VERIFYING, DeviceEvent.GIVEN_UP): DeviceState.FAILED,
    (DeviceState.OFF, DeviceEvent.RESTORE): DeviceState.PENDING_ON,
    # A rig that reboots goes on mining by itself.
    (DeviceState.OFF, DeviceEvent.HASHING): DeviceState.ON,
    (DeviceState.PENDING_ON, DeviceEvent.HASHING): DeviceState.ON,
    (DeviceState.PENDING_ON, DeviceEvent.GIVEN_UP): DeviceState.FAILED,
    (DeviceState.FAILED, DeviceEvent.RELEASED): DeviceState.ON,
    (DeviceState.PROTECTED, DeviceEvent.RELEASED): DeviceState.ON,
}


def moved(state: DeviceState, event: DeviceEvent) -> DeviceState:
    """The next state.

    Raises:
        KeyError: our bug, an event that cannot come in this state.
    """
    return DEVICE_TRANSITIONS[state, event]
