"""A server that tells of the made-up programme as a pool tells of itself: the page's stage."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from poolserver.api.access import Access
from poolserver.api.endpoint import API, Call, Endpoint
from poolserver.api.live_page import live_page_routes
from poolserver.api.page import MOST_ITEMS, Page, key_of, page_of
from poolserver.api.problem import ApiError
from poolserver.api.router import Router
from poolserver.api.tokens import Token, Tokens, hash_of
from poolserver.lookout.view import Event, RigLine
from tests.browser.programme import Programme

# Made up: they open nothing but the stage.
READING = "made-up-for-reading"
WRITING = "made-up-for-writing"
EVERYWHERE = ("0.0.0.0/0", "::/0")


class RigQuery(msgspec.Struct, frozen=True):
    q: str = ""
    site: str = ""
    node: str = ""
    state: str = ""
    sort: str = "-hashrate_1h"
    limit: int = 100
    cursor: str | None = None


class BlockQuery(msgspec.Struct, frozen=True):
    limit: int = 50
    cursor: str | None = None


class EventQuery(msgspec.Struct, frozen=True):
    after: int = 0
    limit: int = 100
    level: str = "info"


class HistoryQuery(msgspec.Struct, frozen=True):
    site: str = ""
    span: str = "6h"


class NodeQuery(msgspec.Struct, frozen=True):
    path: str = "/"


class Stage:
    """Serves the page, the API's reads and the stream. ``tick_s`` is how often news go out."""

    def __init__(
        self,
        programme: Programme,
        *,
        read_from: tuple[str, ...] = EVERYWHERE,
        names: tuple[str, ...] = (),
        tick_s: float = 0.2,
    ) -> None:
        self.programme = programme
        self.tick_s = tick_s
        self.last_ids: list[str] = []
        """What each stream that was opened had as Last-Event-ID."""
        tokens = Tokens(
            [
                Token("reader", hash_of(READING), frozenset({"read"}), ("/",)),
                Token("writer", hash_of(WRITING), frozenset({"budget"}), ("/",)),
            ]
        )
        self._access = Access(tokens, read_from, names)
        self._sorted: dict[tuple[str, ...], list[RigLine]] = {}
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen; at the same port as before after a stop."""
        app = web.Application()
        router = Router(self._access, lambda endpoint, call, outcome: None)
        app.add_routes(live_page_routes())
        app.add_routes(router.routes(self._endpoints()))
        app.router.add_get(f"{API}/stream", self._stream)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        assert site._server is not None
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def _endpoints(self) -> list[Endpoint]:
        made_up = self.programme

        async def status(call: Call) -> object:
            return made_up.status()

        async def sites(call: Call) -> object:
            return made_up.sites()

        async def nodes(call: Call) -> object:
            return made_up.nodes()

        async def power(call: Call) -> object:
            return made_up.power()

        async def node(call: Call) -> object:
            if (detail := made_up.detail(call.query.path)) is None:
                raise ApiError("not_found", f"there is no node {call.query.path}")
            return detail

        async def history(call: Call) -> object:
            return made_up.history(call.query.span, call.query.site)

        async def rig(call: Call) -> object:
            for each in made_up.rigs:
                if each.worker == call.path["worker"]:
                    return each
            raise ApiError("not_found", "there is no such rig")

        return [
            Endpoint("GET", "/status", "", status),
            Endpoint("GET", "/sites", "", sites),
            Endpoint("GET", "/nodes", "", nodes),
            Endpoint("GET", "/power", "", power),
            Endpoint("GET", "/power/node", "", node, query=NodeQuery),
            Endpoint("GET", "/history", "", history, query=HistoryQuery),
            Endpoint("GET", "/rigs", "", self._rigs, query=RigQuery),
            Endpoint("GET", "/rigs/{worker:.+}", "", rig),
            Endpoint("GET", "/blocks", "", self._blocks, query=BlockQuery),
            Endpoint("GET", "/events", "", self._events, query=EventQuery),
        ]

    async def _rigs(self, call: Call) -> object:
        query = call.query
        key = (query.q, query.site, query.node, query.state, query.sort)
        if key not in self._sorted:
            self._sorted[key] = self._sort(query)
        found = self._sorted[key]
        begin = key_of(query.cursor, int) or 0
        limit = min(query.limit, MOST_ITEMS)
        items = list(enumerate(found[begin : begin + limit + 1], begin + 1))
        page = page_of(items, limit, lambda item: item[0], len(found))
        return Page([rig for _, rig in page.items], page.next, page.total)

    def _sort(self, query: RigQuery) -> list[RigLine]:
        text = query.q.lower()
        found = [
            rig
            for rig in self.programme.rigs
            if (not text or text in f"{rig.worker} {rig.model} {rig.address} {rig.node}".lower())
            and query.site in ("", rig.site)
            and query.state in ("", rig.state)
            and (not query.node or f"{rig.node}/".startswith(f"{query.node}/"))
        ]
        column = query.sort.removeprefix("-")
        name = f"{column}_h_s" if column.startswith("hashrate") else column
        found.sort(
            key=lambda rig: _sortable(getattr(rig, name)), reverse=query.sort.startswith("-")
        )
        return found

    async def _blocks(self, call: Call) -> object:
        query = call.query
        begin = key_of(query.cursor, int) or 0
        blocks = self.programme.blocks()
        items = list(enumerate(blocks[begin : begin + query.limit + 1], begin + 1))
        page = page_of(items, query.limit, lambda item: item[0], len(blocks))
        return Page([block for _, block in page.items], page.next, page.total)

    async def _events(self, call: Call) -> object:
        query = call.query
        found = [event for event in self.programme.events if event.id > query.after]
        return page_of(found, query.limit, lambda event: event.id, None)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        try:
            self._access.admit(request, "read")
        except ApiError as error:
            return error.response()
        last = request.headers.get("Last-Event-ID", "")
        self.last_ids.append(last)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"retry: 200\n\n")
        sent = int(last) if last else self.programme.events[-1].id
        loop = asyncio.get_running_loop()
        while True:
            view = await loop.run_in_executor(None, self.programme.configured)
            await response.write(_message("power", view))
            await response.write(_message("status", self.programme.status()))
            await response.write(_message("nodes", self.programme.nodes()))
            for event in [each for each in self.programme.events if each.id > sent]:
                await response.write(_message("event", event, event.id))
                sent = event.id
            await asyncio.sleep(self.tick_s)
            self.programme.tick += 1

    def tell(self, level: str, name: str, **fields: Any) -> None:
        """Another event, which the streams bring."""
        events = self.programme.events
        events.append(Event(events[-1].id + 1, self.programme.at, level, name, fields))


def _sortable(value: Any) -> Any:
    value = getattr(value, "value", value)
    return 0 if value is None else value


def _message(kind: str, what: object, number: int | None = None) -> bytes:
    head = "" if number is None else f"id: {number}\n"
    return f"{head}event: {kind}\ndata: {msgspec.json.encode(what).decode()}\n\n".encode()


@asynccontextmanager
async def on_stage(programme: Programme, **options: Any) -> AsyncIterator[Stage]:
    """A stage for as long as it is needed."""
    stage = Stage(programme, **options)
    await stage.start()
    try:
        yield stage
    finally:
        await stage.stop()
