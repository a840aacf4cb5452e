import asyncio
import os
import sqlite3
from fractions import Fraction
from pathlib import Path

import pytest

from poolserver.ledger import backup as backup_module
from poolserver.ledger.backup import BackupError, backup_postgresql, backup_sqlite
from poolserver.ledger.database import StoreError
from poolserver.ledger.delta import Delta, Progress
from poolserver.ledger.journal import Journal
from poolserver.ledger.keeper import LedgerKeeper
from poolserver.ledger.postgresql import PostgresDatabase
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import IntervalKey, ShareTotals, WorkerKey
from poolserver.mining.identity import WorkerIdentity
from poolserver.mining.share import ShareOutcome
from tests.integration.postgres import PostgresDatabase as EmptyDatabase
from tests.integration.postgres import find_bin
from tests.unit.ledger.places import places

SOURCE = "pool-1/0/1"
WORK = 1000


def delta(after: int, through: int, workers: int = 1) -> Delta:
    intervals = {
        IntervalKey(900, WorkerKey("hall", "demo", f"demo.rig{number}")): ShareTotals(1)
        for number in range(workers)
    }
    return Delta({SOURCE: Progress(after, through)}, intervals=intervals)


def names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


def restore(copy: Path, database: SqliteDatabase) -> None:
    """As docs/operations.md has it, after the ledger is lost."""
    for file in database.path.parent.glob("ledger.sqlite*"):
        file.unlink()
    copy.rename(database.path)


async def progress(database: SqliteDatabase | PostgresDatabase) -> dict[str, int]:
    store = LedgerStore(database)
    state = await store.open()
    await store.close()
    return state.progress


async def test_a_copy_is_of_one_moment_while_the_pool_writes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_module, "STEP_PAGES", 5)
    database, dest = SqliteDatabase(tmp_path / "ledger.sqlite"), tmp_path / "copy.sqlite"
    store = LedgerStore(database)
    await store.open()
    await store.apply(delta(0, 1, workers=500))
    loop = asyncio.get_running_loop()
    steps: list[int] = []

    def write_on(done: int, total: int) -> None:
        steps.append(done)
        sequence = len(steps)
        saving = store.apply(delta(sequence, sequence + 1, workers=500))
        asyncio.run_coroutine_threadsafe(saving, loop).result(10)

    await asyncio.to_thread(backup_sqlite, database, dest, write_on)
    assert len(steps) > 5
    assert steps == sorted(set(steps))  # it never began anew
    await store.close()
    assert await progress(SqliteDatabase(dest)) == {SOURCE: 1}
    assert await progress(database) == {SOURCE: 1 + len(steps)}


async def test_a_ledger_that_is_lost_is_right_again_from_a_copy_and_the_journal(
    tmp_path: Path,
) -> None:
    database, dest = SqliteDatabase(tmp_path / "ledger.sqlite"), tmp_path / "copy.sqlite"
    journal = Journal(
        tmp_path / "journal",
        WorkerIdentity("pool-1", 0, 1),
        on_durable=lambda batch: keeper.add(batch),
        sync_interval_s=0.0,
    )

    def new_keeper() -> LedgerKeeper:
        return LedgerKeeper(
            LedgerStore(database),
            tmp_path / "journal",
            site_of=lambda _: "hall",
            place_of=places(Fraction(1, 3)),
            on_delta=lambda _: None,
        )

    async def share(count: int) -> None:
        for _ in range(count):
            journal.append_share(ref, ShareOutcome.ACCEPTED, True, WORK, 1, bytes(32))
        while journal.pending:  # noqa: ASYNC110 - the journal tells nobody
            await asyncio.sleep(0.001)
        await keeper.take_in()
        await keeper.save()

    keeper = new_keeper()
    await keeper.open()
    ref = journal.declare_worker("demo", "demo.rig")
    await share(3)
    await asyncio.to_thread(backup_sqlite, database, dest)
    await share(4)
    await keeper.close()
    await journal.close()
    restore(dest, database)
    keeper = new_keeper()
    await keeper.open()
    await keeper.close()
    assert keeper.totals.sites["hall"].accepted_work == 7 * WORK
    assert keeper.totals.site_energy_pj == {"hall": Fraction(7 * WORK, 3)}


