"""The rigs, kept over a restart."""

import asyncio
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path

import pytest
import structlog

from poolserver.config import parse_config
from poolserver.control_room.outfit import power_tree, rig_book
from poolserver.control_room.rig_keeper import AT_ONCE, RigKeeper, steady_th_s
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import WorkerKey
from poolserver.power.rating import RatingSource
from poolserver.power.rig_book import RigBook
from poolserver.stats.meter import NO_READING, Hashrates, Reading
from tests.unit.pool_toml import POOL_TOML
from tests.unit.power.rig_news import News

SITE = """
[[sites]]
name = "Sahiwal"
accounts = ["sahiwal"]
budget_mw = 1
[[sites.nodes]]
name = "T1"
addresses = ["10.0.0.0/8"]
"""
KEY = WorkerKey("Sahiwal", "sahiwal", "sahiwal.a1")


def reading(quarter: float, hour: float, sigma: float = 0.037) -> Reading:
    return NO_READING._replace(
        hashrates=Hashrates(0, 0, quarter, hour, 0, 0, 0),
        relative_sigmas=Hashrates(0, 0, 2 * sigma, sigma, 0, 0, 0),
    )


def new_book() -> RigBook:
    config = parse_config(POOL_TOML + SITE, source="pool.toml", folder=Path("/"), environ={})
    return rig_book(config, power_tree(config))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LedgerStore]:
    store = LedgerStore(SqliteDatabase(tmp_path / "ledger.sqlite"))
    await store.open()
    yield store
    await store.close()


async def test_after_a_restart_work_is_booked_at_the_same_place(store: LedgerStore) -> None:
    book = new_book()
    keeper = RigKeeper(book, store, lambda account, worker: reading(200e12, 201e12))
    book.take(News(watts=3500), 1000)
    book.place_of(KEY)
    await keeper.look()
    before = book.place_of(KEY)
    assert before is not None
    assert (before.node, before.rating.source) == ("Sahiwal/T1", RatingSource.HINT)
    await keeper.close()

    again = new_book()
    await store.read(RigKeeper(again, store, lambda account, worker: NO_READING).load)
    assert again.place_of(KEY) == before


async def test_rigs_are_measured_a_few_at_a_time(store: LedgerStore) -> None:
    book = new_book()
    turns = []
    keeper = RigKeeper(book, store, lambda account, worker: turns.append(turn) or NO_READING)  # type: ignore[func-returns-value]
    for number in range(3 * AT_ONCE):
        name = f"sahiwal.a{number}"
        book.take(News(worker=name, watts=3500), 1000)
        book.place_of(WorkerKey("Sahiwal", "sahiwal", name))
    looking, turn = asyncio.create_task(keeper.look()), 0
    while not looking.done():
        await asyncio.sleep(0)
        turn += 1
    assert [turns.count(each) for each in sorted(set(turns))] == [AT_ONCE] * 3


async def test_what_could_not_be_saved_is_saved_later(tmp_path: Path) -> None:
    store = LedgerStore(SqliteDatabase(tmp_path / "ledger.sqlite"))
    book, now = new_book(), 0.0
    keeper = RigKeeper(book, store, lambda account, worker: NO_READING, lambda: now)
    book.take(News(), 1000)
    with structlog.testing.capture_logs() as logs:
        await keeper.save()  # it is not open
        await store.open()
        await keeper.save()
    assert [entry["event"] for entry in logs] == ["rigs_not_saved", "rigs_saved_again"]
    again = new_book()
    await store.read(RigKeeper(again, store, lambda account, worker: NO_READING).load)
    await store.close()
    assert again.known("sahiwal.a1") is not None


def test_a_hashrate_is_taken_once_it_is_well_known_and_steady() -> None:
    assert steady_th_s(reading(203e12, 201.26e12)) == 201
    assert steady_th_s(reading(1.24e12, 1.2345e12)) == Fraction("1.23")
    assert steady_th_s(NO_READING) is None
    assert steady_th_s(reading(200e12, 200e12, sigma=0.06)) is None


def test_a_rig_that_was_off_for_a_while_is_not_measured() -> None:
    assert steady_th_s(reading(0.0, 150e12)) is None  # off
    assert steady_th_s(reading(190e12, 120e12)) is None  # and back
