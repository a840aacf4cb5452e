"""The rows of intervals in the order in which they are signed, read beside a running pool.

Python runs one thread at a time, and one that computes gives way only after 5 ms (its switch
interval). A long read therefore stops by itself after each fraction of a millisecond, so that
the event loop, and with it each rig's answer, waits no longer than that.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice
from typing import TypeVar

from poolserver.ledger import audit_sql
from poolserver.ledger.audit import LedgerRow, names_bytes
from poolserver.ledger.database import Connection
from poolserver.ledger.records import LedgerError
from poolserver.ledger.totals import WorkerKey

TURN_S = 0.0005
"""How long is computed at a stretch: about what the event loop needs for 50 shares."""
PAUSE_S = 0.001
"""Long enough for a thread that waits to be given its turn."""
SORTED_AT_ONCE = 200
"""So many names are sorted within TURN_S."""

FOR_EVER_S = 2**62

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
    """Reads ``worker_interval``, in a thread of its own. It holds the names of all workers."""

    def __init__(self, connection: Connection, pace: Pace) -> None:
        self._connection = connection
        self._pace = pace
        self._names = list(self._steps(self._sorted_names()))

    def intervals(self, from_s: int = 0, before_s: int = FOR_EVER_S) -> Iterator[int]:
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
        rows = {number: columns for number, *columns in self._steps(found)}
        for key, number, names in self._steps(self._names):
            columns = rows.pop(number, None)
            if columns is not None:
                yield LedgerRow(begin_s, key, names, columns)
        if rows:
            numbers = ", ".join(map(str, sorted(rows)[:10]))
            raise UnnamedRows(f"{len(rows)} rows are of workers without a name: numbers {numbers}")

    def _sorted_names(self) -> Iterator[tuple[WorkerKey, int, bytes]]:
        names = self._steps(
            (key, number, names_bytes(key))
            for number, key in audit_sql.worker_names(self._connection)
        )
        stretches = []
        while stretch := sorted(islice(names, SORTED_AT_ONCE)):
            stretches.append(stretch)
        return merge(*stretches)

    def _steps(self, items: Iterable[T]) -> Iterator[T]:
        step = self._pace.step
        for item in items:
            step()
            yield item
