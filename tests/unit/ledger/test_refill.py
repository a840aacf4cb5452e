"""A database that goes back while the pool runs: nothing is lost, and nothing counts twice."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from structlog.testing import capture_logs

from poolserver.ledger import keeper as keeper_module
from poolserver.ledger import refill, share_sql, unsaved
from poolserver.ledger.blocks import BlockChange, BlockState, BlockStep
from poolserver.ledger.database import Database, StoreError
from poolserver.ledger.delta import Delta
from poolserver.ledger.keeper import LedgerKeeper
from poolserver.ledger.records import BlockRecord, JournalBatch, Record
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import DAY_S
from tests.unit.ledger.books import (
    DAY,
    RIGS,
    SOURCE,
    Books,
    day_ms,
    day_of_shares,
    declared,
    share,
    template,
)
from tests.unit.ledger.going_back import keep
from tests.unit.ledger.strategies import encode

OTHER = "pool-1/1/100"
TABLES = {
    "worker_interval": "begin_s, site, account, worker",
    "account_interval": "begin_s, account, nbits",
    "node_work": "begin_s, node",
    "source": "source",
    "seal": "through_day",
    "seal_cutoff": "through_day, source",
    "block": "hash",
    "block_event": "hash, number",
}


class Pool:
    """Books that are kept, of a journal that is written by hand; its clock is set by hand."""

    def __init__(self, folder: Path, database: Database, store: LedgerStore | None = None) -> None:
        self.books = Books(folder, database)
        self.unix_s = DAY * DAY_S + 60.0
        self._next: dict[str, int] = {}
        self.keeper = LedgerKeeper(
            store or LedgerStore(database),
            self.books.journal_dir,
            site_of=lambda account: self.books.sites.get(account, "unassigned"),
            on_delta=lambda delta: None,
            clock=lambda: self.unix_s,
            unix_time=lambda: self.unix_s,
        )

    async def book(self, records: Sequence[Record], source: str = SOURCE) -> None:
        """Write records to the journal and fold them."""
        first = self._next.get(source, 1)
        self._next[source] = first + len(records)
        data = encode(first, records)
        self.books.write(source, first, data)
        self.keeper.add(JournalBatch(source, first, len(records), data))
        await self.keeper.take_in()

    async def end_day(self) -> None:
        """Ten minutes after midnight."""
        self.unix_s = (self.unix_s // DAY_S + 1) * DAY_S + 1
        self.keeper.close_days()
        self.unix_s += 601
        self.keeper.close_days()


@asynccontextmanager
async def running(
    folder: Path, database: Database, store: LedgerStore | None = None
) -> AsyncIterator[Pool]:
    pool = Pool(folder, database, store)
    await pool.keeper.open()
    for source in (SOURCE, OTHER):
        await pool.book([*declared(*RIGS), template()], source)
    yield pool
    await pool.keeper.close()


def contents(database: Database) -> dict[str, list[Any]]:
    """What a database has of shares, days and blocks; numbers that it gives itself are left out."""
    connection = database.reader()
    found = {}
    for table, order in TABLES.items():
        by_worker = "JOIN worker ON id = worker_id" if table == "worker_interval" else ""
        cursor: Any = connection.execute(f"SELECT * FROM {table} {by_worker} ORDER BY {order}")
        names = [each[0] for each in cursor.description]
        numbers = [at for at, name in enumerate(names) if name in ("id", "worker_id", "number")]
        found[table] = [
            tuple(value for at, value in enumerate(row) if at not in numbers) for row in cursor
        ]
    connection.close()
    return found


def block(state: BlockState, number: int = 1) -> BlockChange:
    hash_hex = number.to_bytes(32, "big").hex()
    return BlockChange(hash_hex, 900_000 + number, "north.rig1", state, "", 5)


def found(number: int = 1) -> BlockRecord:
    return BlockRecord(900_000 + number, number.to_bytes(32, "little"), 1, day_ms(DAY))


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (keeper_module, refill):
        monkeypatch.setattr(module, "PART_ROWS", 8)
    monkeypatch.setattr(unsaved.Unsaved.__init__, "__defaults__", (8,))


@pytest.mark.usefixtures("small_parts")
async def test_a_database_that_goes_back_is_filled_up_from_the_journal(
    tmp_path: Path, database: Database
) -> None:
    async with running(tmp_path, database) as pool:
        await pool.keeper.save()
        put_back = keep(database)
        for _ in range(2):
            for source in (SOURCE, OTHER):
                await pool.book(day_of_shares(DAY), source)
            await pool.keeper.save()
        before = contents(database)
        put_back()
        with capture_logs() as said:
            await pool.book([share(0, day_ms(DAY, 5), work=0)])
            await pool.keeper.save()
        assert [line["event"] for line in said] == ["ledger_went_back", "ledger_filled_up"]
        assert said[0]["records"] == 120
    after = contents(database)
    assert after["account_interval"] == before["account_interval"]
    rows = {row[0]: row for row in after["source"]}
    assert (rows[SOURCE][1], rows[OTHER][1]) == (65, 64)


async def test_shares_that_were_not_saved_when_it_went_back_count_once(
    tmp_path: Path, database: Database
) -> None:
    async with running(tmp_path, database) as pool:
        await pool.keeper.save()
        put_back = keep(database)
        await pool.book(day_of_shares(DAY))
        await pool.keeper.save()
        await pool.book(day_of_shares(DAY))
        put_back()
        await pool.keeper.save()
        totals = pool.keeper.totals
    store = LedgerStore(database, to_read=True)
    assert (await store.open()).totals == totals
    await store.close()
    assert totals.sites["hall"].proven_work > 0


async def test_a_day_that_was_closed_is_closed_again_with_the_same_records_in_it(
    tmp_path: Path, database: Database
) -> None:
    late = [share(1, day_ms(DAY, 80_000))]
    async with running(tmp_path, database) as pool:
        await pool.keeper.save()
        put_back = keep(database)
        await pool.book(day_of_shares(DAY))
        await pool.end_day()
        await pool.book(late)  # of a day that is closed: it is booked in the next one
        await pool.book(late, OTHER)
        await pool.keeper.save()
        before = contents(database)
        assert before["seal"]
        put_back()
        await pool.book([share(0, day_ms(DAY + 1, 900), work=0)])
        await pool.keeper.save()
    after = contents(database)
    for table in ("account_interval", "node_work", "seal", "seal_cutoff"):
        assert after[table] == before[table]


async def test_a_day_that_a_former_life_closed_is_closed_again(
    tmp_path: Path, database: Database
) -> None:
    async with running(tmp_path, database) as pool:
        await pool.keeper.save()
        put_back = keep(database)
        await pool.book(day_of_shares(DAY))
        await pool.end_day()
    second = Pool(tmp_path, database)
    second._next = {"later": 1}
    await second.keeper.open()
    await second.book([*declared(*RIGS), template()], "later")
    await second.keeper.save()
    before = contents(database)
    put_back()
    await second.book([share(1, day_ms(DAY, 80_000))], "later")
    await second.keeper.close()
    after = contents(database)
    assert [row[0] for row in after["seal"]] == [row[0] for row in before["seal"]] == [DAY]
    assert after["seal_cutoff"] == before["seal_cutoff"]
    late = [row for row in after["account_interval"] if row[0] >= (DAY + 1) * DAY_S]
    assert len(late) == 1


async def test_what_became_of_blocks_is_told_again(tmp_path: Path, database: Database) -> None:
    state = BlockState
    async with running(tmp_path, database) as pool:
        await pool.book([found(1)])
        await pool.keeper.save()
        put_back = keep(database)
        await pool.book([found(2), found(3)])
        for number, steps in {
            1: [state.ACCEPTED, state.ORPHANED, state.ACCEPTED],
            2: [state.ACCEPTED, state.MATURE],
            3: [state.STALE],
        }.items():
            for each in steps:
                pool.keeper.note_block(block(each, number))
        pool.keeper.end_block(block(state.STALE, 3).hash_hex)
        await pool.keeper.save()
        pool.keeper.note_block(block(state.MATURE, 1))  # not saved yet
        await pool.book([found(4)])
        put_back()
        await pool.keeper.save()
    store = LedgerStore(database)
    await store.open()
    known = {each.height - 900_000: each for each in await store.known_blocks()}
    history = [
        [event.state for event in await store.block_history(block(state.FOUND, number).hash_hex)]
        for number in (1, 2, 3, 4)
    ]
    workers = {row.worker for row in await store.blocks()}
    await store.close()
    assert history == [
        ["found", "accepted", "orphaned", "mature"],  # how often is not kept in memory
        ["found", "accepted", "mature"],
        ["found", "stale"],
        ["found"],
    ]
    assert {number: each.final for number, each in known.items()} == {
        1: True,
        2: True,
        3: True,
        4: False,
    }
    assert workers == {"north.rig1"}


class Faltering(LedgerStore):
    """Takes what it is given, and then says now and then that it cannot be reached."""

    random = Random(0)
    odds = 0.0

    async def apply(self, delta: Delta, steps: Sequence[BlockStep] = ()) -> None:
        if self.random.random() < self.odds:
            raise StoreError(self.database, "cannot be reached", transient=True)
        await super().apply(delta, steps)
        if self.random.random() < self.odds:
            self._token = await self.read(share_sql.last_save)
            raise StoreError(self.database, "cannot be reached", transient=True)


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_is_lost_and_whenever_the_books_come_to_the_same(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refill, "PART_ROWS", 4)
    monkeypatch.setattr(unsaved.Unsaved.__init__, "__defaults__", (6,))
    random, database = Random(seed), SqliteDatabase(tmp_path / "ledger.sqlite")
    store = Faltering(database)
    store.random = random
    async with running(tmp_path, database, store) as pool:
        await pool.keeper.save()
        kept = [keep(database)]
        store.odds = 0.3
        for _ in range(60):
            match random.randrange(6):
                case 0 | 1 | 2:
                    day = int(pool.unix_s // DAY_S) - random.randrange(2)
                    source = random.choice((SOURCE, OTHER))
                    await pool.book(day_of_shares(day, random.randrange(1, 9)), source)
                case 3:
                    await pool.keeper.save()
                case 4:
                    kept.append(keep(database)) if random.random() < 0.5 else random.choice(kept)()
                case 5 if random.random() < 0.3:
                    await pool.end_day()
        store.odds = 0.0
        for source in (SOURCE, OTHER):
            await pool.book([share(1, day_ms(DAY, 5))], source)
        await pool.keeper.save()
        expected = contents(database)
        assert pool.keeper.totals.sites["hall"].accepted_work == sum(
            int(row[4]) for row in expected["account_interval"]
        )
    state = await _reopened(database)
    assert state == pool.keeper.totals


async def _reopened(database: Database) -> Any:
    store = LedgerStore(database, to_read=True)
    totals = (await store.open()).totals
    await store.close()
    return totals


async def test_where_the_journal_lacks_what_it_lost_it_is_said_and_nothing_is_made_up(
    tmp_path: Path, database: Database
) -> None:
    async with running(tmp_path, database) as pool:
        await pool.keeper.save()
        put_back = keep(database)
        await pool.book(day_of_shares(DAY))
        await pool.keeper.save()
        await pool.book(day_of_shares(DAY))
        before = contents(database)
        put_back()
        for path in sorted(pool.books.journal_dir.glob("*.journal"))[:2]:
            if "-00000000000000000005-" in path.name:
                path.unlink()
        with capture_logs() as said:
            await pool.keeper.save()
        events = {line["event"] for line in said}
        assert {"ledger_went_back", "journal_segment", "ledger_lacks", "ledger_store"} <= events
        with capture_logs() as said:
            await pool.keeper.save()
        assert "ledger_went_back" not in {line["event"] for line in said}  # not each ten seconds
    assert before != contents(database)


async def test_what_is_lost_of_a_former_life_does_not_keep_this_one_from_the_database(
    tmp_path: Path, database: Database
) -> None:
    async with running(tmp_path, database) as pool:
        await pool.keeper.save()
        put_back = keep(database)
        await pool.book(day_of_shares(DAY))
        await pool.book(day_of_shares(DAY), OTHER)
        former = pool.books.journal_dir
    for path in former.glob("*.journal"):
        path.unlink()
    second = Pool(tmp_path, database)
    await second.keeper.open()
    await second.book([*declared(*RIGS), template()], "later")
    await second.keeper.save()
    put_back()
    await second.book(day_of_shares(DAY), "later")
    with capture_logs() as said:
        await second.keeper.close()
    told = {line["event"]: line for line in said}
    assert told["ledger_lacks"]["sources"] == [SOURCE, OTHER]
    assert "ledger_store" not in told
    assert dict(row[:2] for row in contents(database)["source"]) == {
        SOURCE: 4,
        OTHER: 4,
        "later": 34,
    }


async def test_a_folder_that_cannot_be_read_for_a_while_is_read_at_the_next_save(
    tmp_path: Path,
) -> None:
    database = SqliteDatabase(tmp_path / "ledger.sqlite")
    async with running(tmp_path, database) as pool:
        await pool.keeper.save()
        put_back = keep(database)
        await pool.book(day_of_shares(DAY))
        await pool.keeper.save()
        put_back()
        await pool.book(day_of_shares(DAY))
        folder, aside = pool.books.journal_dir, tmp_path / "aside"
        folder.rename(aside)
        folder.write_text("no folder")
        with capture_logs() as said:
            await pool.keeper.save()
        assert [line["event"] for line in said] == ["ledger_went_back", "ledger_store"]
        folder.unlink()
        aside.rename(folder)
        await pool.keeper.save()
        totals = pool.keeper.totals
    assert await _reopened(database) == totals


async def test_a_database_that_has_more_than_it_was_given_is_left_alone(
    tmp_path: Path, database: Database
) -> None:
    async with running(tmp_path, database) as pool:
        await pool.keeper.save()
        await pool.book(day_of_shares(DAY))
        store = pool.keeper._store
        await store.write(
            lambda c: c.execute(
                "UPDATE source SET sequence = sequence + 1 WHERE source = ?", (SOURCE,)
            )
        )
        with capture_logs() as said:
            await pool.keeper.save()
        (line,) = said
        assert line["event"] == "ledger_store"
        assert "does not stand at record" in line["reason"]
