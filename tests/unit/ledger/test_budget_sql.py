"""Words on budgets in each kind of database: all are kept, and the newest come back."""

from collections.abc import AsyncIterator

import pytest

from poolserver.ledger import budget_sql
from poolserver.ledger.budget_sql import TakenWord
from poolserver.ledger.database import Database
from poolserver.ledger.store import LedgerStore
from poolserver.power.budget import BudgetBook
from poolserver.power.signal import BudgetSignal
from poolserver.power.tree import PowerNode, PowerTree

NOW_S = 1_800_000_000.25
NOW_MS = 1_800_000_000_250
FIRST = BudgetSignal("Sahiwal", 9e8, "grid", NOW_S, NOW_S + 900.125, "peak", "token:npcc")
BACK = BudgetSignal("Sahiwal", None, "grid", NOW_S + 60)
OF_MINING = BudgetSignal("Sahiwal", 5e8, "grid", NOW_S, of_mining=True)
OTHER = BudgetSignal("/", 2e9, "Zentrale Wärme", NOW_S - 1)


@pytest.fixture
async def store(database: Database) -> AsyncIterator[LedgerStore]:
    store = LedgerStore(database)
    await store.open()
    yield store
    await store.close()


async def add(store: LedgerStore, *words: TakenWord) -> None:
    await store.write(lambda connection: budget_sql.add_words(connection, words))


async def test_the_newest_word_of_each_source_node_and_load_comes_back(store: LedgerStore) -> None:
    assert await store.read(budget_sql.newest_words) == []
    await add(store, TakenWord(NOW_MS, FIRST), TakenWord(NOW_MS, OF_MINING))
    await add(store, TakenWord(NOW_MS + 1, OTHER))
    assert await store.read(budget_sql.newest_words) == [FIRST, OF_MINING, OTHER]
    await add(store, TakenWord(NOW_MS + 2, BACK))
    assert await store.read(budget_sql.newest_words) == [OF_MINING, OTHER, BACK]


async def test_no_word_is_ever_lost_from_the_log(store: LedgerStore) -> None:
    words = [TakenWord(NOW_MS, FIRST), TakenWord(NOW_MS + 2, BACK), TakenWord(NOW_MS + 3, FIRST)]
    for word in words:
        await add(store, word)

    async def said(from_ms: int, until_ms: int) -> list[TakenWord]:
        return await store.read(lambda each: budget_sql.said_between(each, from_ms, until_ms))

    assert await said(0, NOW_MS + 10) == words
    assert await said(NOW_MS + 2, NOW_MS + 3) == words[1:2]


async def test_a_book_restored_from_the_log_has_the_same_limits(store: LedgerStore) -> None:
    tree = PowerTree([PowerNode("Sahiwal", "site", limit_w=1_320_000_000)])
    before = BudgetBook(tree)
    for signal in (FIRST, OF_MINING, OTHER):
        word = before.take(signal, NOW_S)
        assert word is not None
        await add(store, TakenWord(NOW_MS, word))
    after = BudgetBook(tree)
    after.restore(await store.read(budget_sql.newest_words))
    for now_s in (NOW_S, NOW_S + 900, NOW_S + 901):
        assert after.limits(now_s) == before.limits(now_s)
        assert after.mining_limits(now_s) == before.mining_limits(now_s)
