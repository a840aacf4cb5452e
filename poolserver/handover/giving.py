"""What a worker process knows, for the next one to go on with it."""

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from poolserver.cluster.messages import SentPlan
from poolserver.collector import without_collector
from poolserver.handover.passing import close_all
from poolserver.handover.state import (
    Handed,
    IssuedState,
    Jobs,
    Listening,
    PoolState,
    SessionState,
)
from poolserver.mining.job import Job
from poolserver.mining.job_state import state_of as state_of_job
from poolserver.mining.lost import LostSession
from poolserver.mining.miner_state import LostState, state_of_lost
from poolserver.mining.miner_state import state_of as state_of_miner
from poolserver.mining.template import BlockTemplate
from poolserver.pool import Pool, as_lost
from poolserver.server.session import MinerSession
from poolserver.server.worker import Worker

if TYPE_CHECKING:
    from poolserver._native import RigSocket


class _Given(NamedTuple):
    """A connection on its way: whose it was, and how it becomes that one's again."""

    session: MinerSession
    transport: asyncio.Transport
    state: SessionState
    fd: int


class Giver:
    """Hands over one worker process, once it is paused and settled."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._templates: list[BlockTemplate] = []  # sent, by number; held, so that ids stay theirs
        self._number_of: dict[int, int] = {}  # by id
        self._sent: set[int] = set()  # job numbers
        self._given: list[_Given] = []
        self._left: list[MinerSession] = []

    def jobs(self) -> Callable[[], Jobs]:
        """The jobs that were not sent yet, for a thread to make a message of them."""
        issued = self._worker.pool.jobs
        jobs = [each.job for each in issued if each.job.number not in self._sent]
        self._sent.update(job.number for job in jobs)
        before = len(self._templates)
        numbers = [self._number(job.template) for job in jobs]
        latest = self._worker.freshness.latest
        if latest is not None:
            self._number(latest)
        return lambda: _jobs(self._templates[before:], numbers, jobs)

    def _number(self, template: BlockTemplate) -> int:
        number = self._number_of.get(id(template))
        if number is None:
            number = self._number_of[id(template)] = len(self._templates)
            self._templates.append(template)
        return number

    def hand(self, now: float) -> tuple[Callable[[], Jobs], Handed, list[int]]:
        """The last jobs, and all else with the rigs' sockets; nothing is heard of rigs any more."""
        with without_collector():
            return self._hand(now)

    def _hand(self, now: float) -> tuple[Callable[[], Jobs], Handed, list[int]]:
        worker, jobs = self._worker, self.jobs()
        lost: list[LostState] = []
        for session in worker.sessions:
            given = self._taken_from(session)
            if given is not None:
                self._given.append(given)
                continue
            self._left.append(session)
            left = as_lost(session.miner, now)
            if left is not None:
                lost.append(state_of_lost(left, worker.pool.lost.until(now)))
        latest = worker.freshness.latest
        handed = Handed(
            latest=None if latest is None else self._number_of[id(latest)],
            freshness=worker.freshness.state(),
            pool=_state_of(worker.pool, lost),
            guard=worker.guard.state(),
            malformed=worker.malformed,
            journal_dropped=worker.journal.dropped,
            sessions=tuple(each.state for each in self._given),
        )
        return jobs, handed, [each.fd for each in self._given]

    def _taken_from(self, session: MinerSession) -> _Given | None:
        """None where the rig has to come anew: TLS keys and what uvloop has not sent stay here."""
        protocol = session.protocol
        transport = protocol.transport
        if transport is None:
            return None
        is_on_wire = session.lane is not None
        taken = _detached(cast("RigSocket", transport)) if is_on_wire else _socket_of(transport)
        if taken is None:
            return None
        protocol.given_up()
        fd, unsent = taken
        peer: Any = protocol.peername
        state = SessionState(
            listener=self._listener_of(session),
            peername=(str(peer[0]), int(peer[1])) if isinstance(peer, tuple) and peer else None,
            unsent=unsent,
            connection=protocol.connection.snapshot(),
            miner=state_of_miner(session.miner),
            accepted_at=session.accepted_at,
            has_work=session.has_work,
        )
        return _Given(session, transport, state, fd)

    def _listener_of(self, session: MinerSession) -> int:
        doors = self._worker.reception.doors
        return next(n for n, door in enumerate(doors) if door.vardiff is session.terms)

    # --- how it ends -----------------------------------------------------------------------

    def let_go(self) -> tuple[int, int]:
        """The other process has the rigs: how many, and how many are told to come by themselves."""
        for session in self._left:
            session.ask_to_reconnect()
            session.close()
        for given in self._given:
            if given.session.lane is None:
                given.transport.set_protocol(asyncio.Protocol())  # whose end is nobody's news
                given.transport.abort()
        close_all([each.fd for each in self._given])
        self._worker.forget_rigs()
        return len(self._given), len(self._left)

    def take_back(self) -> None:
        """The other process is gone: go on as if nothing had been."""
        for session, transport, state, fd in self._given:
            session.protocol.connection.write_rendered(state.connection.unsent)
            if session.lane is not None and self._worker.wire is not None:
                session.miner.close_lane()
                transport = self._worker.wire.take_up(session, fd, state.unsent)
            else:
                os.close(fd)
            session.protocol.taken_up(transport)


def listening(worker: Worker) -> tuple[tuple[Listening, ...], list[int]]:
    """What is listened at for rigs, as the first word has it."""
    reception = worker.reception
    each = list(zip(reception.addresses, reception.sockets, strict=True))
    told = tuple(Listening(host, port, len(sockets)) for (host, port), sockets in each)
    return told, [sock.fileno() for _, sockets in each for sock in sockets]


def _detached(rig_socket: "RigSocket") -> tuple[int, bytes] | None:
    try:
        return rig_socket.detach()
    except RuntimeError:  # something is on its way through it still
        return None


def _socket_of(transport: asyncio.Transport) -> tuple[int, bytes] | None:
    """A descriptor of its own for the socket, of which no more is read, and what is not sent."""
    transport.pause_reading()  # it may have come while we settled
    if transport.get_extra_info("sslcontext") is not None or transport.get_write_buffer_size():
        return None
    return os.dup(transport.get_extra_info("socket").fileno()), b""


def _jobs(templates: list[BlockTemplate], numbers: list[int], jobs: list[Job]) -> Jobs:
    states = [state_of_job(job) for job in jobs]
    return Jobs(tuple(templates), tuple(zip(numbers, states, strict=True)))


def _state_of(pool: Pool, left: list[LostState]) -> PoolState:
    jobs = pool.jobs
    return PoolState(
        current=0 if jobs.current is None else jobs.current.number,
        spare=0 if jobs.spare is None else jobs.spare.number,
        issued=tuple(
            IssuedState(each.job.number, each.expires_at, each.seen.to_bytes(), [*each.found])
            for each in jobs
        ),
        lost=(*(_state_of_lost(*each) for each in pool.lost), *left),
        last_hashrate=dict(pool.last_hashrate),
        plan=SentPlan(pool.factory.plan),
        resumed=pool.resumed,
        stopgap_work=str(pool.judge.stopgap_work),
    )


def _state_of_lost(until: float, lost: LostSession) -> LostState:
    return state_of_lost(lost, until)
