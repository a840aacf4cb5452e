"""``/mappings``: where rigs are, as people say it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Protocol, TypeVar

import msgspec
from msgspec import Meta

from poolserver.api.endpoint import Call, Endpoint
from poolserver.api.page import MOST_ITEMS, Cursor, Page, key_of, page_of
from poolserver.api.problem import ApiError
from poolserver.control_room.mapping_desk import MappingError, Placed, UnknownMappingError
from poolserver.ledger.database import StoreError

T = TypeVar("T")

MOST_BYTES = 256 << 10
"""A thousand rigs with names of some hundred bytes."""

_NodePath = Annotated[str, Meta(min_length=1, max_length=500, description="As `Sahiwal/T2`.")]
_Worker = Annotated[str, Meta(min_length=1, max_length=191, description="`account.worker`.")]


class MappingBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a rig is: a power node of the site of its account."""

    node: _NodePath


class Move(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of many. ``node`` null: it is where the configuration's rules say."""

    worker: _Worker
    node: _NodePath | None


class MappingLine(msgspec.Struct, frozen=True):
    """What was said of a rig. It ``holds`` unless its node is gone, or of another site now."""

    worker: str
    node: str
    at: float
    by: str
    holds: bool


class MappingsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of ``/mappings``."""

    limit: Annotated[int, Meta(ge=1, le=MOST_ITEMS, description="Of a page.")] = 200
    cursor: Cursor | None = None


class Mappings(Protocol):
    """Who is asked and told; see ``control_room.mapping_desk.MappingDesk``."""

    async def take(
        self, moves: Mapping[str, str | None], by: str, check_node: Callable[[str], None]
    ) -> None: ...
    async def take_back(self, worker: str, by: str, check_node: Callable[[str], None]) -> None: ...
    def page(self, limit: int, after: str | None) -> Sequence[Placed]: ...
    def __len__(self) -> int: ...


_decode_body = msgspec.json.Decoder(MappingBody).decode
_decode_moves = msgspec.json.Decoder(Annotated[list[Move], Meta(max_length=MOST_ITEMS)]).decode


def mapping_endpoints(mappings: Mappings) -> Sequence[Endpoint]:
    """The endpoints. A token has to be for the place that a rig comes from, and where it goes."""

    async def list_mappings(call: Call) -> Page[MappingLine]:
        limit = call.query.limit
        found = mappings.page(limit + 1, key_of(call.query.cursor, str))
        lines = [_line(each) for each in found]
        return page_of(lines, limit, lambda line: line.worker, len(mappings))

    async def put_mapping(call: Call) -> None:
        node = _read(_decode_body, call.body).node
        await take({call.path["worker"]: node}, call)

    async def delete_mapping(call: Call) -> None:
        try:
            await mappings.take_back(call.path["worker"], call.by, call.check_node)
        except UnknownMappingError as error:
            raise ApiError("not_found", str(error)) from None
        except (MappingError, StoreError) as error:
            raise _problem(error) from error

    async def put_mappings(call: Call) -> None:
        moves = _read(_decode_moves, call.body)
        by_worker = {each.worker: each.node for each in moves}
        if len(by_worker) != len(moves):
            raise ApiError("refused", "a worker stands in it twice")
        await take(by_worker, call)

    async def take(moves: Mapping[str, str | None], call: Call) -> None:
        try:
            await mappings.take(moves, call.by, call.check_node)
        except (MappingError, StoreError) as error:
            raise _problem(error) from error

    return [
        Endpoint(
            "GET",
            "/mappings",
            "Rigs whose place was told",
            list_mappings,
            query=MappingsQuery,
            answer=Page[MappingLine],
        ),
        Endpoint(
            "POST",
            "/mappings",
            "Say where many rigs are: all of it, or nothing",
            put_mappings,
            scope="mapping",
            body=Annotated[list[Move], Meta(max_length=MOST_ITEMS)],
            problems=("refused",),
            most_bytes=MOST_BYTES,
        ),
        Endpoint(
            "PUT",
            "/mappings/{worker:.+}",
            "Say where a rig is",
            put_mapping,
            scope="mapping",
            body=MappingBody,
            problems=("refused",),
        ),
        Endpoint(
            "DELETE",
            "/mappings/{worker:.+}",
            "Have a rig be where the configuration's rules say",
            delete_mapping,
            scope="mapping",
            problems=("refused", "not_found"),
        ),
    ]


def _line(placed: Placed) -> MappingLine:
    word = placed.word
    return MappingLine(
        word.worker, word.node or "", word.taken_at_ms / 1000, word.issued_by, placed.holds
    )


def _problem(error: MappingError | StoreError) -> ApiError:
    if isinstance(error, StoreError):
        return ApiError("not_recorded", "the database cannot be written; the log has more")
    return ApiError("refused", str(error))


def _read(decode: Callable[[bytes], T], body: bytes) -> T:
    try:
        return decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ApiError("refused", str(error)[:200]) from None
