"""All endpoints: the one list that routes, OpenAPI and docs are made of."""

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Protocol

from poolserver.api.endpoint import Endpoint
from poolserver.api.lists import (
    HistoryOf,
    Rigs,
    Store,
    block_endpoints,
    history_endpoints,
    rig_endpoints,
)
from poolserver.api.overview import Shown, overview_endpoints
from poolserver.api.power import Room, power_endpoints
from poolserver.api.reload import Reloads, reload_endpoints
from poolserver.api.signals import signal_endpoints
from poolserver.log import EventFeed
from poolserver.lookout.blocks import Efforts
from poolserver.power.signal import SignalSink
from poolserver.power.tree import PowerTree


class PowerRoom(Room, SignalSink, Protocol):
    """Who is asked of power, and told; see ``control_room.room.ControlRoom``."""

    @property
    def tree(self) -> PowerTree: ...
    @property
    def unix_time(self) -> Callable[[], float]: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of the running pool that are asked and told."""

    shown: Shown
    feed: EventFeed
    rigs: Rigs
    store: Store
    efforts: Efforts
    history_of: HistoryOf
    room: PowerRoom
    http_meters: Container[str]
    reloads: Reloads


def endpoints(parts: Parts) -> list[Endpoint]:
    """The endpoints, group by group."""
    room = parts.room
    return [
        *overview_endpoints(parts.shown, parts.feed),
        *rig_endpoints(parts.rigs),
        *block_endpoints(parts.store, parts.efforts),
        *history_endpoints(parts.history_of),
        *power_endpoints(room),
        *signal_endpoints(room, room.tree, parts.http_meters, room.unix_time),
        *reload_endpoints(parts.reloads),
    ]
