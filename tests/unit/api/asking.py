"""A real server of some endpoints, and who asks it."""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
from prometheus_client import CollectorRegistry

from poolserver.api.access import Access
from poolserver.api.endpoint import Endpoint
from poolserver.api.http import HttpServer
from poolserver.api.router import Record, Router
from poolserver.api.tokens import Scope, Token, Tokens, hash_of
from tests.unit.api.unwritten import Unwritten

LOOPBACK = ("127.0.0.0/8",)


class Answer(NamedTuple):
    status: int
    body: Any
    headers: Any

    @property
    def code(self) -> str:
        """Of a problem."""
        return str(self.body["code"])


class Asker:
    """Asks as one who has a token, named by it."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self.session, self.port = session, port

    async def __call__(
        self,
        method: str,
        path: str,
        token: str | None = None,
        body: Any = b"",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.request(
            method, f"/api/v1{path}", data=data, headers=sent
        ) as answer:
            content = await answer.read()
            if answer.status >= 400 and method != "HEAD":
                assert answer.content_type == "application/problem+json"
                assert json.loads(content)["status"] == answer.status
            return Answer(answer.status, json.loads(content) if content else None, answer.headers)


def token(name: str, *scopes: Scope, nodes: Sequence[str] = ("/",)) -> Token:
    """The token is its name."""
    return Token(name, hash_of(name), frozenset(scopes), tuple(nodes))


@asynccontextmanager
async def serving(
    endpoints: Iterable[Endpoint],
    tokens: Iterable[Token] = (),
    record: Record | None = None,
    read_from: Iterable[str] = LOOPBACK,
) -> AsyncIterator[Asker]:
    """At a port of its own."""
    routes = Router(Access(Tokens(tokens), read_from), record or Unwritten()).routes(endpoints)
    server = HttpServer(CollectorRegistry(), lambda: None, routes)
    port = await server.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            yield Asker(session, port)
    finally:
        await server.stop()
