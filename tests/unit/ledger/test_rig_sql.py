"""Saved rigs in each kind of database."""

from collections.abc import AsyncIterator
from fractions import Fraction
from functools import partial

import pytest

from poolserver.ledger import rig_sql
from poolserver.ledger.database import Database
from poolserver.ledger.store import LedgerStore
from poolserver.power.rater import Identity
from poolserver.power.rig_book import SavedRig

KNOWN = Identity(
    "2001:db8::7", "Antminer S21/1.0", "S21; ü", 3500, Fraction("17.35"), Fraction("201.5")
)


@pytest.fixture
async def store(database: Database) -> AsyncIterator[LedgerStore]:
    store = LedgerStore(database)
    await store.open()
    yield store
    await store.close()


async def put(store: LedgerStore, *rigs: SavedRig, at_most: int = 100) -> None:
    await store.write(partial(rig_sql.put, changed=rigs, at_most=at_most))


async def saved(store: LedgerStore) -> list[SavedRig]:
    return await store.read(lambda connection: list(rig_sql.rigs(connection)))


async def test_a_rig_comes_back_as_it_was(store: LedgerStore) -> None:
    rigs = [SavedRig("a.1", "a", KNOWN, 1), SavedRig("a.2", "a", Identity(), 2)]
    await put(store, *rigs)
    assert await saved(store) == rigs


async def test_a_rig_is_replaced_and_comes_behind_those_seen_before(store: LedgerStore) -> None:
    await put(store, SavedRig("a.1", "a", Identity(), 1), SavedRig("a.2", "a", Identity(), 2))
    await put(store, SavedRig("a.1", "a", KNOWN, 3))
    assert [(rig.worker, rig.identity) for rig in await saved(store)] == [
        ("a.2", Identity()),
        ("a.1", KNOWN),
    ]


async def test_who_was_seen_longest_ago_is_forgotten_where_there_are_too_many(
    store: LedgerStore,
) -> None:
    await put(store, *(SavedRig(f"a.{n}", "a", Identity(), n) for n in range(5)), at_most=3)
    assert [rig.worker for rig in await saved(store)] == ["a.2", "a.3", "a.4"]


async def test_its_own_report_is_not_saved(store: LedgerStore) -> None:
    await put(store, SavedRig("a.1", "a", KNOWN._replace(telemetry=Fraction(17)), 1))
    assert (await saved(store))[0].identity == KNOWN
