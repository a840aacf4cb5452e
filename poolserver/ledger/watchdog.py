"""Ends what hangs: a call to a server that is there and does not answer.

TCP's own timers notice a machine that is gone, the server's a statement that takes too long. A
server process that is stopped, or a proxy that has lost its other side, is noticed by neither:
the system answers for it, for ever.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Watchdog:
    """Calls ``bite`` once, in a thread of its own, where a call takes ``limit_s``.

    One call at a time is watched. Call close() at the end.
    """

    def __init__(self, limit_s: float, bite: Callable[[], None]) -> None:
        self._limit_s = limit_s
        self._bite = bite
        self._deadline: float | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="ledger-watchdog", daemon=True)
        self._thread.start()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """What is done inside is a call. One inside of another one is a part of it."""
        if self._deadline is not None:
            yield
            return
        self._deadline = time.monotonic() + self._limit_s
        try:
            yield
        finally:
            self._deadline = None

    def close(self) -> None:
        """Watch no more."""
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        # A call is noticed up to an eighth of the limit late: no call has to wake this thread.
        while not self._closed.wait(self._limit_s / 8):
            deadline = self._deadline
            if deadline is not None and time.monotonic() >= deadline:
                self._bite()
                return
