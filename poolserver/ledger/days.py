"""When a day's books are closed. Pure.

A day is closed some minutes after its end, since records of it may still be on their way, and
only when the clock has been beyond it for as long by another clock that nobody sets: one that
jumps ahead and back again closes nothing.
"""

from poolserver.ledger.totals import DAY_S

GRACE_S = 600.0
"""A batch is seconds behind its shares; ten minutes are for a worker process whose link was cut."""


class DayCloser:
    """Says which days may be closed, or other periods that divide a day."""

    def __init__(self, grace_s: float = GRACE_S, period_s: int = DAY_S) -> None:
        self._grace_s = grace_s
        self._period_s = period_s
        self._day = self._over = -1
        self._since_s = 0.0

    def over(self, unix_s: float, monotonic_s: float) -> int:
        """The last day (since 1970, UTC) that may be closed; -1: none yet."""
        day = int(unix_s // self._period_s) - 1
        if day != self._day:
            self._day, self._since_s = day, monotonic_s
        if monotonic_s - self._since_s >= self._grace_s:
            self._over = day
        return self._over