async def test_a_copy_is_one_file_for_its_owner_alone_and_nothing_else_is_left(
    tmp_path: Path,
) -> None:
    database, folder = SqliteDatabase(tmp_path / "ledger.sqlite"), tmp_path / "copies"
    folder.mkdir()
    database.connect().close()
    backup_sqlite(database, folder / "copy.sqlite")
    assert names(folder) == ["copy.sqlite"]
    assert (folder / "copy.sqlite").stat().st_mode & 0o777 == 0o600


async def test_what_is_there_already_is_not_overwritten(tmp_path: Path) -> None:
    database, dest = SqliteDatabase(tmp_path / "ledger.sqlite"), tmp_path / "copy.sqlite"
    database.connect().close()
    dest.write_text("the only other copy")
    with pytest.raises(BackupError, match=r"copy\.sqlite is there already"):
        backup_sqlite(database, dest)
    assert dest.read_text() == "the only other copy"


async def test_an_older_ledger_can_be_copied_before_a_new_version_takes_it(tmp_path: Path) -> None:
    database, dest = SqliteDatabase(tmp_path / "ledger.sqlite"), tmp_path / "copy.sqlite"
    database.connect().close()
    with sqlite3.connect(database.path) as connection:
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    backup_sqlite(database, dest)
    assert dest.exists()


async def test_what_is_no_ledger_is_not_copied(tmp_path: Path) -> None:
    database, dest = SqliteDatabase(tmp_path / "ledger.sqlite"), tmp_path / "copy.sqlite"
    with pytest.raises(StoreError, match="cannot be opened"):
        backup_sqlite(database, dest)
    with sqlite3.connect(database.path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(BackupError, match="none that this program made"):
        backup_sqlite(database, dest)
    assert names(tmp_path) == ["ledger.sqlite"]


async def test_a_damaged_ledger_makes_no_copy(tmp_path: Path) -> None:
    database, dest = SqliteDatabase(tmp_path / "ledger.sqlite"), tmp_path / "copy.sqlite"
    store = LedgerStore(database)
    await store.open()
    await store.apply(delta(0, 1, workers=500))
    await store.close()
    data = bytearray(database.path.read_bytes())
    data[-8192:] = b"\xff" * 8192
    database.path.write_bytes(data)
    with pytest.raises((BackupError, StoreError), match="damaged"):
        backup_sqlite(database, dest)
    assert not dest.exists()


async def test_a_copy_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "ledger.sqlite")
    database.connect().close()
    with pytest.raises(BackupError, match="cannot be written: No such file or directory"):
        backup_sqlite(database, tmp_path / "missing" / "copy.sqlite")


@pytest.mark.real
async def test_a_dump_of_postgresql_can_be_restored(
    postgres: EmptyDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = find_bin()
    if folder is None or not (folder / "pg_dump").exists():
        pytest.skip("pg_dump: none found")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    database = PostgresDatabase(postgres.tcp_url, postgres.cluster.password)
    store = LedgerStore(database)
    await store.open()
    await store.apply(delta(0, 1, workers=500))
    backup_postgresql(database.conninfo, database.environ, tmp_path / "copy.dump")
    await store.apply(delta(1, 2))
    await store.close()
    assert names(tmp_path) == ["copy.dump"]
    with postgres.connect() as admin:
        admin.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    restoring = await asyncio.create_subprocess_exec(
        "pg_restore", f"--dbname={postgres.url}", str(tmp_path / "copy.dump")
    )
    assert await restoring.wait() == 0
    assert await progress(database) == {SOURCE: 1}


def test_without_pg_dump_it_is_said_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match=r"pg_dump --format=custom .*--dbname='dbname=ledger'"):
        backup_postgresql("dbname=ledger", {}, tmp_path / "copy.dump")


def test_a_dump_that_fails_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("pg_dump", "pg_restore"):
        (programs / name).write_text("#!/bin/sh\necho no server there >&2\nexit 1\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(BackupError, match="pg_dump failed: no server there"):
        backup_postgresql("dbname=ledger", {}, tmp_path / "copy.dump")
    assert names(tmp_path) == ["bin"]
