"""``GET /api/v1/power``: what each node of the tree draws and may draw."""

from collections.abc import Callable

import msgspec
from aiohttp import web

from poolserver.control_room.view import PowerView


def power_routes(view: Callable[[], PowerView]) -> list[web.RouteDef]:
    """The routes; ``view`` is asked at each call. They ask for no password and change nothing."""

    async def power(request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(view()), content_type="application/json")

    return [web.get("/api/v1/power", power)]
