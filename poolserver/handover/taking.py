"""A worker process that goes on where another has left off."""

import asyncio
import socket
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, cast

import msgspec

from poolserver._vendor.asyncio_stratum import ServerProtocol
from poolserver.collector import without_collector
from poolserver.handover.passing import close_all
from poolserver.handover.state import (
    Handed,
    HandoverError,
    Jobs,
    Listening,
    PoolState,
    SessionState,
)
from poolserver.mining.job import Job
from poolserver.mining.job_state import restored as restored_job
from poolserver.mining.miner_state import restored as restored_miner
from poolserver.mining.miner_state import restored_lost
from poolserver.mining.registry import IssuedJob
from poolserver.mining.template import BlockTemplate
from poolserver.server.session import MinerSession
from poolserver.server.worker import Worker


class _Waiting(NamedTuple):
    """A connection whose session is made, and that is not read yet."""

    session: MinerSession
    fd: int
    unsent: bytes
    is_ours: bool
    """Whether its listener is still one of ours."""


class Taker:
    """Makes a new worker what the old one was. Each method once, in the order they stand in."""

    def __init__(self, worker: Worker, listeners: Sequence[Listening]) -> None:
        """``listeners`` are those of the old one, by whose numbers sessions are told."""
        self._worker = worker
        ours = dict(zip(worker.reception.addresses, worker.reception.doors, strict=True))
        self._doors = [ours.get((each.host, each.port)) for each in listeners]
        self._templates: list[BlockTemplate] = []
        self._jobs: dict[int, Job] = {}
        self._waiting: list[_Waiting] = []

    def take_jobs(self, message: Jobs) -> None:
        """Make jobs of what was sent; there may be more of it."""
        self._templates += message.templates
        for number, state in message.jobs:
            self._jobs[state.number] = restored_job(state, self._templates[number])

    def take(self, handed: Handed, fds: Sequence[int], now: float) -> None:
        """Take up everything else, but read nothing yet. The descriptors are ours from now on.

        Raises:
            HandoverError: what was handed does not fit together.
        """
        if len(fds) != len(handed.sessions):
            close_all(fds)
            raise HandoverError(f"{len(fds)} sockets came for {len(handed.sessions)} rigs")
        with without_collector():
            self._take(handed, fds, now)

    def _take(self, handed: Handed, fds: Sequence[int], now: float) -> None:
        worker = self._worker
        self._take_pool(handed.pool)
        latest = None if handed.latest is None else self._templates[handed.latest]
        worker.go_on_from(latest, handed.freshness)
        worker.count_from(handed.malformed, handed.journal_dropped)
        worker.guard.restore(handed.guard, now)
        for state, fd in zip(handed.sessions, fds, strict=True):
            self._take_session(state, fd)

    def _take_pool(self, state: PoolState) -> None:
        pool, jobs = self._worker.pool, self._worker.pool.jobs
        for number, expires_at, seen, found in map(msgspec.structs.astuple, state.issued):
            issued = IssuedJob(self._jobs[number], expires_at)
            issued.seen.update(seen)
            issued.found.update(found)
            jobs.restore(issued)
            # Terms on a connection are told by the number of the first job that they hold for.
            pool.factory.number_above(number)
        jobs.current, jobs.spare = self._jobs.get(state.current), self._jobs.get(state.spare)
        if jobs.current is not None:
            pool.cap_at(jobs.current.template)
        for lost in state.lost:
            session = restored_lost(lost)
            pool.lost.restore(lost.until, session)
            pool.adopt(session.extranonces)
        pool.last_hashrate.update(state.last_hashrate)
        pool.pay_by(state.plan.plan)
        jobs.spare = self._jobs.get(state.spare)  # it pays by that plan
        pool.resumed, pool.judge.stopgap_work = state.resumed, int(state.stopgap_work)

    def _take_session(self, state: SessionState, fd: int) -> None:
        worker = self._worker
        own = self._doors[state.listener]
        door = own or worker.reception.doors[0]
        protocol, session = door.take_up(state.peername)
        protocol.connection.restore(state.connection)
        coinbase_class = 0  # until it is recognised
        miner = restored_miner(
            state.miner, door.vardiff, worker.journal.declare_worker, coinbase_class
        )
        worker.pool.take_up(miner)
        session.taken_up(protocol, miner, accepted_at=state.accepted_at, has_work=state.has_work)
        self._waiting.append(_Waiting(session, fd, state.unsent, own is not None))

    async def read(self) -> None:
        """Hear what the rigs say from now on."""
        for session, fd, unsent, is_ours in self._waiting:
            try:
                await self._open(session, fd, unsent)
            except OSError as error:  # its rig is gone
                session.protocol.connection_lost(error)
                continue
            if not is_ours:
                session.ask_to_reconnect()
                session.close()
        self._waiting.clear()

    async def _open(self, session: MinerSession, fd: int, unsent: bytes) -> None:
        if self._worker.wire is not None:
            session.protocol.taken_up(self._worker.wire.take_up(session, fd, unsent))
            return
        sock = socket.socket(fileno=fd)
        sock.setblocking(False)
        await asyncio.get_running_loop().connect_accepted_socket(
            partial(_Arrived, session.protocol, unsent), sock
        )


class _Arrived(asyncio.Protocol):
    """The first protocol of a transport whose connection is an old one."""

    def __init__(self, protocol: ServerProtocol, unsent: bytes) -> None:
        self._protocol = protocol
        self._unsent = unsent

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).set_protocol(self._protocol)
        cast(asyncio.Transport, transport).write(self._unsent)
        self._protocol.taken_up(transport)
