"""All endpoints: the one list that routes, OpenAPI and docs are made of."""

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Protocol

from poolserver.api.endpoint import Endpoint
from poolserver.api.lists import (
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
from poolserver.lookout.history import Span
from poolserver.lookout.view import History
from poolserver.power.signal import SignalSink
from poolserver.power.tree import PowerTree


class PowerRoom(Room, SignalSink, Protocol):
    """Who is asked of power, and told; see ``control_room.room.ControlRoom``."""

    @property
    def tree(self) -> PowerTree: ...
    @property
    def unix_time(self) -> Callable[[], float]: ...


class Watch(Protocol):
    """Who is asked what is shown; see ``lookout_outfit.Lookout``."""

    @property
    def overview(self) -> Shown: ...
    @property
    def feed(self) -> EventFeed: ...
    @property
    def rigs(self) -> Rigs: ...
    @property
    def store(self) -> Store: ...
    @property
    def efforts(self) -> Efforts: ...
    def history(self, site: str, span: Span) -> History | None: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of the running pool that are asked and told."""

    watch: Watch
    room: PowerRoom
    http_meters: Container[str]
    reloads: Reloads


def endpoints(parts: Parts) -> list[Endpoint]:
    """The endpoints, group by group."""
    watch, room = parts.watch, parts.room
    return [
        *overview_endpoints(watch.overview, watch.feed),
        *rig_endpoints(watch.rigs),
        *block_endpoints(watch.store, watch.efforts),
        *history_endpoints(watch.history),
        *power_endpoints(room),
        *signal_endpoints(room, room.tree, parts.http_meters, room.unix_time),
        *reload_endpoints(parts.reloads),
    ]
