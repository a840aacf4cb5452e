"""``/power`` and ``/power/node``: what nodes draw and may draw, and their rigs."""

from collections.abc import Sequence
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from poolserver.api.endpoint import Call, Endpoint
from poolserver.api.problem import ApiError
from poolserver.control_room.detail import NodeDetail
from poolserver.control_room.view import PowerView
from poolserver.power.tree import PROGRAMME

# Of rigs in an answer: looking at so many takes a part of a second of the power thread.
MOST_RIGS = 500
# The thread ticks too.
MOST_AT_ONCE = 4


class Room(Protocol):
    """Who is asked; see ``control_room.room.ControlRoom``."""

    @property
    def view(self) -> PowerView | None: ...

    async def detail(self, path: str, most_rigs: int) -> NodeDetail | None: ...


class NodeQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of ``/power/node``."""

    path: Annotated[str, Meta(description="Of the node, as `Sahiwal/T2`; `/` is all sites.")] = (
        PROGRAMME
    )


def power_endpoints(room: Room) -> Sequence[Endpoint]:
    """The endpoints. They change nothing."""

    async def power(call: Call) -> PowerView:
        if (seen := room.view) is None:
            raise ApiError("not_yet", "nothing is known of power before the first tick")
        return seen

    async def power_node(call: Call) -> NodeDetail:
        await power(call)
        detail = await room.detail(call.query.path, MOST_RIGS)
        if detail is None:
            raise ApiError("not_found", f"there is no node {call.query.path[:200]}")
        return detail

    return [
        Endpoint(
            "GET",
            "/power",
            "The whole power tree",
            power,
            answer=PowerView,
            problems=("not_yet",),
            description="As of the last tick. Nodes come after those that they are below.",
            is_shared=True,
        ),
        Endpoint(
            "GET",
            "/power/node",
            "A power node and the rigs right at it",
            power_node,
            query=NodeQuery,
            answer=NodeDetail,
            problems=("not_yet", "not_found"),
            description=f"Of more than {MOST_RIGS} rigs the silent ones come first.",
            most_at_once=MOST_AT_ONCE,
        ),
    ]
