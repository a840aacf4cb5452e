"""The states of sites from tick to tick, and people's orders to them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from poolserver.power.control.decision import Batch, ControlState
from poolserver.power.control.states import (
    IS_DRY,
    DeviceState,
    SiteEvent,
    SiteState,
    after,
    moved,
)
from poolserver.power.control.states import DeviceEvent as Device
from poolserver.power.rating import Rating

_NOT_RUNNING = frozenset(
    {DeviceState.PENDING_OFF, DeviceState.VERIFYING, DeviceState.OFF, DeviceState.PENDING_ON}
)
_UNDER_WAY = frozenset({DeviceState.PENDING_OFF, DeviceState.VERIFYING})


class OrderError(ValueError):
    """An order that means nothing in the state that the site is in."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a tick has found of a site."""

    blind: bool = False
    over: bool = False
    rising: bool = False
    """Rigs were told to start in this tick."""


def next_site_state(state: SiteState, findings: Findings, batches: Iterable[Batch]) -> SiteState:
    """The state after a tick, by the batches at the site as they are at its end."""
    if state in IS_DRY:
        return state
    states = {batch.state for batch in batches}
    state = after(state, SiteEvent.BLIND if findings.blind else SiteEvent.SIGHTED)
    if findings.over:
        return after(state, SiteEvent.OVER)
    if not states & _UNDER_WAY:
        state = after(state, SiteEvent.WITHIN)
    if not states & _NOT_RUNNING:
        return after(state, SiteEvent.ALL_ON)
    if findings.rising:
        return after(state, SiteEvent.ROOM)
    if DeviceState.PENDING_ON not in states:
        return after(state, SiteEvent.FULL)
    return state


def order(state: ControlState, site: str, event: SiteEvent) -> ControlState:
    """A person's order: ARM, DISARM, TAKE or RELEASE.

    Raises:
        OrderError: it means nothing in the site's state.
    """
    before = state.site(site)
    next_state = after(before, event)
    if event not in _ORDERS or next_state is before:
        raise OrderError(f"{site} is in {before}: {event} means nothing there")
    return replace(state, sites={**state.sites, site: next_state})


_ORDERS = frozenset({SiteEvent.ARM, SiteEvent.DISARM, SiteEvent.TAKE, SiteEvent.RELEASE})


def protect(
    state: ControlState, node: str, rating: Rating, rigs: int, rig_w: float, now_s: float
) -> ControlState:
    """So many running rigs of a node are not to be touched; they are batch ``next_batch``."""
    batch = Batch(
        state.next_batch,
        node,
        rating,
        rigs,
        rig_w,
        moved(DeviceState.ON, Device.PROTECT),
        now_s,
        now_s,
    )
    return replace(state, batches=(*state.batches, batch), next_batch=state.next_batch + 1)


def unprotect(state: ControlState, number: int) -> ControlState:
    """A protected batch may be touched again.

    Raises:
        OrderError: there is none of this number.
    """
    kept = tuple(
        batch
        for batch in state.batches
        if batch.number != number or batch.state is not DeviceState.PROTECTED
    )
    if len(kept) == len(state.batches):
        raise OrderError(f"{number} is no protected batch")
    return replace(state, batches=kept)
