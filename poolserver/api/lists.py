"""``/rigs``, ``/blocks`` and ``/history``: what is long, in pages and in steps."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Protocol, TypeVar

import msgspec
from msgspec import Meta

from poolserver.api.endpoint import Call, Endpoint
from poolserver.api.page import MOST_ITEMS, Cursor, Page, cursor_of, key_of, page_of
from poolserver.api.problem import ApiError
from poolserver.ledger.database import Connection, StoreError
from poolserver.lookout.blocks import BlockSpot, Efforts, block_page
from poolserver.lookout.history import Span
from poolserver.lookout.rig_index import SORTS, RigQuery, State
from poolserver.lookout.rigs import RigPage, Spot
from poolserver.lookout.view import BlockLine, History, RigLine

T = TypeVar("T")

MOST_LISTS_AT_ONCE = 8
"""They wait for each other, some 100 ms each of 100,000 rigs; whoever asks for else need not."""
Limit = Annotated[int, Meta(ge=1, le=MOST_ITEMS, description="Of a page.")]
Text = Annotated[str, Meta(max_length=200)]
if TYPE_CHECKING:
    Sort = str
else:
    Sort = Literal[tuple(f"{sign}{column}" for column in SORTS for sign in ("", "-"))]


class RigsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of ``/rigs``."""

    q: Annotated[Text, Meta(description="In worker, model, address or node, in whatever case.")] = (
        ""
    )
    site: Annotated[Text, Meta(description="At this site.")] = ""
    node: Annotated[Text, Meta(description="At this power node or below it, by its path.")] = ""
    state: Annotated[State | Literal[""], Meta(description="Of one state; empty: of any.")] = ""
    sort: Annotated[
        Sort, Meta(description="By this column; with `-` before it the greatest first.")
    ] = "worker"
    limit: Limit = 200
    cursor: Cursor | None = None


class BlocksQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of ``/blocks``."""

    limit: Limit = 100
    cursor: Cursor | None = None


class HistoryQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of ``/history``."""

    site: Annotated[Text, Meta(description="Of this site; empty: of the whole pool.")] = ""
    span: Annotated[Span, Meta(description="How far back, in 288 to 360 points.")] = "1h"


class Rigs(Protocol):
    """See ``lookout.rigs.Rigs``."""

    def line(self, worker: str) -> RigLine | None: ...
    async def page(self, query: RigQuery, limit: int, spot: Spot | None) -> RigPage: ...


class Store(Protocol):
    """See ``ledger.store.LedgerStore``."""

    async def read(self, work: Callable[[Connection], T]) -> T: ...


HistoryOf = Callable[[str, Span], History | None]


def rig_endpoints(rigs: Rigs) -> Sequence[Endpoint]:
    """Lists of rigs, and one of them."""

    async def rig_page(call: Call) -> Page[RigLine]:
        asked: RigsQuery = call.query
        query = RigQuery(asked.q, asked.site, asked.node, asked.state, asked.sort)
        page = await rigs.page(query, asked.limit, key_of(asked.cursor, Spot))
        return Page(page.lines, page.next and cursor_of(page.next), page.total)

    async def rig(call: Call) -> RigLine:
        line = rigs.line(call.path["worker"])
        if line is None:
            raise ApiError("not_found", "no rig of that name is known")
        return line

    return [
        Endpoint(
            "GET",
            "/rigs",
            "Rigs, searched and sorted",
            rig_page,
            query=RigsQuery,
            answer=Page[RigLine],
            most_at_once=MOST_LISTS_AT_ONCE,
            description=(
                "Pages of one list keep its order while they are read one after the other, so no "
                "rig is seen twice; figures are at most 20 s old. A list that nobody read for long "
                "goes on after the last rig of the page before."
            ),
        ),
        Endpoint(
            "GET",
            "/rigs/{worker:.+}",
            "One rig, as it is now",
            rig,
            answer=RigLine,
            problems=("not_found",),
        ),
    ]


def block_endpoints(store: Store, efforts: Efforts) -> Sequence[Endpoint]:
    """Found blocks."""

    async def blocks(call: Call) -> Page[BlockLine]:
        asked: BlocksQuery = call.query
        spot, of_blocks = key_of(asked.cursor, BlockSpot), efforts.of_blocks()
        try:
            lines = await store.read(
                lambda connection: block_page(connection, of_blocks, asked.limit + 1, spot)
            )
        except StoreError as error:
            raise ApiError("not_yet", f"the books cannot be read: {error}") from error
        return page_of(lines, asked.limit, lambda line: (line.height, line.hash), None)

    return [
        Endpoint(
            "GET",
            "/blocks",
            "Found blocks, the highest first",
            blocks,
            query=BlocksQuery,
            answer=Page[BlockLine],
            problems=("not_yet",),
        )
    ]


def history_endpoints(history_of: HistoryOf) -> Sequence[Endpoint]:
    """Series over time."""

    async def history(call: Call) -> History:
        asked: HistoryQuery = call.query
        found = history_of(asked.site, asked.span)
        if found is None:
            raise ApiError("not_found", "nothing is known of a site of that name")
        return found

    return [
        Endpoint(
            "GET",
            "/history",
            "Hashrate, power and shares over time",
            history,
            query=HistoryQuery,
            answer=History,
            problems=("not_found",),
        )
    ]
