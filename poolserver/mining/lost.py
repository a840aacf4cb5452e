"""Sessions whose connection was lost, kept for a while so that their rigs can go on with them.

A rig that comes back and names its session keeps its extranonce1, so what it found while it
was away, on the jobs it had, still counts. Ids are random and known to this process alone:
nobody comes by somebody else's session, and a rig that returns to another process gets a new one.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from poolserver.mining.miner import ChangePoint, extranonces_of

# cgminer and its kin come back within seconds or not at all; jobs are over after so long too.
RESUME_WINDOW_S = 600.0
# Each holds an extranonce1, of which a process has 1,048,576, and about a kilobyte.
MAX_LOST = 65_536


class LostSession(NamedTuple):
    """What a rig takes up again: enough to judge its shares and to start at the right difficulty.

    ``hashrate`` is in hashes a second, 0 where it is not known; ``workers`` mined with it.
    """

    session_id: str
    extranonce1: bytes
    changes: list[ChangePoint]
    last_job: int
    hashrate: float
    workers: int

    @property
    def extranonces(self) -> set[bytes]:
        """Every extranonce1 that it holds."""
        return extranonces_of(self.extranonce1, self.changes)


class LostSessions:
    """By session id, the longest lost first."""

    def __init__(self, window_s: float = RESUME_WINDOW_S, capacity: int = MAX_LOST) -> None:
        self._window_s = window_s
        self._capacity = capacity
        self._lost: OrderedDict[str, tuple[float, LostSession]] = OrderedDict()

    def keep(self, lost: LostSession, now: float) -> None:
        """Hold a session whose connection has just ended."""
        self._lost[lost.session_id] = self.until(now), lost

    def until(self, now: float) -> float:
        """How long a session is held that is lost now."""
        return now + self._window_s

    def take(self, session_id: str, now: float) -> LostSession | None:
        """The lost session of that id, once; None where there is none or its time is over."""
        found = self._lost.pop(session_id, None)
        return found[1] if found is not None and now < found[0] else None

    def expire(self, now: float) -> list[LostSession]:
        """Take out each whose time is over or that is beyond the capacity."""
        over: list[LostSession] = []
        while self._lost:
            until, lost = next(iter(self._lost.values()))
            if now < until and len(self._lost) <= self._capacity:
                break
            self._lost.popitem(last=False)
            over.append(lost)
        return over

    def drop_oldest(self) -> LostSession | None:
        """Take out the longest lost session: its extranonce1 is needed."""
        return self._lost.popitem(last=False)[1][1] if self._lost else None

    def __iter__(self) -> Iterator[tuple[float, LostSession]]:
        """Until when, and which, the longest lost first."""
        return iter(self._lost.values())

    def restore(self, until: float, lost: LostSession) -> None:
        """Hold a session that another process had lost, in the order in which it gives them."""
        self._lost[lost.session_id] = until, lost

    def __len__(self) -> int:
        return len(self._lost)
