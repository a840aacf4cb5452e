"""How many may be connected to the HTTP server, and for how long for nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from poolserver.api import door, edge, http
from poolserver.api.http import HttpServer

ASKED = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
MOST = 3


async def large(request: web.Request) -> web.Response:
    return web.Response(body=bytes(60_000))


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    server = HttpServer(CollectorRegistry(), lambda: None, [web.get("/large", large)])
    try:
        yield await server.start("127.0.0.1", 0)
    finally:
        await server.stop()


async def answer_of(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The first line; nothing of one who was turned away, and who leaves."""
    try:
        async with asyncio.timeout(10):
            writer.write(ASKED)
            line = await reader.readline()
    except ConnectionError:
        line = b""
    if not line:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return line


async def test_only_so_many_are_let_in_and_the_next_when_one_has_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(door.Door.__init__, "__defaults__", (MOST,))
    async with serving() as port:
        with capture_logs() as lines:
            inside = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MOST)]
            for each in inside:
                assert await answer_of(*each) == b"HTTP/1.1 200 OK\r\n"
            for _ in range(3):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                assert await answer_of(reader, writer) == b""
        assert [line["event"] for line in lines] == ["http_full"]
        inside.pop()[1].close()
        async with asyncio.timeout(10):
            while True:
                inside.append(await asyncio.open_connection("127.0.0.1", port))
                if await answer_of(*inside[-1]):
                    break
        for _, writer in inside:
            writer.close()


async def test_half_a_request_is_waited_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "IDLE_S", 0.2)
    async with serving() as port, asyncio.timeout(10):
        for sent in (b"", ASKED[:-2]):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            assert await reader.read() == b""
            writer.close()


async def test_one_who_asks_and_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "WRITE_WITHIN_S", 0.2)
    async with serving() as port, asyncio.timeout(60):
        for path in (b"/large", b"/nothing"):
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
            asked = ASKED.replace(b"/healthz", path)
            with suppress(ConnectionError):
                while True:
                    writer.write(asked * 1000)
                    await writer.drain()
            writer.close()
