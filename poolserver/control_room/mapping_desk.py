"""Where rigs are, as people say it: a word on a rig holds over the rules of the configuration.

It is in the database before it holds, so that it is lost by nothing; of many at once all are, or
none.
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import structlog

from poolserver.ledger import mapping_sql
from poolserver.ledger.database import Connection
from poolserver.ledger.store import LedgerStore
from poolserver.mining.accounts import USERNAME_MAX_BYTES
from poolserver.power.places import MappingWord
from poolserver.power.rig_book import RigBook
from poolserver.power.tree import PowerTree

MAX_MAPPINGS = 100_000
"""As many as names of rigs are kept (see ``rig_book``): some 40 MB at the most."""
AT_ONCE = 50
"""Rigs that are looked for in a row: the operator's patterns may be many."""

log = structlog.get_logger(__name__)


class MappingError(ValueError):
    """A rig cannot be there. The text completes "refused: ..."."""


class UnknownMappingError(MappingError):
    """Nobody has said where the rig is."""


class Placed(NamedTuple):
    """A word that was taken, and whether it says something: its node is there, at its site."""

    word: MappingWord
    holds: bool


class MappingDesk:
    """Takes words on the rigs of ``rigs``. ``site_of`` gives the site of an account."""

    def __init__(
        self,
        rigs: RigBook,
        tree: PowerTree,
        store: LedgerStore,
        site_of: Callable[[str], str],
        unix_time: Callable[[], float],
    ) -> None:
        self._rigs = rigs
        self._tree = tree
        self._store = store
        self._site_of = site_of
        self._unix_time = unix_time
        self._workers: list[str] = []
        """Whoever a word holds of, in the order of pages."""
        self._lock = asyncio.Lock()

    def load(self, connection: Connection) -> None:
        """Take up what was said before; in the store's thread, before rigs are placed."""
        self._rigs.places.restore(mapping_sql.newest(connection))
        self._workers = sorted(self._rigs.places.mappings)

    async def take(
        self, moves: Mapping[str, str | None], by: str, check_node: Callable[[str], None]
    ) -> None:
        """Say at which node each worker is, None: where the rules put it; all of them or none.

        ``check_node`` raises where whoever says so must not speak for a node; it is asked of the
        one that a rig comes from and the one that it goes to.

        Raises:
            MappingError: a rig cannot be there.
            StoreError: it cannot be written down; nothing was done.
        """
        async with self._lock:
            words = await self._words(moves, by, check_node)
            mappings = self._rigs.places.mappings
            more = sum(each.node is not None and each.worker not in mappings for each in words)
            if len(mappings) + more > MAX_MAPPINGS:
                raise MappingError(f"there may be {MAX_MAPPINGS} mappings at the most")
            await self._store.write(partial(mapping_sql.add, words=words))
            self._rigs.map(words)
            for each in words:
                self._list(each)
        for word in words[:1]:
            log.info("rigs_mapped", rigs=len(words), worker=word.worker, node=word.node, by=by)

    async def take_back(self, worker: str, by: str, check_node: Callable[[str], None]) -> None:
        """Have the rules say where a rig is.

        Raises:
            UnknownMappingError: they do.
            StoreError: it cannot be written down; nothing was done.
        """
        check_node(self._node_of(worker))
        if worker not in self._rigs.places.mappings:
            raise UnknownMappingError("nobody has said where this rig is")
        await self.take({worker: None}, by, check_node)

    def page(self, limit: int, after: str | None) -> Sequence[Placed]:
        """Up to ``limit`` words by the workers' names, of those after ``after``."""
        places = self._rigs.places
        begin = 0 if after is None else bisect_right(self._workers, after)
        return [
            Placed(places.mappings[name], places.holds(places.mappings[name], self._site(name)))
            for name in self._workers[begin : begin + limit]
        ]

    def __len__(self) -> int:
        return len(self._rigs.places.mappings)

    async def _words(
        self, moves: Mapping[str, str | None], by: str, check_node: Callable[[str], None]
    ) -> list[MappingWord]:
        now_ms = int(self._unix_time() * 1000)
        words = []
        for number, (worker, node) in enumerate(moves.items(), 1):
            if not worker.isprintable() or len(worker.encode()) > USERNAME_MAX_BYTES:
                raise MappingError(f"{worker[:100]!a} is no worker's name")
            check_node(self._node_of(worker))
            check_node(self._by_rules(worker) if node is None else node)
            words.append(self._word(worker, node, by, now_ms))
            if not number % AT_ONCE:
                await asyncio.sleep(0)
        return words

    def _word(self, worker: str, node: str | None, by: str, now_ms: int) -> MappingWord:
        if node is None:
            return MappingWord(worker, None, now_ms, issued_by=by)
        site = self._site(worker)
        if site not in self._tree:
            raise MappingError(f"the account of {worker} has no site")
        if node not in self._tree or self._tree[node].site != site:
            raise MappingError(f"{worker} is of {site}, which has no node {node[:200]}")
        return MappingWord(worker, node, now_ms, not self._tree[node].is_configured, by)

    def _list(self, word: MappingWord) -> None:
        place = bisect_left(self._workers, word.worker)
        is_listed = self._workers[place : place + 1] == [word.worker]
        if word.node is None and is_listed:
            del self._workers[place]
        elif word.node is not None and not is_listed:
            self._workers.insert(place, word.worker)

    def _node_of(self, worker: str) -> str:
        """Where it is now."""
        places, site = self._rigs.places, self._site(worker)
        word = places.mappings.get(worker)
        if word is not None and word.node is not None and places.holds(word, site):
            return word.node
        return self._by_rules(worker)

    def _by_rules(self, worker: str) -> str:
        rig = self._rigs.known(worker)
        address = "" if rig is None else rig.identity.address
        return self._rigs.places.node_by_rules(self._site(worker), worker, address, may_grow=False)

    def _site(self, worker: str) -> str:
        rig = self._rigs.known(worker)
        return self._site_of((rig and rig.account) or worker.partition(".")[0])
