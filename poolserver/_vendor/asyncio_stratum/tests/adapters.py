"""For the tests of the asyncio adapters: a pool, on loopback and on a transport of memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from .. import (
    SERVER_LIMITS,
    Application,
    Handshakes,
    Limits,
    Malformed,
    Request,
    Response,
    ServerProtocol,
    State,
)
from ..render import render_notify
from .helpers import AUTHORIZE, SUBSCRIBE, answer

JOB = render_notify(
    job_id="5a",
    prevhash_hex="00" * 32,
    coinb1=b"1",
    coinb2=b"2",
    merkle_branch=[],
    version=1,
    nbits=2,
    ntime=3,
    clean_jobs=True,
)
SUBSCRIBED = (
    b'{"id":1,"result":[[["mining.set_difficulty","6f1e"],["mining.notify","6f1e"]],'
    b'"08000002",8],"error":null}\n'
)
AUTHORIZED = b'{"id":2,"result":true,"error":null}\n'
ACCEPTED = b'{"id":3,"result":true,"error":null}\n'


@dataclass
class Pool:
    """An ``Application`` for all sessions: answers yes, remembers all, sends work when ready."""

    sessions: list[ServerProtocol] = field(default_factory=list)
    requests: list[Request | Response] = field(default_factory=list)
    malformed: list[Malformed] = field(default_factory=list)
    causes: list[Exception | None] = field(default_factory=list)
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)

    def on_connect(self, session: ServerProtocol) -> None:
        self.sessions.append(session)

    def on_request(self, session: ServerProtocol, request: Request | Response) -> None:
        self.requests.append(request)
        connection = session.connection
        before = connection.state
        answer(connection, request)
        if connection.state is State.READY is not before:
            connection.set_difficulty(1)
            connection.notify(JOB)

    def on_malformed(self, session: ServerProtocol, malformed: Malformed) -> None:
        self.malformed.append(malformed)

    def on_disconnect(self, session: ServerProtocol, error: Exception | None) -> None:
        self.causes.append(error)
        self.disconnected.set()


@asynccontextmanager
async def serving(
    application: Application, *, limits: Limits = SERVER_LIMITS, **options: Any
) -> AsyncIterator[int]:
    """A pool on loopback; gives the port. Its sessions are aborted at the end."""
    sessions: list[ServerProtocol] = []

    def new_session() -> ServerProtocol:
        sessions.append(ServerProtocol(application, limits=limits))
        return sessions[-1]

    loop = asyncio.get_running_loop()
    server = await loop.create_server(new_session, "127.0.0.1", 0, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for session in sessions:
            session.abort()
        await server.wait_closed()
        await asyncio.sleep(0)  # connection_lost is called in the next round of the loop


class MemoryTransport(asyncio.Transport):
    """Keeps what is written, write by write."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.7", 50000)})
        self.writes: list[bytes] = []
        self.closed = self.aborted = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = high

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True


@dataclass
class Wired:
    """A session on a transport of memory."""

    application: Application
    limits: Limits = SERVER_LIMITS
    handshakes: Handshakes | None = None

    def __post_init__(self) -> None:
        self.transport = MemoryTransport()
        self.session = ServerProtocol(
            self.application, limits=self.limits, handshakes=self.handshakes
        )
        self.session.connection_made(self.transport)

    def sends(self, *pieces: bytes) -> list[bytes]:
        """What is written, write by write, when pieces of data come in."""
        self.transport.writes.clear()
        for piece in pieces:
            self.session.data_received(piece)
        return list(self.transport.writes)

    def ready(self) -> "Wired":
        self.sends(SUBSCRIBE + AUTHORIZE)
        self.transport.writes.clear()
        return self

    def ends(self, error: Exception | None = None) -> None:
        self.session.connection_lost(error)
