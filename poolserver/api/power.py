"""``GET /api/v1/power`` and ``/power/node``: what nodes draw and may draw, and their rigs."""

from typing import Protocol

import msgspec
from aiohttp import web

from poolserver.control_room.detail import NodeDetail
from poolserver.control_room.view import PowerView

# Of rigs in an answer: looking at so many takes a part of a second of the power thread.
MOST_RIGS = 500


class Room(Protocol):
    """Who is asked; see ``control_room.room.ControlRoom``."""

    @property
    def view(self) -> PowerView | None: ...

    async def detail(self, path: str, most_rigs: int) -> NodeDetail | None: ...


def power_routes(room: Room) -> list[web.RouteDef]:
    """The routes. They ask for no password and change nothing."""

    async def power(request: web.Request) -> web.Response:
        if (seen := room.view) is None:
            return web.Response(status=503, text="nothing is known of power yet\n")
        return _json(seen)

    async def node(request: web.Request) -> web.Response:
        path = request.query.get("path", "/")
        detail = await room.detail(path, MOST_RIGS)
        if detail is None:
            return web.Response(status=404, text=f"there is no node {path}\n")
        return _json(detail)

    return [web.get("/api/v1/power", power), web.get("/api/v1/power/node", node)]


def _json(what: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(what), content_type="application/json")
