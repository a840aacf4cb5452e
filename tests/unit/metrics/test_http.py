"""Requests are told by endpoint and status; the names of endpoints are not made up by who asks."""

from collections import Counter

import pytest
from aiohttp import ClientSession, web
from prometheus_client import CollectorRegistry

from poolserver.api.http import HttpServer
from poolserver.metrics.http import HttpMetrics


async def test_requests_are_told_by_route_and_status() -> None:
    seen: Counter[tuple[str, int]] = Counter()
    whole: list[bool] = []

    def observe(endpoint: str, status: int, seconds: float | None) -> None:
        seen[endpoint, status] += 1
        whole.append(seconds is not None)

    async def rig(request: web.Request) -> web.Response:
        return web.Response(status=404)

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        return response

    async def broken(request: web.Request) -> web.Response:
        raise ValueError("a bug")

    routes = [
        web.get("/rigs/{worker}", rig),
        web.get("/stream", stream),
        web.get("/broken", broken),
    ]
    server = HttpServer(CollectorRegistry(), lambda: None, routes, observe=observe)
    port = await server.start("127.0.0.1", 0)
    try:
        async with ClientSession(f"http://127.0.0.1:{port}") as session:
            for path in ("/healthz", "/rigs/a", "/rigs/b", "/nowhere/at/all", "/stream", "/broken"):
                async with session.get(path) as reply:
                    await reply.read()
    finally:
        await server.stop()
    assert seen == {
        ("GET /healthz", 200): 1,
        ("GET /rigs/{worker}", 404): 2,
        ("none", 404): 1,
        ("GET /stream", 200): 1,
        ("GET /broken", 500): 1,
    }
    assert whole == [True, True, True, True, False, True]


def test_a_stream_is_counted_and_not_timed() -> None:
    http, registry = HttpMetrics(lambda: 3), CollectorRegistry()
    registry.register(http)
    http.observe("GET /api/v1/stream", 200, None)
    http.observe("GET /api/v1/status", 200, 0.002)
    value = registry.get_sample_value
    stream = {"endpoint": "GET /api/v1/stream"}
    assert value("poolserver_api_requests_total", {**stream, "status": "200"}) == 1
    assert value("poolserver_api_request_seconds_count", stream) is None
    status = {"endpoint": "GET /api/v1/status"}
    assert value("poolserver_api_request_seconds_sum", status) == pytest.approx(0.002)
    assert value("poolserver_stream_readers") == 3
