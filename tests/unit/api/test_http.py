"""What the HTTP server serves by itself."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from threading import get_ident

import aiohttp
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from poolserver.api.http import MOST_SCRAPES, PIECE_BYTES, HttpServer, joined
from poolserver.event_loop import SWITCH_INTERVAL_S
from poolserver.metrics.families import gauge
from poolserver.metrics.lines import (
    Encoder,
    batches,
    heading,
    lines,
    pack_labels,
    pack_numbers,
)
from tests.unit.stalls import watching

OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}
NODES = 1_000
# The loop is to be free again within 5 ms; noise of a busy machine comes on top.
LONGEST_S = 0.005


class Figures(Collector):
    """Fourteen figures of a node; and in which thread they were read."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.thread: int | None = None

    def collect(self) -> Iterator[Metric]:
        self.thread = get_ident()
        for figure in range(14):
            family = GaugeMetricFamily(f"{self._name}_{figure}", "A figure.", labels=["node"])
            family.add_metric(["/site/0"], 1.5)
            yield family


async def fetch(port: int, path: str, **options: dict[str, str]) -> tuple[int, str]:
    url = f"http://127.0.0.1:{port}{path}"
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, **options) as answer,  # type: ignore[arg-type]
    ):
        return answer.status, await answer.text()


def registry_of(collector: Collector) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(collector)
    return registry


async def test_metrics_are_those_of_the_registry_and_of_the_views_in_one_answer() -> None:
    own, view = Figures("own"), Figures("view")
    server = HttpServer(registry_of(own), lambda: None, views=registry_of(view))
    port = await server.start("127.0.0.1", 0)
    try:
        status, text = await fetch(port, "/metrics")
        assert status == 200
        assert 'own_3{node="/site/0"} 1.5\n' in text
        assert 'view_3{node="/site/0"} 1.5\n' in text
        _, text = await fetch(port, "/metrics", headers=OPENMETRICS)
        assert text.count("# EOF") == 1
        assert text.endswith("# EOF\n")
    finally:
        await server.stop()
    assert own.thread == get_ident()
    assert view.thread != get_ident()


async def test_more_lines_stand_before_the_end_in_one_answer_or_in_pieces() -> None:
    line = b"more 1\n"
    counts = [3, 3 * PIECE_BYTES // len(line)]
    server = HttpServer(
        registry_of(Figures("own")), lambda: None, more=lambda _: iter([line] * counts.pop(0))
    )
    port = await server.start("127.0.0.1", 0)
    try:
        for count in counts[:]:
            _, text = await fetch(port, "/metrics", headers=OPENMETRICS)
            assert text.startswith("# HELP own_0 A figure.\n")
            assert text.endswith("\nmore 1\n# EOF\n")
            assert text.count("\nmore 1") == count
    finally:
        await server.stop()


def test_lines_are_joined_to_pieces_of_some_size_and_what_is_left() -> None:
    lines = [bytes([number]) * (PIECE_BYTES // 3) for number in range(8)]
    pieces = list(joined(lines))
    assert b"".join(pieces) == b"".join(lines)
    assert all(PIECE_BYTES <= len(piece) < 2 * PIECE_BYTES for piece in pieces[:-1])
    assert list(joined([])) == [b""]


async def test_a_scrape_that_goes_wrong_in_the_middle_is_broken_off() -> None:
    """No other answer can follow on half of one: whoever reads must not take it for a whole."""

    def failing(_: Encoder) -> Iterator[bytes]:
        yield b"more 1\n" * PIECE_BYTES
        raise ZeroDivisionError

    server = HttpServer(CollectorRegistry(), lambda: None, more=failing)
    port = await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        async with asyncio.timeout(10):
            with suppress(ConnectionResetError):
                while piece := await reader.read(1 << 16):
                    answer += piece
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.count(b"HTTP/1.1") == 1
        assert not answer.endswith(b"0\r\n\r\n")
        assert await fetch(port, "/healthz") == (200, "ok\n")
    finally:
        writer.close()
        await server.stop()


async def test_a_pool_that_is_not_ready_says_why() -> None:
    reasons: list[str | None] = ["no template yet", None]
    server = HttpServer(CollectorRegistry(), lambda: reasons.pop(0))
    port = await server.start("127.0.0.1", 0)
    try:
        assert await fetch(port, "/readyz") == (503, "not ready: no template yet\n")
        assert await fetch(port, "/readyz") == (200, "ready\n")
        assert await fetch(port, "/healthz") == (200, "ok\n")
    finally:
        await server.stop()


@pytest.fixture
def as_the_pool_runs() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    yield
    sys.setswitchinterval(before)


def lines_of_nodes(encode: Encoder) -> Iterator[bytes]:
    """As of so many nodes with a name and fourteen figures each."""
    names = tuple((f"/site/container/rack-{number:05d}",) for number in range(NODES))
    family = gauge("figure", "node", help="A figure.")
    for _ in range(14):
        yield heading(family, encode)
        for some in batches(names):
            numbers = pack_numbers(float(len(name)) for name in some)
            yield lines(family, pack_labels(some, "node"), numbers, decimals=3)


@pytest.mark.usefixtures("as_the_pool_runs")
async def test_a_scrape_of_many_nodes_keeps_no_share_waiting_for_5_ms() -> None:
    server = HttpServer(CollectorRegistry(), lambda: None, more=lines_of_nodes)
    port = await server.start("127.0.0.1", 0)
    longest = []
    try:
        async with watching() as waits:
            for _ in range(20):
                await asyncio.sleep(0.02)
                waits.take()
                await fetch(port, "/metrics")
                longest.append(waits.longest_s())
    finally:
        await server.stop()
    assert min(longest) < LONGEST_S  # what the work itself costs is the least: noise only adds


async def test_only_so_many_scrape_at_once() -> None:
    go_on = threading.Event()

    class Waiting(Collector):
        def describe(self) -> Iterator[Metric]:
            return iter(())

        def collect(self) -> Iterator[Metric]:
            go_on.wait(10)
            return iter(())

    server = HttpServer(CollectorRegistry(), lambda: None, views=registry_of(Waiting()))
    port = await server.start("127.0.0.1", 0)
    try:
        scrapes = [asyncio.create_task(fetch(port, "/metrics")) for _ in range(MOST_SCRAPES + 2)]
        async with asyncio.timeout(10):
            turned_away, _ = await asyncio.wait(scrapes, return_when=asyncio.FIRST_COMPLETED)
            go_on.set()
            answers = [await each for each in scrapes]
    finally:
        go_on.set()
        await server.stop()
    assert turned_away
    assert sorted(status for status, _ in answers) == [200] * MOST_SCRAPES + [429] * 2
