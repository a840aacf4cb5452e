"""Endpoints as routes of the HTTP server: what is alike for all calls stands here, once.

A call is admitted, its parameters and body are read, its handler is asked, what it gives becomes
JSON with an ETag (RFC 9110), and each error a problem. Who changed something is written down.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Protocol

import structlog
from aiohttp import web

from poolserver.api.access import Access
from poolserver.api.encoding import Encoded, Shared, encoded
from poolserver.api.endpoint import Call, Endpoint
from poolserver.api.parameters import read_query
from poolserver.api.problem import ApiError
from poolserver.log import RateLimited

# A body of some kilobytes that takes longer is none.
BODY_WITHIN_S = 10.0
CHUNK_BYTES = 64 << 10

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Record(Protocol):
    """Writes down who changed what; see ``audit_log.AuditLog``."""

    async def intend(self, endpoint: Endpoint, call: Call, path: str) -> int:
        """It is about to be done. The number is for ``ended``.

        Raises:
            ApiError: it cannot be written down, so it must not be done.
        """

    async def ended(self, number: int, outcome: str) -> None:
        """It was done, or refused with a problem's code."""


class Router:
    """Makes routes of endpoints."""

    def __init__(self, access: Access, record: Record) -> None:
        self._access = access
        self._record = record
        self._trouble = RateLimited(log)

    def routes(self, endpoints: Iterable[Endpoint]) -> list[web.RouteDef]:
        """The routes of the endpoints. Whoever may GET may ask for the HEAD too."""
        return [
            web.RouteDef(
                each.method,
                each.route,
                self._answering(each),
                {"allow_head": True} if each.method == "GET" else {},
            )
            for each in endpoints
        ]

    def _answering(self, endpoint: Endpoint) -> Handler:
        shared = Shared()

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                call = await self._let_in(endpoint, request)
                given = await self._done(endpoint, call, request.path)
            except ApiError as error:
                now = asyncio.get_running_loop().time()
                where = {"path": request.path[:200], "remote": request.remote}
                self._trouble.failed(
                    "api_refused", f"{error.status}", now, why=error.detail, **where
                )
                return error.response()
            if given is None:
                return web.Response(status=204)
            if endpoint.is_write:
                return _json(encoded(given), endpoint.status, {"Cache-Control": "no-store"})
            if endpoint.is_shared:
                return _unless_known(request, await shared.encoded(given))
            return _unless_known(request, encoded(given))

        return answer

    async def _let_in(self, endpoint: Endpoint, request: web.Request) -> Call:
        """Whoever may not ask learns nothing more, and need not send a body."""
        token = self._access.admit(request, endpoint.scope)
        query = read_query(endpoint.query, request.query)
        call = Call(dict(request.match_info), query, b"", token, request.remote or "")
        if endpoint.node_of is not None:
            call.check_node(endpoint.node_of(call))
        if not endpoint.is_write:
            return call
        return replace(call, body=await _body(request, endpoint.most_bytes))

    async def _done(self, endpoint: Endpoint, call: Call, path: str) -> object:
        if not endpoint.is_write:
            return await endpoint.handler(call)
        number = await self._record.intend(endpoint, call, path)
        outcome = "internal"
        try:
            given = await endpoint.handler(call)
            outcome = "done"
        except ApiError as error:
            outcome = error.code
            raise
        finally:
            await self._record.ended(number, outcome)
        return given


async def _body(request: web.Request, most_bytes: int) -> bytes:
    """All of it, if it is short.

    Raises:
        ApiError: it is not, or does not come.
    """
    body = b""
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for chunk in request.content.iter_chunked(CHUNK_BYTES):
                body += chunk
                if len(body) > most_bytes:
                    raise ApiError("too_long", f"at most {most_bytes} bytes are taken")
    except TimeoutError:
        raise ApiError("too_slow", f"it must be here within {BODY_WITHIN_S:.0f} s") from None
    return body


def _unless_known(request: web.Request, answer: Encoded) -> web.Response:
    """What was read, or 304 for whoever has it already."""
    headers = {"Cache-Control": "no-cache", "ETag": answer.etag}
    for known in request.if_none_match or ():
        if known.value in ("*", answer.etag.strip('"')):
            return web.Response(status=304, headers=headers)
    return _json(answer, 200, headers)


def _json(answer: Encoded, status: int, headers: dict[str, str]) -> web.Response:
    return web.Response(
        status=status, body=answer.body, content_type="application/json", headers=headers
    )
