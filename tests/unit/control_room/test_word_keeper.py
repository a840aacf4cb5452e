"""Words on budgets outlive a restart, whatever the database does meanwhile."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from poolserver.control_room.word_keeper import WordKeeper
from poolserver.ledger.database import StoreError
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from poolserver.power.budget import BudgetBook
from poolserver.power.signal import BudgetSignal
from poolserver.power.tree import PowerNode, PowerTree

NOW_S = 1_800_000_000.0
TREE = PowerTree([PowerNode("hall", "site", limit_w=2_000_000)])
WORD = BudgetSignal("hall", 1_000_000, "grid", NOW_S, NOW_S + 3600, "peak", "token:grid")


class Flaky(LedgerStore):
    """A store that is away when it is told to be."""

    is_away = False

    async def write(self, work: Callable[[Any], Any]) -> Any:
        if self.is_away:
            raise StoreError("the store", "is away")
        return await super().write(work)


async def limit_after_a_restart(store: LedgerStore) -> int | None:
    book = BudgetBook(TREE)
    keeper = WordKeeper(book, store)
    await store.read(keeper.load)
    return book.limits(NOW_S)["hall"].limit_w


async def test_a_word_is_heard_again_after_a_restart(tmp_path: Path) -> None:
    store = LedgerStore(SqliteDatabase(tmp_path / "ledger.sqlite"))
    await store.open()
    keeper = WordKeeper(BudgetBook(TREE), store)
    keeper.note(WORD, int(NOW_S * 1000))
    await keeper.close()
    assert await limit_after_a_restart(store) == 1_000_000
    await store.close()


async def test_a_word_that_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    store = Flaky(SqliteDatabase(tmp_path / "ledger.sqlite"))
    await store.open()
    keeper = WordKeeper(BudgetBook(TREE), store)
    store.is_away = True
    keeper.note(WORD, int(NOW_S * 1000))
    await keeper.save()
    assert await limit_after_a_restart(store) == 2_000_000
    store.is_away = False
    await keeper.save()
    assert await limit_after_a_restart(store) == 1_000_000
    await store.close()
