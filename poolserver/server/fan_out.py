"""One job to every session, those with the most hashrate first.

Between the first rig and the last of 10,000 each microsecond a session is 10 ms of work on an old
tip. So what leads up to a write is little, and the same line is written to many at once.
"""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

import structlog

from poolserver.mining.job import Job
from poolserver.server.session import MinerSession

# So many sessions are made ready, in a fifth of a millisecond, before their job leaves.
RUN = 256

_by_difficulty = attrgetter("miner.vardiff.difficulty")  # a third faster than a function

log = structlog.get_logger(__name__)


class FanOut:
    """Sends jobs. ``write_all`` writes one line to many transports of the type ``kind``, if any."""

    def __init__(
        self, kind: type | None = None, write_all: Callable[[list[Any], bytes], None] | None = None
    ) -> None:
        self._kind = kind
        self._write_all = write_all

    def send(self, sessions: Iterable[MinerSession], job: Job, *, is_clean: bool) -> None:
        """Send ``job`` to each session, behind a new difficulty where there is one.

        ``is_clean``: work on all jobs before it is in vain. What goes wrong with one session ends
        that one alone.
        """
        run: dict[bytes, list[Any]] = {}  # transports by line, which is the same for nearly all
        waiting, difficulty = 0, 0.0
        for session in sorted(sessions, key=_by_difficulty, reverse=True):
            if waiting == RUN or session.miner.vardiff.difficulty != difficulty:
                self._write(run)
                waiting, difficulty = 0, session.miner.vardiff.difficulty
            try:
                line = session.take_job(job, clean=is_clean)
                if not line:
                    continue
                transport = session.free_transport
                if type(transport) is self._kind:
                    run.setdefault(line, []).append(transport)
                    waiting += 1
                elif transport is not None:
                    transport.write(line)
                else:
                    session.write(line)
            except Exception:
                log.exception("session_dropped")
                session.abort()
        self._write(run)

    def _write(self, run: dict[bytes, list[Any]]) -> None:
        if self._write_all is not None:
            for line, transports in run.items():
                self._write_all(transports, line)
        run.clear()
