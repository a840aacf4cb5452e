import os
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from poolserver.ledger.database import Connection, Database, StoreError
from poolserver.ledger.pruner import Pruner
from poolserver.ledger.retention import RetentionTerms
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from tests.unit.ledger.books import DAY, RIGS, SOURCE, Books, day_of_shares, declared, template

FOR_EVER_S = 1e12


class Counted(LedgerStore):
    """Counts the statements that are not to read."""

    deletions = 0

    async def write(self, work: Any) -> Any:
        def counted(connection: Connection) -> Any:
            execute = connection.execute

            class Counting:
                def execute(_, sql: str, values: Any = ()) -> Any:
                    self.deletions += sql.startswith("DELETE")
                    return execute(sql, values)

            return work(Counting())

        return await super().write(counted)


async def books_of(
    folder: Path, database: Database | None, lives: int
) -> tuple[Books, dict[str, int]]:
    books = Books(folder, database)
    sources = {f"pool-1/0/{number}" for number in range(lives)}
    for source in sorted(sources):
        await books.book([*declared(*RIGS), template(), *day_of_shares(DAY)], source)
    await books.with_store(lambda store: store.end_sources(sources))
    return books, dict.fromkeys(sources, 34)


async def test_what_is_gone_is_tidied_up_once_however_many_lives_there_were(
    tmp_path: Path, database: Database
) -> None:
    books, ended = await books_of(tmp_path, database, lives=5)
    store = Counted(database)
    await store.open()
    pruner = Pruner(store, books.journal_dir, RetentionTerms(keep_s=0, keep_bytes=0))
    await pruner.prune(ended, FOR_EVER_S, 0.0)
    assert list(books.journal_dir.iterdir()) == []
    assert pruner.through == ended
    assert store.deletions == 2 * 5
    await pruner.prune(ended, FOR_EVER_S, 3600.0)
    assert store.deletions == 2 * 5
    left = await store.read(lambda c: c.execute("SELECT count(*) FROM source_worker").fetchone())
    assert left == (0,)
    await store.close()


async def test_what_cannot_be_deleted_is_told_and_tried_again(tmp_path: Path) -> None:
    books, ended = await books_of(tmp_path, SqliteDatabase(tmp_path / "ledger.sqlite"), lives=1)
    store = LedgerStore(books.database)
    await store.open()
    pruner = Pruner(store, tmp_path / "notes", RetentionTerms(keep_s=0, keep_bytes=0))
    (tmp_path / "notes").write_text("no folder")
    with capture_logs() as said:
        await pruner.prune(ended, FOR_EVER_S, 0.0)
        os.remove(tmp_path / "notes")
        os.rename(books.journal_dir, tmp_path / "notes")
        await pruner.prune(ended, FOR_EVER_S, 3600.0)
    events = [line["event"] for line in said]
    assert events == ["journal_not_pruned", "journal_pruned_again", "journal_pruned"]
    await store.close()


async def test_nothing_is_deleted_that_could_not_be_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    books, ended = await books_of(tmp_path, None, lives=1)
    store = LedgerStore(books.database)
    await store.open()

    async def fail(*_: object) -> None:
        raise StoreError(books.database, "cannot be reached", transient=True)

    monkeypatch.setattr(store, "note_pruned", fail)
    pruner = Pruner(store, books.journal_dir, RetentionTerms(keep_s=0, keep_bytes=0))
    await pruner.prune(ended, FOR_EVER_S, 0.0)
    assert len(list(books.journal_dir.iterdir())) == 1
    assert pruner.through == {}
    await store.close()
    assert SOURCE not in ended


async def test_nothing_is_deleted_that_a_database_which_went_back_lacks_again(
    tmp_path: Path,
) -> None:
    books, ended = await books_of(tmp_path, None, lives=2)
    store = LedgerStore(books.database)
    await store.open()
    books.sql("UPDATE source SET sequence = 30 WHERE source = 'pool-1/0/1'")
    pruner = Pruner(store, books.journal_dir, RetentionTerms(keep_s=0, keep_bytes=0))
    await pruner.prune(ended, FOR_EVER_S, 0.0)
    assert pruner.through == {"pool-1/0/0": 34}
    assert len(list(books.journal_dir.iterdir())) == 1
    await store.close()
