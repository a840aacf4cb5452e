"""``/metrics``, ``/healthz`` and ``/readyz``, and the server that other routes are on."""

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from poolserver.api.connection import Connection
from poolserver.api.door import Door
from poolserver.api.edge import Edge, cut_off, write_out
from poolserver.api.gate import Gate
from poolserver.api.problem import ApiError
from poolserver.api.turns import Turns
from poolserver.server.plain_listening import open_listening

SHUTDOWN_TIMEOUT_S = 2.0
BACKLOG = 128
IDLE_S = 75.0
"""A connection that asks nothing, or half a request: longer than Prometheus scrapes, or nginx
keeps one."""
# Prometheus gives up after 10 s if it is not told otherwise.
SCRAPE_WITHIN_S = 60.0
MOST_SCRAPES = 4
"""At once: two Prometheus, and two people who look. Each costs the event loop some milliseconds."""
PIECE_BYTES = 1 << 18
"""A piece is made in a thread and sent by the event loop, which takes 0.7 ms for so many; for a
megabyte 1.4. Smaller ones cost more in the ways between the two."""
Encoder = Callable[[Collector], bytes]
"""Writes families of metrics down in the format that was asked for."""

# aiohttp tells of whatever somebody sends that is no HTTP, with a traceback: the log is not for
# whoever connects to write in. What goes wrong in handlers is told by the edge.
_peers = logging.getLogger(f"{__name__}.peers")
_peers.setLevel(logging.CRITICAL)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpServer:
    """Serves the registry and the pool's state, and what else ``routes`` has.

    What is served here itself asks for no password and changes nothing. Of metrics, ``registry`` is
    read on the event loop, and ``views`` and ``more`` in a thread.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        not_ready_because: Callable[[], str | None],
        routes: Iterable[web.RouteDef] = (),
        views: CollectorRegistry | None = None,
        more: Callable[[Encoder], Iterator[bytes]] = lambda encode: iter(()),
        observe: Callable[[str, int, float | None], None] = lambda endpoint, status, seconds: None,
    ) -> None:
        """``more`` gives further lines of metrics, some at a time: there may be very many. What is
        no line it has written down by what it is given.

        ``observe`` is told of each request by method and route, its status, and how long it took;
        None of an answer that lasts for as long as it is read.
        """
        self._registry = registry
        self._views = views or CollectorRegistry()
        self._not_ready_because = not_ready_because
        self._more = more
        self._observe = observe
        self._scrapes = Gate(MOST_SCRAPES)
        self._writing = asyncio.Lock()
        self._turns = Turns()
        app = web.Application(middlewares=[self._observed, self._in_turns])  # around all others
        Edge().install(app)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.add_routes(routes)
        self.sockets: list[socket.socket] = []
        self._runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
        self._servers: list[asyncio.Server] = []

    async def bind(self, host: str, port: int, inherited: Sequence[socket.socket] = ()) -> None:
        """Listen, and answer nobody yet. Some sockets may listen there already.

        Raises:
            OSError: the address cannot be bound.
        """
        self.sockets = list(inherited) or await open_listening(host, port, BACKLOG)

    async def start(self, host: str, port: int) -> int:
        """Listen, unless that was done, and answer; the port that was really bound.

        Raises:
            OSError: the address cannot be bound.
        """
        if not self.sockets:
            await self.bind(host, port)
        await self._runner.setup()
        assert self._runner.server is not None
        loop = asyncio.get_running_loop()
        connect = partial(
            Connection,
            self._runner.server,
            loop=loop,
            access_log=_peers,
            logger=_peers,
            keepalive_timeout=IDLE_S,
            auto_decompress=False,  # the API takes no such bodies, and nothing else takes any
        )
        door = Door(self._runner.server, connect)
        for sock in self.sockets:
            server = await loop.create_server(door, sock=sock.dup(), backlog=BACKLOG)
            self._servers.append(server)
        return int(self.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and end what is open."""
        for server in self._servers:
            server.close()
        await self._runner.cleanup()
        for sock in self.sockets:
            sock.close()

    @web.middleware
    async def _observed(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        began_s = time.perf_counter()
        answer: web.StreamResponse | None = None
        try:
            answer = await handler(request)
        except web.HTTPException as error:
            answer = error
            raise
        finally:
            is_stream = answer is not None and not isinstance(answer, web.Response)
            # Not the path itself, which whoever asks makes up.
            resource = request.match_info.route.resource
            endpoint = "none" if resource is None else f"{request.method} {resource.canonical}"
            seconds = None if is_stream else time.perf_counter() - began_s
            self._observe(endpoint, 500 if answer is None else answer.status, seconds)
            if isinstance(answer, web.Response):
                await write_out(request, answer)
        return answer

    @web.middleware
    async def _in_turns(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Many who ask at once must not hold up rigs."""
        return await self._turns.through(handler(request))

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        try:
            with self._scrapes.passed():
                return await self._scraped(request)
        except ApiError as error:
            return error.response()

    async def _scraped(self, request: web.Request) -> web.StreamResponse:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        headers = {"Content-Type": content_type}
        pieces = self._pieces(encode, list(self._registry.collect()))
        # One thread at a time: of four the loop waits for each whenever it goes on.
        async with self._writing:
            piece = await asyncio.to_thread(next, pieces)
        if len(piece) < PIECE_BYTES:
            response = web.Response(body=piece, headers=headers)
            await write_out(request, response)
            return response
        stream = web.StreamResponse(headers=headers)
        async with cut_off(request, SCRAPE_WITHIN_S):
            await stream.prepare(request)
            while piece:
                await stream.write(piece)
                piece = await asyncio.to_thread(next, pieces, b"")
        return stream

    def _pieces(self, encode: Encoder, families: list[Metric]) -> Iterator[bytes]:
        """All lines of a scrape, to be made in a thread; the last piece alone is a small one."""
        end = encode(CollectorRegistry())  # OpenMetrics has one

        def written(collector: Collector) -> bytes:
            return encode(collector).removesuffix(end)

        # To write them down takes two or three times as long as to read them.
        own = written(_Scrape(families, self._views))
        yield from joined(chain((own,), self._more(written), (end,)))

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        reason = self._not_ready_because()
        if reason is not None:
            return web.Response(status=503, text=f"not ready: {reason}\n")
        return web.Response(text="ready\n")


class _Scrape(Collector):
    """What was read, and what is still to be."""

    def __init__(self, families: list[Metric], views: CollectorRegistry) -> None:
        self._families, self._views = families, views

    def collect(self) -> Iterator[Metric]:
        yield from self._families
        yield from self._views.collect()


def joined(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The same in pieces of PIECE_BYTES and little more; the last one has what is left."""
    piece: list[bytes] = []
    size = 0
    for some in lines:
        piece.append(some)
        size += len(some)
        if size >= PIECE_BYTES:
            yield b"".join(piece)
            piece.clear()
            size = 0
    yield b"".join(piece)
