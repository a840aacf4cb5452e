"""``GET /api/v1/power``: what each node of the tree draws and may draw."""

from collections.abc import Callable

import msgspec
from aiohttp import web

from poolserver.control_room.view import PowerView


def power_routes(view: Callable[[], PowerView | None]) -> list[web.RouteDef]:
    """The routes; ``view`` is asked at each call. They ask for no password and change nothing."""

    async def power(request: web.Request) -> web.Response:
        seen = view()
        if seen is None:
            return web.Response(status=503, text="nothing is known of power yet\n")
        return web.Response(body=msgspec.json.encode(seen), content_type="application/json")

    return [web.get("/api/v1/power", power)]
