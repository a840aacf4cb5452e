"""Who waits until what was recorded is safe, and for how much: answers to shares, as callbacks."""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import StrEnum

Callback = Callable[[], None]


class ReleasePolicy(StrEnum):
    """How safe a share's record is before its miner is told of it."""

    AT_ONCE = "at_once"
    """Not at all: a crash may lose shares that were answered."""
    TURN = "turn"
    """Written: it survives the end of the process, ``kill -9`` too."""
    SYNC = "sync"
    """Synced: it survives a power cut."""


class WhenFull(StrEnum):
    """What becomes of accepted shares while they cannot be saved."""

    HOLD = "hold"
    """They are held in memory; beyond its limit they are refused."""
    REFUSE = "refuse"
    """They are refused: a rig is told at once that it gets no credit, and none is told of a
    credit that is not safe."""


class Waiting:
    """Of one journal. Callbacks are called once each, on the loop, in the order of their coming."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._for_turn: deque[Callback] = deque()
        self._for_sync: deque[tuple[int, Callback]] = deque()
        self._stuck: deque[Callback] = deque()  # until a failure is over

    def for_turn(self, callback: Callback) -> None:
        """Until the turn's records are written."""
        self._for_turn.append(callback)

    def for_sync(self, sequence: int, callback: Callback) -> None:
        """Until all records before ``sequence`` are on the disk."""
        self._for_sync.append((sequence, callback))

    def end_turn(self) -> None:
        """It was written, or cannot be: what waits for that is called back."""
        self.call(self._for_turn)

    def synced(self, sequence: int) -> deque[Callback]:
        """Whoever need not wait any more with all before ``sequence`` on the disk; for call()."""
        released = deque[Callback]()
        while self._for_sync and self._for_sync[0][0] <= sequence:
            released.append(self._for_sync.popleft()[1])
        return released

    def fail(self, *, until_it_is_over: bool) -> None:
        """The disk fails: whoever waits for it is called back, or waits until that is over."""
        waiting = deque(callback for _, callback in self._for_sync)
        self._for_sync.clear()
        if until_it_is_over:
            self._stuck += waiting
            self._stuck += self._for_turn
            self._for_turn.clear()
        else:
            self._loop.call_soon(self.call, waiting)

    def recover(self) -> None:
        """The failure is over."""
        waiting, self._stuck = self._stuck, deque()
        self._loop.call_soon(self.call, waiting)

    def call(self, waiting: deque[Callback]) -> None:
        """One callback's error, which goes to the loop's handler, does not hold up the others."""
        try:
            while waiting:
                waiting.popleft()()
        finally:
            if waiting:
                self._loop.call_soon(self.call, waiting)
