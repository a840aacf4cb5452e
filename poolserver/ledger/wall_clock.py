"""The time of day that shares are booked by, held to that of the chain. Pure.

By a wrong clock shares would be booked in years to come, where they stay in every window of
work, days would be closed that are not over, and journals deleted that are not old. The chain
tells the time, if not to the minute: a block's is later than the median of the eleven before it
(consensus), which on a public network is about an hour old.
"""

from collections.abc import Callable

AHEAD_S = 86_400
"""No public network was ever without a block for so long."""
BEHIND_S = 7_200
"""A block's time may be so far ahead of all clocks (consensus), and so may then the median."""


class WallClock:
    """The system's clock. With ``is_held`` it is at most two hours earlier than the chain's, and a
    day later; other networks, as regtest, may stand still for years."""

    def __init__(self, unix_time: Callable[[], float], *, is_held: bool) -> None:
        self._unix_time = unix_time
        self._is_held = is_held
        self._chain_s: int | None = None

    def note_chain(self, mintime: int) -> None:
        """A template's ``mintime``, in Unix seconds: the chain's median time and one."""
        self._chain_s = mintime

    @property
    def is_sure(self) -> bool:
        """Whether it may be gone by in what cannot be undone."""
        return not self._is_held or self._chain_s is not None

    @property
    def is_wrong(self) -> bool:
        """Whether the system's clock is held back, or pushed on."""
        now, chain_s = self._unix_time(), self._chain_s
        return self._is_held and chain_s is not None and not -BEHIND_S <= now - chain_s <= AHEAD_S

    def unix_s(self) -> float:
        """Unix seconds."""
        now, chain_s = self._unix_time(), self._chain_s
        if chain_s is None or not self._is_held:
            return now
        return min(max(now, chain_s - BEHIND_S), chain_s + AHEAD_S)

    def unix_ms(self) -> int:
        """Unix milliseconds."""
        return int(self.unix_s() * 1000)
