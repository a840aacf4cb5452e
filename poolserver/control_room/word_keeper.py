"""Writes down every word on budgets as soon as it is taken, and takes the newest up at a start."""

import asyncio
import time
from collections.abc import Callable
from functools import partial

import structlog

from poolserver.ledger import budget_sql
from poolserver.ledger.budget_sql import TakenWord
from poolserver.ledger.database import Connection, StoreError
from poolserver.ledger.store import LedgerStore
from poolserver.log import RateLimited
from poolserver.power.budget import BudgetBook
from poolserver.power.signal import BudgetSignal

RETRY_S = 1.0

log = structlog.get_logger(__name__)


class WordKeeper:
    """Keeps the words of ``book``. ``clock`` is monotonic, in seconds."""

    def __init__(
        self, book: BudgetBook, store: LedgerStore, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._book = book
        self._store = store
        self._clock = clock
        self._unsaved: list[TakenWord] = []
        self._has_news = asyncio.Event()
        self._saving: asyncio.Task[None] | None = None
        self._trouble = RateLimited(log)

    def load(self, connection: Connection) -> None:
        """Hear again what was said before; in the store's thread."""
        self._book.restore(budget_sql.newest_words(connection))

    def note(self, word: BudgetSignal, unix_ms: int) -> None:
        """The book has taken a word: it is written down soon."""
        self._unsaved.append(TakenWord(unix_ms, word))
        self._has_news.set()

    async def run(self) -> None:
        """Write what is noted; for ever."""
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            await self.save()
            if self._unsaved:
                await asyncio.sleep(RETRY_S)
                self._has_news.set()

    async def close(self) -> None:
        """Write what is left. The store is open still."""
        if self._saving is not None:
            await asyncio.wait([self._saving])
        await self.save()

    async def save(self) -> None:
        """Write what is noted. What could not be written is tried again."""
        # A task of its own: its end must be known even if the caller is cancelled.
        self._saving = asyncio.create_task(self._save(), name="words save")
        await asyncio.shield(self._saving)

    async def _save(self) -> None:
        words, self._unsaved = self._unsaved, []
        if not words:
            return
        try:
            # Written twice, where the word of a commit is lost, it is the same word twice.
            await self._store.write(partial(budget_sql.add_words, words=words))
        except StoreError as error:
            self._unsaved = words + self._unsaved
            self._trouble.failed("budget_words_not_saved", str(error), self._clock())
        else:
            self._trouble.restored("budget_words_saved_again", self._clock())
