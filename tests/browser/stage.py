"""A server that tells of the made-up programme as a pool tells of itself: the page's stage."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from poolserver.api.access import Access
from poolserver.api.endpoint import API, Call, Endpoint
from poolserver.api.lists import BlocksQuery, history_endpoints, rig_endpoints
from poolserver.api.live_page import live_page_routes
from poolserver.api.overview import overview_endpoints
from poolserver.api.page import Page, key_of, page_of
from poolserver.api.power import power_endpoints
from poolserver.api.problem import ApiError
from poolserver.api.router import Router
from poolserver.api.tokens import Token, Tokens, hash_of
from poolserver.control_room.detail import NodeDetail
from poolserver.control_room.view import PowerView
from poolserver.log import EventFeed
from poolserver.lookout.rig_index import RigQuery
from poolserver.lookout.rigs import RigPage, Spot
from poolserver.lookout.view import BlockLine, RigLine
from tests.browser.past import made_up_events
from tests.browser.programme import Programme
from tests.unit.api.unwritten import Unwritten

# Made up: they open nothing but the stage.
READING = "made-up-for-reading"
WRITING = "made-up-for-writing"
EVERYWHERE = ("0.0.0.0/0", "::/0")


class MadeUpRigs:
    """As ``lookout.rigs.Rigs``: finds, sorts and pages."""

    def __init__(self, programme: Programme) -> None:
        self._programme = programme
        self._lists: dict[RigQuery, list[RigLine]] = {}

    def line(self, worker: str) -> RigLine | None:
        return next((rig for rig in self._programme.rigs if rig.worker == worker), None)

    async def page(self, query: RigQuery, limit: int, spot: Spot | None) -> RigPage:
        if query not in self._lists:
            self._lists[query] = self._listed(query)
        found = self._lists[query]
        begin = 0 if spot is None else spot.position
        lines = found[begin : begin + limit]
        end = begin + len(lines)
        after = Spot(0, end, lines[-1].worker) if end < len(found) else None
        return RigPage(lines, after, len(found))

    def _listed(self, query: RigQuery) -> list[RigLine]:
        text = query.text.lower()
        column = query.sort.removeprefix("-")
        name = {"power": "power_w"}.get(column, column)
        name = f"{name}_h_s" if name.startswith("hashrate") else name
        return sorted(
            (
                rig
                for rig in self._programme.rigs
                if text in f"{rig.worker} {rig.model} {rig.address} {rig.node}".lower()
                and query.site in ("", rig.site)
                and query.state in ("", rig.state)
                and (not query.node or f"{rig.node}/".startswith(f"{query.node}/"))
            ),
            key=lambda rig: _sortable(getattr(rig, name)),
            reverse=query.sort.startswith("-"),
        )


class MadeUpRoom:
    """As ``control_room.room.ControlRoom``."""

    def __init__(self, programme: Programme) -> None:
        self._programme = programme

    @property
    def view(self) -> PowerView:
        return self._programme.power()

    async def detail(self, path: str, most_rigs: int) -> NodeDetail | None:
        return self._programme.detail(path)


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
        self._event_at = programme.at
        self.feed = EventFeed(lambda: self._event_at)
        for event in made_up_events():
            self._event_at = event.at
            self.feed.take(event.level, event.event, event.fields)
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen; at the same port as before after a stop."""
        app = web.Application()
        app.add_routes(live_page_routes())
        router = Router(self._access, Unwritten())
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
        """Those of a pool, with made-up answers."""
        made_up = self.programme
        blocks = Endpoint(
            "GET", "/blocks", "", self._blocks, query=BlocksQuery, answer=Page[BlockLine]
        )
        return [
            *overview_endpoints(made_up, self.feed),
            *rig_endpoints(MadeUpRigs(made_up)),
            *history_endpoints(lambda site, span: made_up.history(span, site)),
            *power_endpoints(MadeUpRoom(made_up)),
            blocks,
        ]

    async def _blocks(self, call: Call) -> object:
        query = call.query
        begin = key_of(query.cursor, int) or 0
        blocks = self.programme.blocks()
        items = list(enumerate(blocks[begin : begin + query.limit + 1], begin + 1))
        page = page_of(items, query.limit, lambda item: item[0], len(blocks))
        return Page([block for _, block in page.items], page.next, page.total)

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
        sent = int(last) if last else self.feed.last_id
        loop = asyncio.get_running_loop()
        while True:
            view = await loop.run_in_executor(None, self.programme.configured)
            await response.write(_message("power", view))
            await response.write(_message("status", self.programme.status()))
            await response.write(_message("nodes", self.programme.nodes()))
            for event in self.feed.after(sent):
                await response.write(_message("event", event, event.id))
                sent = event.id
            await asyncio.sleep(self.tick_s)
            self.programme.tick += 1

    def tell(self, level: str, name: str, **fields: Any) -> None:
        """Another event, which the streams bring."""
        self._event_at = self.programme.at
        self.feed.take(level, name, fields)


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
