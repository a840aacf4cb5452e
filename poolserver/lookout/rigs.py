"""Pages of rigs: the index is made anew while somebody asks, and lists are kept as they began.

A list that is sorted by a hashrate changes all the time, and one who reads it page by page would
see rigs twice and others never. So the order of a list is kept for those who read on in it, while
the figures of each page are of now.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Annotated, NamedTuple

from msgspec import Meta

from poolserver.lookout.rig_index import Fleet, RigIndex, RigQuery, rig_index, rig_line
from poolserver.lookout.view import RigLine
from poolserver.power.rig_book import KnownRig

FRESH_S = 10.0
"""An older index is made anew, behind the answer."""
GOOD_S = 15.0
"""An older one is not shown: who asks once looks for the rig that has just come."""
MOST_LISTS = 16
"""Kept, those that were read last: of 100,000 rigs a list is under a megabyte."""


class Spot(NamedTuple):
    """Where a reader is: in which list, after how many rigs, and by the last one's name."""

    number: int
    position: Annotated[int, Meta(ge=0)]
    worker: str


@dataclass(frozen=True, slots=True)
class _List:
    number: int
    query: RigQuery
    made_at: float
    workers: list[str]


@dataclass(frozen=True, slots=True)
class RigPage:
    """Some rigs of a list. ``next`` is where the next page begins, None at its end."""

    lines: list[RigLine]
    next: Spot | None
    total: int


class Rigs:
    """``clock`` is monotonic, in seconds; ``known`` gives a rig by its name."""

    def __init__(
        self,
        fleet: Fleet,
        known: Callable[[str], KnownRig | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fleet = fleet
        self._known = known
        self._clock = clock
        self._index = self._before = RigIndex()
        self._made_at = -GOOD_S
        self._making: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._lists: OrderedDict[int, _List] = OrderedDict()
        # Not 0 on: a reader may come with a place in a list of the process before this one.
        self._numbers = count(int(time.time() * 1000))

    def line(self, worker: str) -> RigLine | None:
        """A rig now; None: there is none of that name."""
        rig = self._known(worker)
        return None if rig is None else rig_line(rig, self._fleet)

    async def page(self, query: RigQuery, limit: int, spot: Spot | None) -> RigPage:
        """Up to ``limit`` rigs from ``spot`` on, or the first ones.

        One page at a time is made, in a thread: many that ask wait for each other, and not rigs
        for them.
        """
        async with self._lock:
            index, made_at = await self._fresh()
            return await asyncio.to_thread(self._page, index, made_at, query, limit, spot)

    def _page(
        self, index: RigIndex, made_at: float, query: RigQuery, limit: int, spot: Spot | None
    ) -> RigPage:
        kept = self._list(index, made_at, query, spot)
        begin = 0 if spot is None else _position(kept, spot)
        names = kept.workers[begin : begin + limit]
        lines = [index.line(row) for name in names if (row := index.row_of.get(name)) is not None]
        end = begin + len(names)
        is_last = not names or end >= len(kept.workers)
        further = None if is_last else Spot(kept.number, end, names[-1])
        return RigPage(lines, further, len(kept.workers))

    def _list(self, index: RigIndex, made_at: float, query: RigQuery, spot: Spot | None) -> _List:
        """The reader's own, if it is kept; else one of this index."""
        kept = None if spot is None else self._lists.get(spot.number)
        if kept is None or kept.query != query:
            alike = (each for each in self._lists.values() if each.query == query)
            kept = next((each for each in alike if each.made_at == made_at), None)
        if kept is None:
            kept = _List(next(self._numbers), query, made_at, _names(index, query))
            self._lists[kept.number] = kept
            if len(self._lists) > MOST_LISTS:
                self._lists.popitem(last=False)
        self._lists.move_to_end(kept.number)
        return kept

    async def _fresh(self) -> tuple[RigIndex, float]:
        """The index, and when it was made."""
        age_s = self._clock() - self._made_at
        if age_s >= FRESH_S and self._making is None:
            self._making = asyncio.create_task(self._make(), name="rig index")
        if age_s >= GOOD_S and self._making is not None:
            await asyncio.shield(self._making)
        return self._index, self._made_at

    async def _make(self) -> None:
        try:
            now = self._clock()
            index = await asyncio.to_thread(rig_index, self._fleet)
            # A page may be in the making from the last one, but none of the one before that: it is
            # taken apart in the thread, since to free 100,000 rows at once takes 10 ms.
            gone, self._before = self._before, self._index
            self._index, self._made_at = index, now
            await asyncio.to_thread(gone.forget)
        finally:
            self._making = None


def _names(index: RigIndex, query: RigQuery) -> list[str]:
    return [index.workers[row] for row in index.find(query)]


def _position(kept: _List, spot: Spot) -> int:
    """Where it goes on. In another list than the reader's, after the rig that was its last."""
    if kept.number == spot.number:
        return spot.position
    try:
        return kept.workers.index(spot.worker) + 1
    except ValueError:
        return min(spot.position, len(kept.workers))
