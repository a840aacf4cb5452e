import asyncio
import sqlite3
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path

import pytest

from poolserver.ledger import store as store_module
from poolserver.ledger.fold import Delta, FoundBlock, Progress, WorkerRef
from poolserver.ledger.store import BlockRow, SqliteStore, StoreError, store_error
from poolserver.ledger.totals import Totals, WorkerKey, WorkerTotals
from poolserver.mining.share import ShareOutcome

SOURCE = "pool-1/0/17"
RIG = WorkerKey("north-site", "north", "north.rig1")
OTHER = WorkerKey("unassigned", "", "")
BLOCK = BlockRow("00" * 31 + "0f", 840_000, "accepted", "", "north.rig1", 5000, 6000)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "ledger.sqlite")
    await store.open()
    yield store
    await store.close()


def worker(work: int, outcome: ShareOutcome, best_hash: int | None = None) -> WorkerTotals:
    totals = WorkerTotals(
        work, work + 1, work**2, best_hash=best_hash, first_ms=work % 97, last_ms=work % 97
    )
    totals.shares[outcome] = 1
    return totals


def delta(after: int, through: int, totals: Totals | None = None) -> Delta:
    return Delta({SOURCE: Progress(after, through)}, totals or Totals())


FIRST = Totals(
    {RIG: worker(2**90, ShareOutcome.ACCEPTED, 2**200)}, {"north-site": Fraction(2**90, 8)}
)
SECOND = Totals(
    {RIG: worker(3**60, ShareOutcome.STALE), OTHER: worker(0, ShareOutcome.MALFORMED)},
    {"north-site": Fraction(1, 3), "south-site": Fraction(7)},
)


# --- what is kept ----------------------------------------------------------------------------


async def test_a_new_store_knows_nothing(store: SqliteStore) -> None:
    assert await store.load() == (Totals(), {}, {})
    assert await store.blocks() == []


