"""The wire of the plain TCP rigs: their sockets, the lane of their ordinary shares, and the books.

The event loop calls ``_on_ready`` when a rig has sent something. One turn in C reads from all that
are ready and judges the ordinary shares; here they are recorded and credited, and what was not
ordinary goes the plain path. Where there is no C (or no Linux) there is no wire: such rigs are on
asyncio's transports, all their shares go the plain path, and the pool does the same, slower.
"""

import asyncio
import os
from collections.abc import Callable
from math import inf
from typing import cast

import structlog

from poolserver._native import LaneRig, LaneTurn, RigSocket, RigSockets, ShareLane
from poolserver.histogram import Histogram
from poolserver.ledger.journal import Journal
from poolserver.mining.registry import IssuedJob, JobRegistry
from poolserver.server.fan_out import FanOut
from poolserver.server.listening import ACCEPT_LOG_INTERVAL_S
from poolserver.server.session import MinerSession

# With turns more often than this the next one waits so long, and what comes meanwhile is one
# turn's: one journal write, one look at the sockets. A turn costs as much as five shares: at 5,000
# a second 6 us of each. No rig minds; a block that is found goes out so much later at most.
GATHER_S = 0.004
# A turn of so many sockets is full (RIG_TURN_EVENTS), and the next one does not wait: there is
# company enough. With it 1,000 rigs that wait for each answer had half as many shares a second.
FULL_TURN = 256
# It is told of a share again, and does not look for any, after so long without one. To begin that
# is dear: the kernel then looks at all sockets for cycles of epoll sets, 2 ms with 15,000 rigs.
# Begun at each short pause it was half of all that the pool cost.
QUIET_S = 1.0

log = structlog.get_logger(__name__)


class RigWire:
    """All plain TCP rigs of one worker process. ``now`` gives monotonic seconds."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        jobs: JobRegistry,
        journal: Journal,
        extranonce2_size: int,
        now: Callable[[], float],
        latency: Histogram,
    ) -> None:
        """Each share is noted in ``latency``, from its bytes to its answer."""
        self._loop = loop
        self._jobs = jobs
        self._journal = journal
        self._now = now
        self._lane = ShareLane(extranonce2_size)
        self._on_offer: set[int] = set()  # job numbers
        self.sockets = RigSockets(self._lane, loop.call_soon, now, latency)
        self._fd = self.sockets.fileno()
        self._turn_at = self._found_at = -inf
        self._gathering: asyncio.TimerHandle | None = None
        """The next turn, if that is not when a rig has sent something."""
        self._told_failures = 0
        self._next_log_at = -inf
        self._watch()

    def close(self) -> None:
        """End all connections that are left, and watch no more."""
        self._loop.remove_reader(self._fd)
        if self._gathering is not None:
            self._gathering.cancel()
        self.sockets.close()

    def pause(self) -> None:
        """Accept and read nothing more until ``go_on``."""
        self._loop.remove_reader(self._fd)
        if self._gathering is not None:
            self._gathering.cancel()
        self._gathering = None

    def go_on(self) -> None:
        """Accept and read; once more is all the same."""
        if self._gathering is None:
            self._watch()

    def take_up(self, session: MinerSession, fd: int, unsent: bytes) -> asyncio.Transport:
        """Take over a session's socket, from another process or back from one.

        Raises:
            OSError: it cannot be watched, and is closed.
        """
        rig_socket = self.sockets.adopt(fd, unsent, session.protocol)
        self.attach(session, rig_socket)
        session.miner.lane = session.lane
        return cast(asyncio.Transport, rig_socket)  # in all that is asked of it

    def fan_out(self) -> FanOut:
        """Sends jobs, to the rigs on the wire many at once."""
        return FanOut(RigSocket, self.sockets.write_all)

    # --- what ordinary shares may be for ---------------------------------------------------

    def attach(self, session: MinerSession, rig_socket: RigSocket) -> None:
        """Give a new connection its way into the lane; it is closed at first."""
        rig_socket.rig = session.lane = LaneRig(session)

    def offer(self, issued: IssuedJob) -> None:
        """A share for this job was accepted: others may be ordinary.

        A job without transactions is not offered: what is proven on it is counted apart.
        """
        job = issued.job
        if job.number in self._on_offer or job.template.stopgap:
            return
        self._on_offer.add(job.number)
        self._lane.offer(
            issued,
            job.job_id,
            job.number,
            job.version,
            job.ntime_min,
            job.ntime_max,
            [variant.hasher for variant in job.variants],
            issued.seen,
        )
        if job is not self._jobs.current:  # which has no end
            self._lane.expire(issued, issued.expires_at)

    @property
    def jobs_on_offer(self) -> int:
        """How many jobs shares may be ordinary for."""
        return len(self._on_offer)

    def withdraw(self) -> None:
        """There is a new current job: which of the others are still good is found out anew."""
        self._lane.withdraw(inf)
        self._on_offer.clear()

    def look(self, now: float) -> None:
        """Once a second: tell of connections that could not be accepted."""
        failures = self.sockets.accept_failures
        if failures != self._told_failures and now >= self._next_log_at:
            self._told_failures = failures
            self._next_log_at = now + ACCEPT_LOG_INTERVAL_S
            log.warning("cannot_accept", reason=os.strerror(self.sockets.accept_errno))

    # --- a turn ----------------------------------------------------------------------------

    def _watch(self) -> None:
        self._gathering = None
        self._loop.add_reader(self._fd, self._on_ready)

    def _on_ready(self) -> None:
        """A rig has sent something, after a pause."""
        before = self._turn_at
        found = self._turn()
        if self._turn_at - before < GATHER_S:
            self._found_at = self._turn_at
            self._loop.remove_reader(self._fd)
            self._gather_after(found)

    def _on_gathered(self) -> None:
        goes_on, found = True, 0  # whatever becomes of this turn: a wire that rests is deaf
        try:
            if found := self._turn():
                self._found_at = self._turn_at
            goes_on = self._turn_at - self._found_at < QUIET_S
        finally:
            if goes_on:
                self._gather_after(found)
            else:
                self._watch()

    def _gather_after(self, found: int) -> None:
        """The next turn; there is company enough where the last one could not take all."""
        rest_s = GATHER_S if found < FULL_TURN else 0.0
        self._gathering = self._loop.call_later(rest_s, self._on_gathered)

    def _turn(self) -> int:
        """Take what there is; how many sockets had something."""
        now = self._turn_at = self._now()
        try:
            sequence, unix_ms, room = self._journal.packing()
            turn = self.sockets.turn(now, sequence, unix_ms, room)
            found = self.sockets.staged
            if turn is not None:
                self._book(turn, unix_ms, now)
        finally:  # what was read is not read again
            self.sockets.deliver()
        return found

    def _book(self, turn: LaneTurn, unix_ms: int, now: float) -> None:
        """Record the shares of a turn, let their answers wait for that, and credit them."""
        try:
            self._journal.append_shares(turn.records, turn.count, unix_ms)
        except Exception:  # no rig is to wait for answers that will not come
            for session, *_ in turn.credits:
                session.abort()
            raise
        self._journal.release(turn.release)
        for session, worker, change, _, count in turn.credits:
            try:
                session.credit(worker, change, count, now)
            except Exception:  # the edge of a session here: it ends that one alone
                log.exception("session_dropped")
                session.abort()
