"""Budgets, AI loads and readings by HTTP, from those who have a token.

Errors are problem details (RFC 9457): 401 without a token of ours, 403 where it is not for this,
404 where there is no such thing, 409 where a newer word has been taken, 413 and 422 where the
body is too long or makes no sense.
"""

import asyncio
from collections.abc import Awaitable, Callable, Container, Mapping

import msgspec
import structlog
from aiohttp import web

from poolserver.api.tokens import Scope, Token, Tokens
from poolserver.log import RateLimited
from poolserver.power.signal import (
    BudgetSignal,
    OutdatedSignalError,
    SignalError,
    SignalSink,
    UnknownSignalError,
)
from poolserver.power.signals.words import (
    MOST_BYTES,
    WordError,
    ai_load_signal,
    budget_signal,
    meter_reading,
)
from poolserver.power.tree import PROGRAMME, PowerTree

# A body of a few hundred bytes that takes longer is none.
BODY_WITHIN_S = 10.0

_TITLES = {
    401: "A token is needed",
    403: "The token is not for this",
    404: "Not found",
    408: "The body did not come",
    409: "A newer word has been taken",
    413: "The body is too long",
    422: "Refused",
}

_IS_TRUE = {"true": True, "false": False}

log = structlog.get_logger(__name__)


class ApiError(Exception):
    """What is answered in place of what was asked for."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class SignalApi:
    """The routes. ``http_meters`` are those that may be told here; ``clock`` is Unix time."""

    def __init__(
        self,
        tokens: Tokens,
        sink: SignalSink,
        tree: PowerTree,
        http_meters: Container[str],
        clock: Callable[[], float],
    ) -> None:
        self._tokens = tokens
        self._sink = sink
        self._node_of_load = {
            (node.site, load.name): node.path for node in tree for load in node.ai_loads
        }
        self._node_of_meter = node_of_meters(tree)
        self._http_meters = http_meters
        self._clock = clock
        self._trouble = RateLimited(log)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.put(f"{API}/programme/budget", self._told(self._put_budget)),
            web.delete(f"{API}/programme/budget", self._told(self._delete_budget)),
            web.put(f"{API}/nodes/{{path:.+}}/budget", self._told(self._put_budget)),
            web.delete(f"{API}/nodes/{{path:.+}}/budget", self._told(self._delete_budget)),
            web.post(
                f"{API}/nodes/{{path:.+}}/calibration/accept", self._told(self._accept_calibration)
            ),
            web.put(f"{API}/ai-loads/{{site}}/{{name}}", self._told(self._put_ai_load)),
            web.put(f"{API}/meters/{{name}}", self._told(self._put_reading)),
        ]

    # --- what may be told -------------------------------------------------------------------

    async def _put_budget(self, request: web.Request) -> web.Response:
        node = request.match_info.get("path", PROGRAMME)
        token = self._admitted(request, "budget", node)
        body, now_s = await _body(request), self._clock()
        issued_by = f"token:{token.name}"
        self._sink.take_budget(budget_signal(node, body, token.name, issued_by, now_s))
        return web.Response(status=204)

    async def _delete_budget(self, request: web.Request) -> web.Response:
        node = request.match_info.get("path", PROGRAMME)
        token = self._admitted(request, "budget", node)
        # One that is mistyped must not take back the other budget.
        of_mining = _IS_TRUE.get(request.query.get("of_mining", "false"))
        if of_mining is None:
            raise WordError("of_mining must be true or false")
        self._sink.take_budget(
            BudgetSignal(
                node,
                None,
                token.name,
                self._clock(),
                issued_by=f"token:{token.name}",
                of_mining=of_mining,
            )
        )
        return web.Response(status=204)

    async def _put_ai_load(self, request: web.Request) -> web.Response:
        site, name = request.match_info["site"], request.match_info["name"]
        node = self._node_of_load.get((site, name), site)
        token = self._admitted(request, "ai-load", node)
        body, now_s = await _body(request), self._clock()
        self._sink.take_ai_load(ai_load_signal(site, name, body, token.name, now_s))
        return web.Response(status=204)

    async def _put_reading(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self._admitted(request, "meter", self._node_of_meter.get(name, PROGRAMME))
        if name not in self._http_meters:
            raise UnknownSignalError(f"there is no meter {name} that is told by HTTP")
        body, now_s = await _body(request), self._clock()
        state = self._sink.take_reading(meter_reading(name, body, now_s))
        judged = {"quality": state.quality.value, "reason": state.reason}
        return web.Response(body=msgspec.json.encode(judged), content_type="application/json")

    async def _accept_calibration(self, request: web.Request) -> web.Response:
        node = request.match_info["path"]
        self._admitted(request, "meter", node)
        self._sink.accept_calibration(node)
        return web.Response(status=204)

    # --- who may tell it --------------------------------------------------------------------

    def _admitted(self, request: web.Request, scope: Scope, node: str) -> Token:
        """The token, which is for this. What there is, is told to those alone who may ask.

        Raises:
            ApiError: there is none, or it is not.
        """
        token = self._tokens.find(request.headers.get("Authorization", ""))
        if token is None:
            raise ApiError(401, "Authorization: Bearer TOKEN, with a token of [[api_tokens]]")
        if scope not in token.scopes:
            raise ApiError(403, f"the token {token.name} has not the scope {scope}")
        if not token.may_speak_for(node):
            raise ApiError(403, f"the token {token.name} does not speak for this node")
        return token

    def _told(
        self, handler: Callable[[web.Request], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """With each error as its answer, and a line in the log."""

        async def answer(request: web.Request) -> web.Response:
            try:
                return await handler(request)
            except ApiError as error:
                status, detail = error.status, str(error)
            except UnknownSignalError as error:
                status, detail = 404, str(error)
            except OutdatedSignalError as error:
                status, detail = 409, str(error)
            except (SignalError, WordError) as error:
                status, detail = 422, str(error)
            now = asyncio.get_running_loop().time()
            where = {"path": request.path[:200], "remote": request.remote}
            self._trouble.failed("api_refused", f"{status}", now, why=detail, **where)
            return _problem(status, detail)

        return answer


API = "/api/v1"


def node_of_meters(tree: PowerTree) -> Mapping[str, str]:
    """The node that each meter of the tree, or of an AI load in it, is at."""
    found: dict[str, str] = {}
    for node in tree:
        if node.meter is not None:
            found[node.meter] = node.path
        found.update({load.meter: node.path for load in node.ai_loads if load.meter is not None})
    return found


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
                    raise ApiError(413, f"at most {MOST_BYTES} bytes are taken")
    except TimeoutError:
        raise ApiError(408, f"it must be here within {BODY_WITHIN_S:.0f} s") from None
    return body


def _problem(status: int, detail: str) -> web.Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    problem = {"title": _TITLES[status], "status": status, "detail": detail}
    return web.Response(
        status=status,
        body=msgspec.json.encode(problem),
        content_type="application/problem+json",
        headers=headers,
    )
