"""Sums over sliding windows whose span is known exactly, for very many quantities at once. Pure.

All quantities stand in one array and only ever grow; what came in a window is the array now less
a copy of it from when the window began. So a window costs nothing while things are added, and a
copy is one block of memory, for 100,000 quantities in 0.1 ms.

Floating point: a sum of ten years is rounded at 1e-16 of itself, which is 1e-8 of what came in
the last five seconds. Energy is not made of these sums but of integers, in the ledger.
"""

from array import array
from typing import NamedTuple

TICK_S = 5.0
WINDOWS_S = (TICK_S, 60.0, 300.0, 900.0, 3600.0)
# How often a copy is kept, for ages up to each window: 47 copies in all. A window is longer than
# its name by a twelfth at most, the tick's by up to a tick, and how long is known.
_STEPS_S = ((60.0, 5.0), (300.0, 20.0), (900.0, 60.0), (3600.0, 300.0))
_KEPT_S = 3600.0 + 300.0


class Since(NamedTuple):
    """All sums as they were ``span_s`` ago."""

    sums: "array[float]"
    """Shorter than what there is now: what came later was 0."""
    span_s: float

    def of(self, slot: int) -> float:
        """One sum as it was."""
        return self.sums[slot] if slot < len(self.sums) else 0.0


class WindowsState(NamedTuple):
    """All of ``Windows``; the sums as this machine has them in memory."""

    began_s: float
    newest_s: float
    sums: bytes
    copies: tuple[tuple[float, bytes], ...]


class Windows:
    """Growing sums, and what they were. Times are Unix seconds and do not go back."""

    def __init__(self, now_s: float) -> None:
        self.sums: array[float] = array("d")
        """All of them now; add to them at will."""
        self.began_s = now_s
        self._newest_s = now_s
        self._found: dict[float, Since] = {}
        self._found_at_s = now_s
        self._copies: list[tuple[float, array[float]]] = [(now_s, array("d"))]

    def new(self, count: int = 1) -> int:
        """Room for ``count`` more sums, at 0; the number of the first."""
        slot = len(self.sums)
        self.sums.extend([0.0] * count)
        return slot

    def state(self) -> WindowsState:
        """All of it, for ``restore``."""
        copies = tuple((at_s, sums.tobytes()) for at_s, sums in self._copies)
        return WindowsState(self.began_s, self._newest_s, self.sums.tobytes(), copies)

    def restore(self, state: WindowsState) -> None:
        """Go on from what another has been, in place of what is here."""
        self.began_s, self._newest_s = state.began_s, state.newest_s
        self.sums = array("d", state.sums)
        self._copies = [(at_s, array("d", sums)) for at_s, sums in state.copies]
        self._found.clear()

    def is_due(self, now_s: float) -> bool:
        """Whether advance() would keep copies."""
        return self._next_s() < now_s

    def advance(self, now_s: float) -> None:
        """Tell the time before adding what came at ``now_s``: copies are kept when due."""
        if not self.is_due(now_s):
            return
        self._found.clear()
        copy = array("d", self.sums)
        # Of a long time without a word, copies that would be dropped at once are not made.
        due_s = max(self._next_s(), (now_s - _KEPT_S) // TICK_S * TICK_S)
        while due_s < now_s:
            self._copies.append((due_s, copy))
            self._newest_s = due_s
            due_s += TICK_S
        self._drop(now_s)

    def since(self, window_s: float, now_s: float) -> Since:
        """The sums of ``window_s`` ago, or of a little longer ago; or else of the beginning."""
        if now_s != self._found_at_s:  # many are asked for at one time
            self._found.clear()
            self._found_at_s = now_s
        found = self._found.get(window_s)
        if found is None:
            begin_s = now_s - window_s
            at_s, sums = next(
                (copy for copy in reversed(self._copies) if copy[0] <= begin_s), self._copies[0]
            )
            found = self._found[window_s] = Since(sums, max(0.0, now_s - at_s))
        return found

    def _next_s(self) -> float:
        return (self._newest_s // TICK_S + 1) * TICK_S

    def _drop(self, now_s: float) -> None:
        kept = []
        for at_s, sums in self._copies:
            age_s = now_s - at_s
            step_s = next((step for until, step in _STEPS_S if age_s <= until + step), None)
            if step_s is not None and (at_s % step_s == 0 or at_s == self.began_s):
                kept.append((at_s, sums))
        self._copies = kept
