"""Endpoints as routes of the HTTP server: what is alike for all calls stands here, once.

A call is admitted, its parameters and body are read, its handler is asked, what it gives becomes
JSON with an ETag (RFC 9110), and each error a problem. Who changed something is written down.
"""

import asyncio
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

import msgspec
import structlog
from aiohttp import web

from poolserver.api.access import Access
from poolserver.api.endpoint import API, Call, Endpoint
from poolserver.api.problem import ApiError
from poolserver.log import RateLimited
from poolserver.power.tree import PROGRAMME

# A body of some kilobytes that takes longer is none.
BODY_WITHIN_S = 10.0
MOST_BYTES = 256 << 10
"""Of a body: a thousand mappings with long names."""

Note = Callable[[Endpoint, Call, str], None]
"""Writes down a write and its outcome, ``done`` or a problem's code, before it is answered."""

log = structlog.get_logger(__name__)


class Router:
    """Makes routes of endpoints. ``note`` raises ApiError where it cannot write."""

    def __init__(self, access: Access, note: Note) -> None:
        self._access = access
        self._note = note
        self._trouble = RateLimited(log)

    def routes(self, endpoints: Iterable[Endpoint]) -> list[web.RouteDef]:
        """The routes of the endpoints."""
        return [
            web.route(each.method, f"{API}{each.path}", self._answering(each)) for each in endpoints
        ]

    def _answering(self, endpoint: Endpoint) -> Callable[[web.Request], Any]:
        async def answer(request: web.Request) -> web.Response:
            try:
                return await self._answer(endpoint, request)
            except ApiError as error:
                now = asyncio.get_running_loop().time()
                where = {"path": request.path[:200], "remote": request.remote}
                self._trouble.failed(
                    "api_refused", f"{error.status}", now, why=error.detail, **where
                )
                return error.response()

        return answer

    async def _answer(self, endpoint: Endpoint, request: web.Request) -> web.Response:
        token = self._access.admit(request, endpoint.scope)
        call = Call(
            path=dict(request.match_info),
            query=_query(endpoint, request),
            body=await _body(request) if endpoint.is_write else b"",
            token=token,
            remote=request.remote or "",
        )
        if token is not None and endpoint.node_of is not None:
            _check_node(call, endpoint.node_of(call))
        try:
            given = await endpoint.handler(call)
        except ApiError as error:
            if endpoint.is_write:
                self._note(endpoint, call, error.code)
            raise
        if endpoint.is_write:
            self._note(endpoint, call, "done")
        return _response(endpoint, request, given)


def _check_node(call: Call, node: str) -> None:
    assert call.token is not None
    if not call.token.may_speak_for(node or PROGRAMME):
        raise ApiError("not_for_this", f"the token {call.token.name} does not speak for this node")


def _query(endpoint: Endpoint, request: web.Request) -> msgspec.Struct:
    given = dict(request.query)
    if len(given) != len(request.query):
        raise ApiError("bad_request", "a parameter is given twice")
    try:
        return msgspec.convert(given, endpoint.query, strict=False)
    except msgspec.ValidationError as error:
        raise ApiError("bad_request", str(error)) from None


async def _body(request: web.Request) -> bytes:
    """All of it, if it is short.

    Raises:
        ApiError: it is not, or does not come.
    """
    body = b""
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for chunk in request.content.iter_chunked(MOST_BYTES):
                body += chunk
                if len(body) > MOST_BYTES:
                    raise ApiError("too_long", f"at most {MOST_BYTES} bytes are taken")
    except TimeoutError:
        raise ApiError("too_slow", f"it must be here within {BODY_WITHIN_S:.0f} s") from None
    return body


def _response(endpoint: Endpoint, request: web.Request, given: object) -> web.Response:
    if given is None:
        return web.Response(status=204)
    body = msgspec.json.encode(given)
    headers = {"Cache-Control": "no-cache"}
    if not endpoint.is_write:
        etag = f'"{sha256(body).hexdigest()[:32]}"'
        headers["ETag"] = etag
        if etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
    return web.Response(
        status=endpoint.status, body=body, content_type="application/json", headers=headers
    )
