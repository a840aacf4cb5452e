"""Saved statistics in each kind of database."""

from collections.abc import AsyncIterator

import pytest

from poolserver.ledger import meter_sql
from poolserver.ledger.database import Database
from poolserver.ledger.delta import Delta, Progress, WorkerRef
from poolserver.ledger.meter_sql import MeteredSource, MeterRow
from poolserver.ledger.store import LedgerStore


@pytest.fixture
async def store(database: Database) -> AsyncIterator[LedgerStore]:
    store = LedgerStore(database)
    await store.open()
    yield store
    await store.close()


def row(name: str, saved_at_ms: int = 1, level: str = "worker", state: bytes = b"\0\1") -> MeterRow:
    return MeterRow(level, "demo", name, saved_at_ms, state)


async def saved(store: LedgerStore, level: str | None = None) -> list[MeterRow]:
    return await store.read(lambda connection: sorted(meter_sql.meters(connection, level)))


async def put(store: LedgerStore, *rows: MeterRow, **metered: int) -> None:
    await store.write(lambda connection: meter_sql.put(connection, rows, metered))


async def test_a_meter_is_replaced_by_its_later_state(store: LedgerStore) -> None:
    await put(store, row("a"), row("b"), row("a", level="site"))
    await put(store, row("a", 2, state=b"\xff"))
    assert await saved(store) == [row("a", 1, "site"), row("a", 2, state=b"\xff"), row("b")]
    assert await saved(store, "site") == [row("a", 1, "site")]


async def test_how_far_a_source_is_in_the_meters_stands_beside_the_sums(store: LedgerStore) -> None:
    await store.apply(
        Delta(
            progress={"old": Progress(0, 5), "mid": Progress(0, 7)},
            workers={WorkerRef("old", 1): ("a", "a.1"), WorkerRef("mid", 1): ("b", "b.1")},
        )
    )
    await store.end_sources(["old"])
    await put(store, mid=9, young=3)  # the meters may be ahead of the sums, and the first to know
    assert await store.read(meter_sql.sources) == {
        "old": MeteredSource(5, 0, True),
        "mid": MeteredSource(7, 9, False),
        "young": MeteredSource(0, 3, False),
    }
    assert len(await store.read(meter_sql.workers)) == 2
    await put(store, old=5)
    assert await store.read(meter_sql.workers) == {WorkerRef("mid", 1): ("b", "b.1")}
    # The sums do not mind: they stand where they stood.
    await store.apply(Delta(progress={"mid": Progress(7, 8), "young": Progress(0, 1)}))


async def test_what_was_idle_for_too_long_is_forgotten(store: LedgerStore) -> None:
    await put(store, row("a", 10), row("b", 20), row("c", 5, "site"))
    await store.write(lambda connection: meter_sql.leave(connection, "worker", 20, 100))
    assert await saved(store) == [row("c", 5, "site"), row("b", 20)]


@pytest.mark.parametrize(("at_most", "kept"), [(1, ["d"]), (2, ["c", "d"]), (4, list("abcd"))])
async def test_of_too_many_the_oldest_are_forgotten(
    store: LedgerStore, at_most: int, kept: list[str]
) -> None:
    await put(store, *(row(name, number) for number, name in enumerate("abcd")))
    await store.write(lambda connection: meter_sql.leave(connection, "worker", 0, at_most))
    assert [each.name for each in await saved(store)] == kept
