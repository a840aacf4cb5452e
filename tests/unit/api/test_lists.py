"""What may be asked of lists, and what a page's cursor is good for."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import msgspec
import pytest

from poolserver.api.endpoint import Call, Endpoint
from poolserver.api.lists import (
    BlocksQuery,
    HistoryQuery,
    RigsQuery,
    block_endpoints,
    history_endpoints,
    rig_endpoints,
)
from poolserver.api.page import Page, cursor_of
from poolserver.api.problem import ApiError
from poolserver.ledger.database import Connection, StoreError
from poolserver.lookout.history import Histories, Sample
from poolserver.lookout.rig_index import SORTS
from poolserver.lookout.view import RigLine
from tests.unit.lookout.fleet import MadeUpFleet
from tests.unit.lookout.fleet_of import rigs_of

T = TypeVar("T")


async def ask(endpoint: Endpoint, query: Any = None, **path: str) -> Any:
    return await endpoint.handler(Call(path, query, b"", None, "127.0.0.1"))


async def test_rigs_are_read_to_the_end_by_cursors() -> None:
    fleet = MadeUpFleet()
    for number in range(25):
        fleet.add(f"hall.{number:02}")
    listed, one = rig_endpoints(rigs_of(fleet)[0])
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page: Page[RigLine] = await ask(listed, RigsQuery(limit=10, cursor=cursor))
        seen += [line.worker for line in page.items]
        assert page.total == 25
        if (cursor := page.next) is None:
            break
    assert seen == sorted(fleet.known)
    assert (await ask(one, worker="hall.07")).worker == "hall.07"
    with pytest.raises(ApiError) as caught:
        await ask(one, worker="hall.99")
    assert caught.value.code == "not_found"


@pytest.mark.parametrize("sort", [*SORTS, *(f"-{each}" for each in SORTS)])
def test_each_column_may_be_asked_for_either_way(sort: str) -> None:
    assert msgspec.convert({"sort": sort}, RigsQuery, strict=False).sort == sort


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        (RigsQuery, {"sort": "password"}),
        (RigsQuery, {"sort": "--worker"}),
        (RigsQuery, {"sort": "worker\n"}),
        (RigsQuery, {"state": "asleep"}),
        (RigsQuery, {"limit": "0"}),
        (RigsQuery, {"limit": "1001"}),
        (RigsQuery, {"q": "x" * 201}),
        (RigsQuery, {"page": "2"}),
        (BlocksQuery, {"limit": "-1"}),
        (HistoryQuery, {"span": "2h"}),
    ],
)
def test_what_makes_no_sense_is_refused(kind: Any, query: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(query, kind, strict=False)


class Books:
    """A database that is asked nothing, or that is away."""

    def __init__(self, *, is_away: bool = False) -> None:
        self.is_away = is_away

    async def read(self, work: Callable[[Connection], T]) -> T:
        if self.is_away:
            raise StoreError("db", "is away")
        nothing: Any = SimpleNamespace(execute=lambda sql, values: [])
        return work(nothing)


EFFORTS: Any = SimpleNamespace(of_blocks=dict)


@pytest.mark.parametrize(
    "key",
    [(2**70, "0" * 64), (-1, "0" * 64), (1, "x"), (1, "0" * 63 + "\0"), ("1", "0" * 64), (1,), 1],
)
async def test_a_cursor_that_was_tampered_with_asks_no_database(key: Any) -> None:
    (blocks,) = block_endpoints(Books(is_away=True), EFFORTS)
    with pytest.raises(ApiError) as caught:
        await ask(blocks, BlocksQuery(cursor=cursor_of(key)))
    assert caught.value.code == "bad_request"


async def test_books_that_are_away_are_told_as_such() -> None:
    (blocks,) = block_endpoints(Books(is_away=True), EFFORTS)
    with pytest.raises(ApiError) as caught:
        await ask(blocks, BlocksQuery())
    assert (caught.value.code, caught.value.status) == ("not_yet", 503)
    (blocks,) = block_endpoints(Books(), EFFORTS)
    assert await ask(blocks, BlocksQuery(cursor=cursor_of((7, "0" * 64)))) == Page([], None)


async def test_history_is_of_the_pool_or_of_a_site() -> None:
    histories = Histories()
    histories.take(1000.0, {"": Sample(), "hall": Sample()})
    (history,) = history_endpoints(lambda site, span: histories.history(site, span, 1010.0))
    assert (await ask(history, HistoryQuery())).step_s == 10
    assert (await ask(history, HistoryQuery("hall", "7d"))).step_s == 1800
    with pytest.raises(ApiError) as caught:
        await ask(history, HistoryQuery("barn"))
    assert caught.value.code == "not_found"
