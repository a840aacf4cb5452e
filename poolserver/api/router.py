"""Endpoints as routes of the HTTP server: what is alike for all calls stands here, once.

A call is admitted, its parameters and body are read, its handler is asked, what it gives becomes
JSON with an ETag (RFC 9110), and each error a problem. Who changed something is written down.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Protocol

import structlog
from aiohttp import web

from poolserver.api.access import Access, check_scope
from poolserver.api.edge import write_out
from poolserver.api.encoding import AT_ONCE, Shared, encoded, encoded_in_steps
from poolserver.api.endpoint import Call, Endpoint
from poolserver.api.gate import Gate
from poolserver.api.page import Page
from poolserver.api.parameters import read_query
from poolserver.api.problem import ApiError
from poolserver.log import RateLimited

# A body of some kilobytes that takes longer is none.
BODY_WITHIN_S = 10.0
CHUNK_BYTES = 64 << 10
# A socket's buffers take less at once; the rest is in our memory until it is read.
LARGE_BYTES = 64 << 10
MOST_AT_ONCE = 64
"""Calls: a page has at most six open, and a pool has a few screens, programs and telephones."""

_TAG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')

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

    async def refused(self, endpoint: Endpoint, call: Call, path: str, outcome: str) -> None:
        """A token was shown that is not for this, or what came with it cannot be read."""


class Router:
    """Makes routes of endpoints."""

    def __init__(self, access: Access, record: Record) -> None:
        self._access = access
        self._record = record
        self._gate = Gate(MOST_AT_ONCE)
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
        gate, shared = Gate(endpoint.most_at_once or MOST_AT_ONCE), Shared()

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                with self._gate.passed(), gate.passed():
                    call = await self._let_in(endpoint, request)
                    given = await self._done(endpoint, call, request.path_qs)
                    response = await _response(endpoint, request, given, shared)
                    return await _written(request, response)
            except ApiError as error:
                now = asyncio.get_running_loop().time()
                where = {"path": request.path[:200], "remote": request.remote}
                self._trouble.failed(
                    "api_refused", f"{error.status}", now, why=error.detail, **where
                )
                return error.response()

        return answer

    async def _let_in(self, endpoint: Endpoint, request: web.Request) -> Call:
        """Whoever may not ask learns nothing more, and need not send a body."""
        remote, path = request.remote or "", dict(request.match_info)
        token = self._access.identify(request, endpoint.scope, is_private=endpoint.needs_token)
        call = Call(path, None, b"", token, remote)
        try:
            if token is not None:
                check_scope(token, endpoint.scope)
            call = replace(call, query=read_query(endpoint.query, request.query))
            if endpoint.node_of is not None:
                call.check_node(endpoint.node_of(call))
            if endpoint.is_write:
                call = replace(call, body=await _body(request, endpoint.most_bytes))
        except ApiError as error:
            if endpoint.is_write:
                await self._record.refused(endpoint, call, request.path_qs, error.code)
            raise
        return call

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
    """All of it, if it is short and sent as it is.

    Raises:
        ApiError: it is not, or does not come.
    """
    coding = request.headers.get("Content-Encoding", "identity")
    if coding.strip().lower() != "identity":
        raise ApiError("encoded", "send it as it is, without a Content-Encoding")
    body = b""
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for chunk in request.content.iter_chunked(CHUNK_BYTES):
                body += chunk
                if len(body) > most_bytes:
                    raise ApiError("too_long", f"at most {most_bytes} bytes are taken")
    except TimeoutError:
        raise ApiError("too_slow", f"it must be here within {BODY_WITHIN_S:.0f} s") from None
    except (web.RequestPayloadError, ConnectionError):
        raise ApiError("bad_request", "its body is broken off, or its chunks are none") from None
    return body


async def _response(
    endpoint: Endpoint, request: web.Request, given: object, shared: Shared
) -> web.Response:
    if given is None:
        return web.Response(status=204)
    if endpoint.is_shared:
        answer = await shared.encoded(given)
    elif isinstance(given, Page) and len(given.items) > AT_ONCE:
        answer = await asyncio.to_thread(encoded_in_steps, given)
    else:
        answer = encoded(given)
    headers = {"Cache-Control": "no-store"}
    if not endpoint.is_write:
        headers = {"Cache-Control": "no-cache", "ETag": answer.etag}
        if _is_known(request.headers.get("If-None-Match", ""), answer.etag):
            return web.Response(status=304, headers=headers)
    return web.Response(
        status=endpoint.status, body=answer.body, content_type="application/json", headers=headers
    )


def _is_known(if_none_match: str, etag: str) -> bool:
    """Whether a list of tags has this one, weak or strong (RFC 9110, 13.1.2); ``*`` is any."""
    return if_none_match.strip() == "*" or etag in _TAG.findall(if_none_match)


async def _written(request: web.Request, response: web.Response) -> web.StreamResponse:
    """What is large is written in here: one that does not read it holds a place, and not long."""
    if isinstance(response.body, bytes) and len(response.body) > LARGE_BYTES:
        await write_out(request, response)
    return response