async def test_deltas_add_up_exactly_and_survive_a_restart(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ledger.sqlite")
    await store.open()
    expected = Totals()
    for number, totals in enumerate((FIRST, SECOND, FIRST)):
        await store.apply(delta(number, number + 1, totals))
        expected.add(totals)
    await store.close()
    store = SqliteStore(tmp_path / "ledger.sqlite")
    state = await store.open()
    await store.close()
    assert state.totals == expected
    assert state.totals.workers[RIG].accepted_work == 2 * 2**90 + 3**60
    assert state.totals.workers[RIG].best_hash == 2**200
    assert state.totals.site_energy_pj["north-site"] == 2 * Fraction(2**90, 8) + Fraction(1, 3)
    assert state.progress == {SOURCE: 3}


async def test_every_outcome_of_a_share_has_its_column(store: SqliteStore) -> None:
    shares = [10 + outcome for outcome in ShareOutcome]
    await store.apply(delta(0, 1, Totals({RIG: WorkerTotals(shares=shares)})))
    assert (await store.load()).totals.workers[RIG].shares == shares


async def test_the_lowest_hash_stays_the_best_whatever_its_length(store: SqliteStore) -> None:
    for number, best_hash in enumerate((2**255, 9, 10, None)):
        totals = Totals({RIG: WorkerTotals(best_hash=best_hash)})
        await store.apply(delta(number, number + 1, totals))
    assert (await store.load()).totals.workers[RIG].best_hash == 9


async def test_the_workers_of_a_source_are_kept(store: SqliteStore) -> None:
    workers = {WorkerRef(SOURCE, 1): ("north", "north.rig1"), WorkerRef("other", 1): ("a", "a")}
    await store.apply(Delta({SOURCE: Progress(0, 1)}, workers=workers))
    assert (await store.load()).workers == workers


# --- each record once ------------------------------------------------------------------------


@pytest.mark.parametrize("progress", [(0, 5), (4, 6), (6, 8)])
async def test_a_delta_that_does_not_follow_on_is_refused_whole(
    store: SqliteStore, progress: tuple[int, int]
) -> None:
    await store.apply(delta(0, 5, FIRST))
    before = await store.load()
    with pytest.raises(StoreError, match=rf"does not stand at record {progress[0]} of") as raised:
        await store.apply(delta(*progress, SECOND))
    assert not raised.value.transient
    assert await store.load() == before


async def test_of_several_sources_all_advance_or_none(store: SqliteStore) -> None:
    bad = Delta({SOURCE: Progress(0, 5), "other": Progress(3, 4)}, FIRST)
    with pytest.raises(StoreError, match="does not stand at record 3 of other"):
        await store.apply(bad)
    assert await store.load() == (Totals(), {}, {})


async def test_a_cancelled_caller_does_not_take_back_what_was_begun(store: SqliteStore) -> None:
    task = asyncio.create_task(store.apply(delta(0, 1, FIRST)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await store.load()).progress == {SOURCE: 1}


# --- blocks ----------------------------------------------------------------------------------


def found() -> Delta:
    block = FoundBlock(BLOCK.hash_hex, BLOCK.height, RIG, BLOCK.found_at_ms)
    return Delta({SOURCE: Progress(0, 1)}, blocks=[block])


async def test_a_block_of_the_journal_is_found_until_its_state_is_known(store: SqliteStore) -> None:
    await store.apply(found())
    assert await store.blocks() == [BLOCK._replace(state="found", updated_at_ms=5000)]
    await store.put_block(BLOCK)
    assert await store.blocks() == [BLOCK]


async def test_a_state_that_is_known_before_the_journal_is_folded_stays(store: SqliteStore) -> None:
    await store.put_block(BLOCK)
    await store.apply(found())
    assert await store.blocks() == [BLOCK]


async def test_older_news_of_a_block_is_passed_over(store: SqliteStore) -> None:
    await store.put_block(BLOCK)
    await store.put_block(BLOCK._replace(state="found", updated_at_ms=5999))
    assert await store.blocks() == [BLOCK]


async def test_a_final_state_stays_known_where_the_clock_went_back(store: SqliteStore) -> None:
    await store.put_block(BLOCK._replace(state="found", updated_at_ms=9000))
    accepted = BLOCK._replace(state="accepted", updated_at_ms=1000)
    await store.put_block(accepted)
    assert await store.blocks() == [accepted]


async def test_blocks_come_newest_first(store: SqliteStore) -> None:
    rows = [BLOCK._replace(hash_hex=f"{n:064x}", found_at_ms=n) for n in range(1, 4)]
    for row in rows:
        await store.put_block(row)
    assert await store.blocks() == rows[::-1]
    assert await store.blocks(limit=1) == [rows[2]]


# --- trouble ---------------------------------------------------------------------------------


async def open_fails(path: Path) -> StoreError:
    store = SqliteStore(path)
    with pytest.raises(StoreError) as raised:
        await store.open()
    await store.close()
    assert str(raised.value).startswith(f"{path} ")
    return raised.value


async def test_a_locked_database_is_told_and_works_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "LOCK_TIMEOUT_S", 0.01)
    path = tmp_path / "ledger.sqlite"
    store = SqliteStore(path)
    await store.open()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="is locked by another program") as raised:
        await store.apply(delta(0, 1, FIRST))
    assert raised.value.transient
    other.execute("ROLLBACK")
    other.close()
    await store.apply(delta(0, 1, FIRST))
    assert (await store.load()).totals == FIRST
    await store.close()


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"these are notes, not a database " * 100)
    assert "is not an SQLite database" in str(await open_fails(path))


async def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    store = SqliteStore(path)
    await store.open()
    await store.apply(delta(0, 1, FIRST))
    await store.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    assert "is damaged" in str(await open_fails(path))


async def test_a_path_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    assert "cannot be opened" in str(await open_fails(tmp_path / "missing" / "ledger.sqlite"))


async def test_a_database_from_the_future_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert "a newer version has written it" in str(await open_fails(path))


async def test_a_database_of_another_program_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    assert "none that this program made" in str(await open_fails(path))


async def test_a_read_only_database_is_told(store: SqliteStore, tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as raised:
        connection.execute("DELETE FROM source")
    connection.close()
    error = store_error(path, raised.value)
    assert str(error).startswith(f"{path} is read-only")
    assert not error.transient


async def test_a_store_that_is_not_open_says_so(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ledger.sqlite")
    with pytest.raises(StoreError, match="is not open"):
        await store.load()
    await store.close()
