"""What operators are shown of one node: its estimates over all windows, and its rigs."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from poolserver.control_room.desk import PowerDesk
from poolserver.control_room.view import Figure, NodeView
from poolserver.power.budget import LimitChange
from poolserver.power.estimate import Estimate, share_of_rig_h_s, worker_estimate
from poolserver.power.rig_book import KnownRig
from poolserver.power.tree import PowerNode
from poolserver.power.uncertain import Uncertain
from poolserver.power.windows import WINDOWS_S
from poolserver.stats.meter import Reading

# Of a rig: the windows that its meter has (stats.meter) of those that nodes have, by their index.
RIG_WINDOWS_S = (60.0, 300.0, 900.0, 3600.0)


class WindowView(msgspec.Struct, frozen=True):
    """What is known over a window. ``low`` and ``high`` are of the 95% interval."""

    window_s: float
    hashrate_h_s: Figure
    hashrate_low_h_s: float
    hashrate_high_h_s: float
    power_w: Figure
    """Of mining, by proven work and ratings; at a site and above with PUE."""
    power_low_w: float
    power_high_w: float
    shares: float
    """As many of one difficulty would tell as much."""
    accepted_h_s: float | None = None
    """Credit. Of a rig it stands in the ledger."""


class RigView(msgspec.Struct, frozen=True):
    """A rig at a node, at its own plug."""

    worker: str
    address: str
    hardware: str
    model: str
    j_per_th: float
    rated_by: str
    basis: str
    """Where the figure is from."""
    state: str
    chance: float
    """That a rig which hashes on as before is silent for as long as this one is now."""
    windows: tuple[WindowView, ...]


class LimitAhead(msgspec.Struct, frozen=True):
    """When a node's limit changes next, if nobody says anything, and to what."""

    at: float
    limit_w: int | None
    source: str


class NodeDetail(msgspec.Struct, frozen=True):
    """A node. ``rigs`` are those right at it, ``more`` how many are left out."""

    node: NodeView
    windows: tuple[WindowView, ...]
    next_limit: LimitAhead | None
    rigs: tuple[RigView, ...]
    more: int


class Watched(NamedTuple):
    """A rig and what the watch for silent ones says of it."""

    rig: KnownRig
    state: str
    chance: float


def node_windows(desk: PowerDesk, path: str) -> tuple[WindowView, ...]:
    """In the desk's thread."""
    read = desk.estimator.read
    return tuple(
        _window(window_s, estimate, estimate.accepted_h_s)
        for window_s in WINDOWS_S
        for estimate in (read(path, window_s, desk.now_s),)
    )


def watched(desk: PowerDesk, rigs: list[KnownRig]) -> list[Watched]:
    """In the desk's thread."""
    silence = desk.silence
    return [
        Watched(rig, silence.state_of(rig.worker).value, silence.chance(rig.worker, desk.now_s))
        for rig in rigs
    ]


def rig_views(
    rigs: Sequence[Watched], readings: Sequence[Reading], site: PowerNode | None
) -> tuple[RigView, ...]:
    """Of a site's rigs, with what their meters show. Exact intervals take up to half a
    millisecond a rig: not for the event loop."""
    if site is None:
        return ()
    return tuple(_rig_view(rig, reading, site) for rig, reading in zip(rigs, readings, strict=True))


def _rig_view(seen: Watched, reading: Reading, site: PowerNode) -> RigView:
    """``work_scale`` is in the hashrates of ``reading``."""
    rig, rated = seen.rig, seen.rig.rated
    assert rated is not None, "a rig with a place has a rating"
    share_work = rig.share_work * site.work_scale
    estimates = (
        (
            window_s,
            worker_estimate(
                hashrate,
                sigma,
                share_of_rig_h_s(share_work, window_s, reading.age_s),
                rated.rating,
                site.path,
            ),
        )
        for window_s, hashrate, sigma in zip(
            RIG_WINDOWS_S, reading.hashrates, reading.relative_sigmas, strict=False
        )
    )
    return RigView(
        rig.worker,
        rig.identity.address,
        rig.identity.hardware or rig.identity.user_agent,
        rated.rating.model,
        float(rated.rating.j_per_th),
        rated.rating.source.label,
        rated.basis,
        seen.state,
        seen.chance,
        tuple(_window(window_s, estimate, None) for window_s, estimate in estimates),
    )


def limit_ahead(change: LimitChange | None) -> LimitAhead | None:
    """For people and programs."""
    if change is None:
        return None
    binding = change.limit.binding
    source = "" if binding is None else binding.source
    return LimitAhead(change.at_s, change.limit.limit_w, source)


def _window(window_s: float, estimate: Estimate, accepted_h_s: float | None) -> WindowView:
    hashrate, power = estimate.hashrate_interval, estimate.interval
    return WindowView(
        window_s,
        _figure(estimate.hashrate_h_s),
        hashrate.low,
        hashrate.high,
        _figure(estimate.power_w),
        power.low,
        power.high,
        estimate.effective_shares,
        accepted_h_s,
    )


def _figure(quantity: Uncertain) -> Figure:
    return Figure(quantity.value, quantity.sigma)
