"""``/stream``: what is shown, as server-sent events (WHATWG HTML, 9.2) for as long as one reads."""

import asyncio

from aiohttp import web

from poolserver.api.access import Access
from poolserver.api.endpoint import API
from poolserver.api.problem import ApiError
from poolserver.lookout.broadcast import Broadcast, Reader

WRITE_WITHIN_S = 30.0
"""A telephone in a lift reads on after that by connecting anew."""

_HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx keeps an answer until it ends, unless it is told
}


def stream_routes(access: Access, broadcast: Broadcast) -> list[web.RouteDef]:
    """The route. It is no Endpoint: its answer has no end."""

    async def stream(request: web.Request) -> web.StreamResponse:
        try:
            access.admit(request, "read")
            reader = broadcast.join(_last_event_id(request))
            if reader is None:
                raise ApiError("too_many", "so many read the stream already, or the pool ends")
        except ApiError as error:
            return error.response()
        try:
            return await _written(request, reader)
        finally:
            broadcast.leave(reader)

    return [web.get(f"{API}/stream", stream, allow_head=False)]


async def _written(request: web.Request, reader: Reader) -> web.StreamResponse:
    response = web.StreamResponse(headers=_HEADERS)
    await response.prepare(request)
    async for chunk in reader.chunks():
        try:
            async with asyncio.timeout(WRITE_WITHIN_S):
                await response.write(chunk)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()  # what it has not taken it never will
            break
    return response


def _last_event_id(request: web.Request) -> int | None:
    """From the header that browsers send when they come back, or the query at the first time.

    Raises:
        ApiError: it is no number.
    """
    given = request.headers.get("Last-Event-ID") or request.query.get("after")
    if given is None:
        return None
    try:
        return int(given[:20])
    except ValueError:
        raise ApiError("bad_request", "Last-Event-ID: take the id of an event, as it is") from None
