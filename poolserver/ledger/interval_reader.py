"""The rows of intervals in the order in which they are signed, read beside a running pool.

Python runs one thread at a time, and one that computes gives way only after 5 ms (its switch
interval). A long read therefore stops by itself after each fraction of a millisecond, so that
the event loop, and with it each rig's answer, waits no longer than that.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from heapq import merge
from typing import TypeVar

from poolserver.ledger import audit_sql
from poolserver.ledger.audit import LedgerRow, names_bytes, numbers_bytes
from poolserver.ledger.database import Connection
from poolserver.ledger.records import LedgerError

TURN_S = 0.0005
"""How long is computed at a stretch: about what the event loop needs for 50 shares."""
PAUSE_S = 0.001
"""Long enough for a thread that waits to be given its turn."""
SORTED_AT_ONCE = 200
"""So many names are sorted within TURN_S."""

FROM_EVER_S, FOR_EVER_S = -(2**62), 2**62

T = TypeVar("T")


class Stopped(Exception):
    """The work is not wanted any more."""


class UnnamedRows(LedgerError):
    """The ledger has rows of workers that it has no names of: somebody else has been at it."""


class Pace:
    """Gives way to other threads now and then; call ``step()`` after each small piece of work."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._turn_ends = time.perf_counter() + TURN_S

    def step(self) -> None:
        """A good place to pause.

        Raises:
            Stopped: stop() was called.
        """
        if time.perf_counter() >= self._turn_ends:
            if self._stop.wait(PAUSE_S):
                raise Stopped
            self._turn_ends = time.perf_counter() + TURN_S

    def stop(self) -> None:
        """From any thread: end the work at its next step."""
        self._stop.set()


class NoPace(Pace):
    """For a process of its own, which keeps nobody waiting."""

    def step(self) -> None:
        """Go on."""


class IntervalReader:
    """Reads ``worker_interval``, in a thread of its own. It holds the names of all workers.

    What it holds is text, bytes and numbers, and no objects of objects: a million of those
    would have Python's garbage collector stop everybody for 50 ms at a time.
    """

    def __init__(self, connection: Connection, pace: Pace) -> None:
        self._connection = connection
        self._pace = pace
        self._numbers: list[int] = []  # of workers, in the order of their names
        self._names: list[bytes] = []
        self._load_names()

    def intervals(self, from_s: int, before_s: int) -> Iterator[int]:
        """When each interval with rows begins, in order."""
        begin_s = audit_sql.next_interval(self._connection, from_s, before_s)
        while begin_s is not None:
            yield begin_s
            begin_s = audit_sql.next_interval(self._connection, begin_s + 1, before_s)

    def rows(self, begin_s: int) -> Iterator[LedgerRow]:
        """The rows of an interval by site, account and worker.

        They come in the order of UTF-8 bytes, which is also that of Python's strings, and not
        in any that a database would sort by.

        Raises:
            UnnamedRows: after all others, where rows have no worker.
        """
        found = audit_sql.interval_rows(self._connection, begin_s)
        rows = {number: numbers_bytes(begin_s, columns) for number, *columns in self._steps(found)}
        for number, names in self._steps(zip(self._numbers, self._names, strict=True)):
            numbers = rows.pop(number, None)
            if numbers is not None:
                yield LedgerRow(begin_s, names, numbers)
        if rows:
            unnamed = ", ".join(map(str, sorted(rows)[:10]))
            raise UnnamedRows(f"{len(rows)} rows are of workers without a name: numbers {unnamed}")

    def rows_with_names(self, begin_s: int) -> Iterator[LedgerRow]:
        """As rows(), without a word about rows of nobody."""
        with suppress(UnnamedRows):
            yield from self.rows(begin_s)

    def between(
        self, begin_s: int, before: LedgerRow | None, after: LedgerRow | None
    ) -> list[LedgerRow]:
        """Of workers that sort between two rows: what their rows would begin with."""
        first = 0 if before is None else self._names.index(before.names) + 1
        last = len(self._names) if after is None else self._names.index(after.names)
        return [LedgerRow(begin_s, names, b"") for names in self._names[first:last]]

    def _load_names(self) -> None:
        names: dict[int, bytes] = {}
        stretches: list[list[str]] = [[]]
        for number, key in self._steps(audit_sql.worker_names(self._connection)):
            names[number] = names_bytes(key)
            if len(stretches[-1]) == SORTED_AT_ONCE:
                stretches.append([])
            # No name has a character that sorts before this one: they are all printable.
            stretches[-1].append("\0".join((*key, str(number))))
        for stretch in self._steps(stretches):
            stretch.sort()
        for each in self._steps(merge(*stretches)):
            number = int(each.rpartition("\0")[2])
            self._numbers.append(number)
            self._names.append(names.pop(number))

    def _steps(self, items: Iterable[T]) -> Iterator[T]:
        step = self._pace.step
        for item in items:
            step()
            yield item
