"""Requests' work and the event loop take turns, so that many who ask do not hold up rigs.

What is ready runs in one turn of an event loop, however much it is: with 64 requests of half a
millisecond each, rigs' sockets are read again after 32. Here a request's work is cut where it
awaits, and of all the pieces that are ready one is done in a turn; the others wait in line. What a
request waits for (a thread, a lock, whoever does not read) is nobody's turn, and one that is
cancelled, or runs into its timeout, is told at once.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Generator
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Turns:
    """Of one event loop. Nobody holds a turn: it is over with the loop's own."""

    def __init__(self) -> None:
        self._is_taken = False
        self._line: deque[asyncio.Future[None]] = deque()

    @coroutine
    def through(self, work: Awaitable[T]) -> Generator[Any, Any, T]:
        """Do all of ``work``, each piece of it when it is its turn.

        As ``await work`` otherwise: it is the same task that does it, and errors are the same.
        """
        pieces, waits_for = work.__await__(), self._mine()
        error: BaseException | None = None
        while True:
            try:
                yield from waits_for
            except BaseException as caught:  # of whatever kind: it is the work's
                error = caught
            try:
                waits_for = self._after(pieces.send(None) if error is None else pieces.throw(error))
            except StopIteration as end:
                result: T = end.value
                return result
            finally:
                error = None  # it has this frame: else both would stay until garbage is collected

    def _after(self, awaited: Any) -> Generator[Any, Any, None]:
        try:
            yield awaited
        finally:
            del awaited  # its error has this frame, and it its error
        yield from self._mine()

    def _mine(self) -> Generator[Any, Any, None]:
        """Wait in line, unless it is nobody's turn."""
        if self._is_taken:
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._line.append(place)
            yield from place
        else:
            self._take()

    def _take(self) -> None:
        self._is_taken = True
        asyncio.get_running_loop().call_soon(self._pass_on)

    def _pass_on(self) -> None:
        """A turn of the loop has ended: the next is of the first in line who is still there."""
        self._is_taken = False
        while self._line and not self._is_taken:
            place = self._line.popleft()
            if not place.done():
                place.set_result(None)
                self._take()
