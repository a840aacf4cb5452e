"""What is alike for all answers of the HTTP server: errors of the API as problems, and headers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from poolserver.api.connection import API_PATHS
from poolserver.api.problem import ApiError
from poolserver.log import RateLimited

WRITE_WITHIN_S = 30.0
"""A megabyte at 0.3 Mbit/s, as a telephone in a hall of machines may have."""

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Edge:
    """The last to whom an exception comes: it is logged here, and its text is told nobody."""

    def __init__(self) -> None:
        self._trouble = RateLimited(log)

    def install(self, app: web.Application) -> None:
        """Stand around all routes of ``app``."""

        @web.middleware
        async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._around(request, handler)

        app.middlewares.append(around)
        app.on_response_prepare.append(_add_headers)

    async def _around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        is_api = request.path.startswith(API_PATHS)
        try:
            return await handler(request)
        except web.HTTPException as error:
            if not is_api:
                raise
            return _as_problem(request, error)
        except Exception as error:  # a bug of ours; what it says may be a secret
            now = asyncio.get_running_loop().time()
            self._trouble.failed(
                "api_failed", repr(error)[:200], now, path=request.path[:200], exc_info=True
            )
            if request.writer.output_size and request.transport is not None:
                request.transport.abort()  # a part of its answer is sent: no other can follow
            if not is_api:
                return web.Response(status=500, text="an error in the pool; the log has more\n")
            return ApiError("internal", "the log has more").response()


def _as_problem(request: web.Request, error: web.HTTPException) -> web.Response:
    if isinstance(error, web.HTTPMethodNotAllowed):
        return _other_method(request, error)
    if isinstance(error, web.HTTPNotFound):
        return ApiError("not_found", "there is nothing at this path").response()
    raise error


def _other_method(request: web.Request, error: web.HTTPMethodNotAllowed) -> web.Response:
    allow = ", ".join(sorted(error.allowed_methods))
    if request.method == "OPTIONS":
        return web.Response(status=204, headers={"Allow": allow})
    response = ApiError("method_not_allowed", f"here may be asked: {allow}").response()
    response.headers["Allow"] = allow
    return response


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """JSON with a rig's name in it must not be taken for a page, whatever the browser thinks."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")


async def write_out(request: web.Request, response: web.Response) -> None:
    """Write all of it, unless that is done."""
    async with cut_off(request, WRITE_WITHIN_S):
        await response.prepare(request)
        await response.write_eof()


@asynccontextmanager
async def cut_off(request: web.Request, within_s: float) -> AsyncIterator[None]:
    """Who does not read what is written here is cut off after ``within_s``: else its connection
    would be held for ever."""
    try:
        async with asyncio.timeout(within_s):
            yield
    except ConnectionError:
        pass  # it has left
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
