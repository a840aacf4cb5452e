"""The stream over real sockets: who may read it, how it is resumed, and how it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from poolserver.api import stream as under_test
from poolserver.api.access import Access
from poolserver.api.http import HttpServer
from poolserver.api.stream import stream_routes
from poolserver.api.tokens import Token, Tokens, hash_of, new_token
from poolserver.lookout.broadcast import MOST_READERS
from tests.unit.lookout.broadcasting import Stage

TOKEN = new_token()
TOKENS = Tokens([Token("page", hash_of(TOKEN), frozenset({"read"}), ("/",))])


@asynccontextmanager
async def serving(stage: Stage, read_from: str = "127.0.0.0/8") -> AsyncIterator[str]:
    routes = stream_routes(Access(TOKENS, [read_from]), stage.broadcast)
    server = HttpServer(CollectorRegistry(), lambda: None, routes)
    port = await server.start("127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{port}/api/v1/stream"
    finally:
        stage.broadcast.close()  # as the pool does, or the server waits for those who read
        await server.stop()


async def asked(url: str, **headers: str) -> tuple[int, str, str]:
    """Status, content type and the first bytes."""
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(url) as reply,
    ):
        return reply.status, reply.content_type, (await reply.content.readany()).decode()


async def test_it_is_an_event_stream_that_begins_at_once() -> None:
    async with serving(Stage()) as url:
        status, kind, text = await asked(url)
    assert (status, kind) == (200, "text/event-stream")
    assert text.startswith("retry: 2000\n\nevent: status\ndata: {")


async def test_from_elsewhere_it_needs_a_token() -> None:
    async with serving(Stage(), read_from="10.0.0.0/8") as url:
        status, kind, text = await asked(url)
        assert (status, kind) == (401, "application/problem+json")
        assert "token_needed" in text
        assert (await asked(url, Authorization=f"Bearer {TOKEN}"))[0] == 200


@pytest.mark.parametrize("way", ["header", "query"])
async def test_it_goes_on_after_the_last_event_that_was_read(way: str) -> None:
    stage = Stage()
    stage.feed.take("info", "read", {})
    last_id = f"{stage.feed.last_id}"
    stage.feed.take("info", "missed", {})
    async with serving(stage) as url:
        headers = {"Last-Event-ID": last_id} if way == "header" else {}
        _, _, text = await asked(url if headers else f"{url}?after={last_id}", **headers)
    assert '"event":"missed"' in text
    assert '"event":"read"' not in text


@pytest.mark.parametrize("last_id", ["x", "1.5", "9" * 100, "-"])
async def test_an_id_that_is_none_is_refused(last_id: str) -> None:
    async with serving(Stage()) as url:
        status, _, _ = await asked(url, **{"Last-Event-ID": last_id})
    assert status == (200 if last_id.isdigit() else 400)


async def test_one_too_many_is_told_so_and_there_is_room_again_when_one_leaves() -> None:
    stage = Stage()
    for _ in range(MOST_READERS - 1):
        stage.join()
    async with serving(stage) as url:
        async with aiohttp.ClientSession() as session, session.get(url) as reply:
            await reply.content.readany()
            assert (await asked(url))[0] == 429
        async with asyncio.timeout(5):
            while len(stage.broadcast) == MOST_READERS:
                stage.now += 2.0
                stage.broadcast.look()
                await asyncio.sleep(0.01)
        assert (await asked(url))[0] == 200


async def test_it_ends_as_it_should_and_is_not_cut() -> None:
    stage = Stage()
    async with (
        serving(stage) as url,
        aiohttp.ClientSession() as session,
        session.get(url) as reply,
    ):
        await reply.content.readany()
        stage.broadcast.close()
        assert await reply.content.read() == b""
        assert (await asked(url))[0] == 429


async def test_who_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "WRITE_WITHIN_S", 0.2)
    stage = Stage()
    big: Any = {"x": "y" * (1 << 22)}
    stage.shown.status = lambda: big  # type: ignore[method-assign]
    async with serving(stage) as url:
        host, port = url.removeprefix("http://").split("/")[0].split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 10)
        writer.write(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(10):
            while not len(stage.broadcast):  # noqa: ASYNC110 - over a socket
                await asyncio.sleep(0.01)
            while len(stage.broadcast):
                stage.now += 2.0
                stage.broadcast.look()
                await asyncio.sleep(0.02)
        writer.close()
        assert reader is not None
