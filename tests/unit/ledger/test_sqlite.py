"""What is particular to SQLite: files, locks, damage."""

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from poolserver.ledger import sqlite as sqlite_module
from poolserver.ledger.database import StoreError
from poolserver.ledger.delta import Delta, Progress
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore

FIRST = Delta({"pool-1/0/1": Progress(0, 1)})


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LedgerStore]:
    store = sqlite_store(tmp_path / "ledger.sqlite")
    await store.open()
    yield store
    await store.close()


def sqlite_store(path: Path) -> LedgerStore:
    return LedgerStore(SqliteDatabase(path))


async def open_fails(path: Path) -> StoreError:
    store = sqlite_store(path)
    with pytest.raises(StoreError) as raised:
        await store.open()
    await store.close()
    assert str(raised.value).startswith(f"{path} ")
    return raised.value


async def test_a_locked_database_is_told_and_works_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_module, "LOCK_TIMEOUT_S", 0.01)
    path = tmp_path / "ledger.sqlite"
    store = sqlite_store(path)
    await store.open()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="is locked by another program") as raised:
        await store.apply(FIRST)
    assert raised.value.transient
    other.execute("ROLLBACK")
    other.close()
    await store.apply(FIRST)
    assert (await store.load()).progress == {"pool-1/0/1": 1}
    await store.close()


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"these are notes, not a database " * 100)
    assert "is not an SQLite database" in str(await open_fails(path))


async def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    store = sqlite_store(path)
    await store.open()
    await store.apply(FIRST)
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


async def test_a_read_only_database_is_told(store: LedgerStore, tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as raised:
        connection.execute("DELETE FROM source")
    connection.close()
    error = SqliteDatabase(path).error(raised.value)
    assert str(error).startswith(f"{path} is read-only")
    assert not error.transient


async def test_the_lock_says_who_has_it_and_goes_with_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    code = (
        "import os, pathlib, signal, sys\n"
        "from poolserver.ledger.sqlite import SqliteDatabase\n"
        "held = SqliteDatabase(pathlib.Path(sys.argv[1])).connect()\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    other = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, str(path)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert other.stdin is not None
    assert other.stdout is not None
    assert await other.stdout.readline() == b"held\n"
    assert f"another pool writes to it (process {other.pid})" in str(await open_fails(path))
    other.stdin.close()
    await other.wait()
    store = sqlite_store(path)
    await store.open()
    await store.close()


async def test_a_save_for_which_there_is_no_room_is_not_taken_and_goes_well_later(
    tmp_path: Path,
) -> None:
    store = sqlite_store(tmp_path / "ledger.sqlite")
    await store.open()
    await store.read(lambda connection: connection.execute("PRAGMA max_page_count = 1").fetchall())
    rows = {f"pool-1/0/{number}": Progress(0, 1) for number in range(5000)}
    with pytest.raises(StoreError, match="cannot grow: the disk is full") as raised:
        await store.apply(Delta(rows))
    assert raised.value.transient
    assert not await store.took_last()
    await store.read(
        lambda connection: connection.execute("PRAGMA max_page_count = 1000000").fetchall()
    )
    await store.apply(Delta(rows))
    assert len((await store.load()).progress) == 5000
    await store.close()
