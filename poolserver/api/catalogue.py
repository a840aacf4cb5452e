"""All endpoints: the one list that routes, OpenAPI and docs are made of."""

from collections.abc import Callable, Container
from dataclasses import dataclass, fields
from types import SimpleNamespace
from typing import Any, Protocol, cast

from poolserver.api.audit import Audited, audit_endpoints
from poolserver.api.endpoint import Endpoint
from poolserver.api.lists import (
    HistoryOf,
    Rigs,
    Store,
    block_endpoints,
    history_endpoints,
    rig_endpoints,
)
from poolserver.api.mappings import Mappings, mapping_endpoints
from poolserver.api.openapi import openapi_endpoint
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
    @property
    def mappings(self) -> Mappings: ...


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
    audited: Audited


def endpoints(parts: Parts) -> list[Endpoint]:
    """The endpoints, group by group."""
    room = parts.room
    found = [
        *overview_endpoints(parts.shown, parts.feed),
        *rig_endpoints(parts.rigs),
        *block_endpoints(parts.store, parts.efforts),
        *history_endpoints(parts.history_of),
        *power_endpoints(room),
        *signal_endpoints(room, room.tree, parts.http_meters, room.unix_time),
        *mapping_endpoints(room.mappings),
        *reload_endpoints(parts.reloads),
        *audit_endpoints(parts.audited),
    ]
    return [*found, openapi_endpoint(found)]


def unconnected() -> list[Endpoint]:
    """The same of no pool, for the documents: what they are can be told, and nothing asked."""
    nobody = cast(Any, SimpleNamespace(tree=PowerTree([]), unix_time=None, mappings=None))
    return endpoints(Parts(**{each.name: nobody for each in fields(Parts)}))
