"""``/status``, ``/sites``, ``/nodes`` and ``/events``: the pool at a glance, and what happens."""

from collections.abc import Sequence
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from poolserver.api.endpoint import Call, Endpoint
from poolserver.api.page import MOST_ITEMS, Page
from poolserver.log import EventFeed
from poolserver.lookout.view import Event, NodeStatus, SiteStatus, Status

Level = Literal["info", "warning", "error"]

MOST_ID = (1 << 53) - 1
"""What JSON's numbers hold without loss (RFC 8259, 6)."""

# What is at least as bad as each.
_FROM: dict[Level, frozenset[str]] = {
    "info": frozenset({"info", "warning", "error", "critical"}),
    "warning": frozenset({"warning", "error", "critical"}),
    "error": frozenset({"error", "critical"}),
}


class Shown(Protocol):
    """Who is asked; see ``lookout.overview.Overview``."""

    def status(self) -> Status: ...
    def sites(self) -> list[SiteStatus]: ...
    def nodes(self) -> list[NodeStatus]: ...


class EventsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of ``/events``. Without ``after`` the newest are given."""

    after: (
        Annotated[int, Meta(ge=0, le=MOST_ID, description="Only events with a greater id.")] | None
    ) = None
    limit: Annotated[int, Meta(ge=1, le=MOST_ITEMS, description="Of a page.")] = 200
    level: Annotated[Level, Meta(description="Only what is at least as bad.")] = "info"


def overview_endpoints(shown: Shown, feed: EventFeed) -> Sequence[Endpoint]:
    """The endpoints. They change nothing."""

    async def status(call: Call) -> Status:
        return shown.status()

    async def sites(call: Call) -> list[SiteStatus]:
        return shown.sites()

    async def nodes(call: Call) -> list[NodeStatus]:
        return shown.nodes()

    async def events(call: Call) -> Page[Event]:
        return page_of_events(feed, call.query)

    return [
        Endpoint("GET", "/status", "The whole pool at a glance", status, answer=Status),
        Endpoint("GET", "/sites", "Every site", sites, answer=list[SiteStatus]),
        Endpoint("GET", "/nodes", "Every Bitcoin node", nodes, answer=list[NodeStatus]),
        Endpoint(
            "GET",
            "/events",
            "The newest lines of the log",
            events,
            query=EventsQuery,
            answer=Page[Event],
            description=(
                "Oldest first. The last 1,000 are kept, from `info` up, whatever level the log "
                "itself shows. With `after`, the oldest of what is newer is given, and `next` is "
                "the id to go on from."
            ),
        ),
    ]


def page_of_events(feed: EventFeed, query: EventsQuery) -> Page[Event]:
    """The oldest after ``after``, or else the newest of all; oldest first."""
    levels = _FROM[query.level]
    found = [each for each in feed.after(query.after or 0) if each.level in levels]
    if query.after is None:
        return Page(found[-query.limit :], None)
    shown = found[: query.limit]
    return Page(shown, str(shown[-1].id) if len(found) > len(shown) else None)
