"""The look at every session without a share, spread over the seconds.

At 10,000 sessions all at once are a pause of 20 ms, in which no share is answered.
"""

from collections.abc import Collection, Iterator
from itertools import islice
from typing import Protocol

import structlog

from poolserver.mining.miner import Miner

# Silence is judged in tens of seconds: so many steps, one a second, and all have been looked at.
SWEEP_STEPS = 10

log = structlog.get_logger(__name__)


class Swept(Protocol):
    """What a sweep needs of a session."""

    miner: Miner

    def tick(self, now: float) -> None: ...
    def abort(self) -> None: ...


class Sweep:
    """Looks at a part of the sessions at each step."""

    def __init__(self, sessions: Collection[Swept]) -> None:
        """``sessions`` are those that live, at any time."""
        self._sessions = sessions
        self._step = 0
        self._to_look_at: Iterator[Swept] = iter(())
        self._part = 0
        self._counted = 0
        self.unresolved = 0
        """Workers that mined but whose hashrate could not be told, as of the last whole sweep."""

    def step(self, now: float) -> None:
        """Ease the rigs of this part that are silent.

        What goes wrong with one session ends that one alone.
        """
        if self._step == 0:
            everybody = list(self._sessions)
            self._part = -(-len(everybody) // SWEEP_STEPS)
            self._to_look_at = iter(everybody)
        self._step = (self._step + 1) % SWEEP_STEPS
        for session in islice(self._to_look_at, self._part):
            try:
                session.tick(now)
                for worker in session.miner.workers.values():
                    self._counted += not worker.is_resolved and worker.is_active(now)
            except Exception:
                log.exception("session_dropped")
                session.abort()
        if self._step == 0:
            self.unresolved, self._counted = self._counted, 0
