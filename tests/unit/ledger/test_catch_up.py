from collections.abc import Sequence
from pathlib import Path

import pytest

from poolserver.ledger import keeper as keeper_module
from poolserver.ledger.blocks import BlockStep
from poolserver.ledger.catch_up import CatchUp
from poolserver.ledger.database import Database, StoreError
from poolserver.ledger.delta import Delta
from poolserver.ledger.keeper import LedgerKeeper
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from tests.unit.ledger.books import DAY, RIGS, Books, day_of_shares, declared, template
from tests.unit.ledger.strategies import encode

SOURCES = tuple(f"pool-1/0/{epoch}" for epoch in range(1, 6))


class Watched(LedgerStore):
    """Knows the size of each part that it was given, and fails from ``fails_at`` of them on."""

    def __init__(self, database: Database, fails_at: int | None = None) -> None:
        super().__init__(database)
        self.parts: list[int] = []
        self._fails_at = fails_at

    async def apply(self, delta: Delta, steps: Sequence[BlockStep] = ()) -> None:
        if len(self.parts) == self._fails_at:
            raise StoreError(self.database, "cannot be reached", transient=True)
        self.parts.append(delta.rows)
        await super().apply(delta, steps)


def journal(folder: Path) -> Books:
    """Five sources, each with a file of the declarations and five of shares."""
    books = Books(folder, SqliteDatabase(folder / "none.sqlite"))
    for source in SOURCES:
        first = 1
        for records in [
            [*declared(*RIGS), template()],
            *[day_of_shares(DAY + n) for n in range(5)],
        ]:
            books.write(source, first, encode(first, records))
            first += len(records)
    return books


def keeper_of(books: Books, store: LedgerStore) -> LedgerKeeper:
    return LedgerKeeper(
        store,
        books.journal_dir,
        site_of=lambda account: books.sites.get(account, "unassigned"),
        on_delta=lambda delta: None,
    )


async def test_a_start_beside_a_long_journal_saves_it_in_parts(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = journal(tmp_path)
    whole = Watched(SqliteDatabase(tmp_path / "whole.sqlite"))
    keeper = keeper_of(books, whole)
    await keeper.open()
    await keeper.close()
    assert len(whole.parts) == 1
    monkeypatch.setattr(keeper_module, "PART_ROWS", 10)
    store = Watched(database)
    in_parts = keeper_of(books, store)
    await in_parts.open()
    await in_parts.close()
    assert len(store.parts) > 5
    assert max(store.parts) < 30
    assert in_parts.totals == keeper.totals
    again = LedgerStore(database, to_read=True)
    state = await again.open()
    await again.close()
    assert (state.totals, state.ended) == (keeper.totals, set(SOURCES))


async def test_a_start_whose_database_goes_away_fails_and_keeps_what_it_has_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "PART_ROWS", 10)
    books, database = journal(tmp_path), SqliteDatabase(tmp_path / "ledger.sqlite")
    failing = Watched(database, fails_at=3)
    with pytest.raises(StoreError):
        await keeper_of(books, failing).open()
    await failing.close()
    store = Watched(database)
    keeper = keeper_of(books, store)
    await keeper.open()
    await keeper.close()
    rest, done = sum(store.parts), sum(failing.parts)
    assert 0 < rest < rest + done
    assert sum(each.shares[0] for each in keeper.totals.sites.values()) == 5 * 5 * 26


def test_only_what_is_wanted_of_a_source_is_folded(tmp_path: Path) -> None:
    books = journal(tmp_path)
    fold = books.new_fold()
    wanted = {SOURCES[0]: 50, SOURCES[1]: 4}
    reading = CatchUp(books.journal_dir, fold, (), wanted)
    delta = reading.read_all()
    assert fold.progress == wanted
    assert {source: each.through for source, each in delta.progress.items()} == wanted
    assert (reading.stuck, reading.ended) == (set(), [])
