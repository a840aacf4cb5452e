"""A small pool on loopback, made of the Stratum library's server side."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from poolserver._native import JobHasher
from poolserver._vendor.asyncio_stratum import (
    Authorize,
    Configure,
    Malformed,
    Request,
    Response,
    ServerProtocol,
    StratumError,
    Submit,
    Subscribe,
    prevhash_to_stratum_hex,
    render_notify,
)
from poolserver.bitcoin.target import Difficulty, target_from_nbits, target_le

PREVHASH_LE = bytes(range(32))
COINB1, COINB2 = b"coinb1/", b"/coinb2"
MERKLE_BRANCH = (b"\x11" * 32, b"\x22" * 32)
VERSION, NBITS, NTIME = 0x20000000, 0x1D00FFFF, 1_763_942_400
DIFFICULTY = Difficulty.of(2.0**-24)  # 256 hashes a share


class FakePool:
    """An ``Application`` of the library: judges shares by the share check, behaves as told."""

    def __init__(self) -> None:
        self.version_mask: int | None = 0x1FFFE000
        self.refuses_users = False
        self.answer: StratumError | None = None  # refuses all good shares with it
        self.answers_submits = True
        self.sessions: list[ServerProtocol] = []
        self.connections = 0
        self.users: list[tuple[str, str]] = []
        self.user_agents: set[str] = set()
        self.submits: list[Submit] = []
        self.bad: list[Submit] = []  # above the share target, or seen before
        self.port = 0
        self._job = 0
        self._hashes: set[bytes] = set()
        self._extranonce1: dict[ServerProtocol, bytes] = {}
        self._hasher = JobHasher(
            COINB1, COINB2, MERKLE_BRANCH, PREVHASH_LE, NBITS, target_le(target_from_nbits(NBITS))
        )

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["FakePool"]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: ServerProtocol(self), "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.drop_all()
            await server.wait_closed()

    def drop_all(self) -> None:
        for session in list(self.sessions):
            session.abort()

    def new_job(self, *, clean_jobs: bool) -> None:
        self._job += 1
        for session in self.sessions:
            self._send_work(session, clean_jobs=clean_jobs)
            session.flush()

    def _send_work(self, session: ServerProtocol, *, clean_jobs: bool) -> None:
        session.connection.set_difficulty(DIFFICULTY.value)
        session.connection.notify(
            render_notify(
                job_id=str(self._job),
                prevhash_hex=prevhash_to_stratum_hex(PREVHASH_LE),
                coinb1=COINB1,
                coinb2=COINB2,
                merkle_branch=MERKLE_BRANCH,
                version=VERSION,
                nbits=NBITS,
                ntime=NTIME,
                clean_jobs=clean_jobs,
            )
        )

    def set_extranonce1(self, session: ServerProtocol, extranonce1: bytes) -> None:
        session.connection.set_extranonce(extranonce1)
        self._extranonce1[session] = extranonce1

    def on_connect(self, session: ServerProtocol) -> None:
        self.connections += 1
        self.sessions.append(session)
        self._extranonce1[session] = self.connections.to_bytes(4, "big")

    def on_disconnect(self, session: ServerProtocol, error: Exception | None) -> None:
        self.sessions.remove(session)

    def on_malformed(self, session: ServerProtocol, malformed: Malformed) -> None:
        raise AssertionError(malformed)

    def on_request(self, session: ServerProtocol, request: Request | Response) -> None:
        connection = session.connection
        match request:
            case Configure():
                connection.configured(request, version_mask=self.version_mask)
            case Subscribe(user_agent=user_agent):
                self.user_agents.add(user_agent)
                connection.subscribed(
                    request, extranonce1=self._extranonce1[session], session_id="s"
                )
            case Authorize() if self.refuses_users:
                connection.refuse(request, StratumError(24, "unauthorized"))
            case Authorize(username=username, password=password):
                self.users.append((username, password))
                # As many pools do: work first, the answer after it.
                self._send_work(session, clean_jobs=True)
                connection.authorized(request)
            case Submit():
                self._judge(session, request)

    def _judge(self, session: ServerProtocol, submit: Submit) -> None:
        self.submits.append(submit)
        bits, mask = submit.version_bits, session.connection.version_mask
        version = VERSION if bits is None else VERSION & ~mask | bits
        hash_le, good, _ = self._hasher.check(
            self._extranonce1[session] + submit.extranonce2,
            version,
            submit.ntime,
            submit.nonce,
            DIFFICULTY.target_le,
        )
        if not good or hash_le in self._hashes:
            self.bad.append(submit)
        self._hashes.add(hash_le)
        if not self.answers_submits:
            return
        error = self.answer if good else StratumError(23, "low_difficulty")
        if error is None:
            session.connection.accept(submit)
        else:
            session.connection.refuse(submit, error)


@pytest.fixture
def pool() -> FakePool:
    """A pool that serves within ``async with pool.serve()``."""
    return FakePool()
