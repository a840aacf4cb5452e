"""A pool's connections on asyncio: one ``ServerProtocol`` per socket, no task, no stream.

What arrives in one piece is handled at once and answered by one write. A peer that does not read
what it is sent is dropped, never waited for.
"""

import asyncio
import logging
from collections.abc import Callable
from math import inf
from typing import Any, Protocol, TypeVarTuple, cast

from .codec import Codec
from .connection import DEFAULT_CODEC
from .errors import Dropped
from .limits import SERVER_LIMITS, Limits
from .messages import Malformed, Request, Response
from .server import ServerConnection
from .state import State
from .tcp import tune_socket

Args = TypeVarTuple("Args")

logger = logging.getLogger(__name__)

# Of a handshake's time: so much later than the first of its group may a session have come.
MOMENT = 1 / 60
# A peer that is told to go has so long to read its last lines.
CLOSE_TIMEOUT_S = 10.0

_LF = ord("\n")


class Application(Protocol):
    """What a pool does with its sessions.

    All four are called by the event loop and must not block. One object may serve all sessions, or
    the protocol factory may make one for each. An exception is logged and drops that session only.
    """

    def on_connect(self, session: "ServerProtocol", /) -> None:
        """A miner has connected: the first call for a session."""

    def on_request(self, session: "ServerProtocol", request: Request | Response, /) -> None:
        """A request, to be answered through ``session.connection``; or an answer to one of ours."""

    def on_malformed(self, session: "ServerProtocol", malformed: Malformed, /) -> None:
        """Something was wrong and has been answered with an error; close if it is too much."""

    def on_disconnect(self, session: "ServerProtocol", error: Exception | None, /) -> None:
        """The connection has ended, with the cause if it is an error: the last call for a session.

        ``Dropped`` if it was this side that gave up on the peer.
        """


class Handshakes:
    """Who has to subscribe and authorize, and by when: one timer for all who come within a moment.

    A timer for each would be a seventh of what a session holds, and 1 us of its handshake.
    """

    __slots__ = ("_expected", "_joined_until", "_timeout_s")

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._expected: set[ServerProtocol] = set()
        self._joined_until = -inf

    def expect(self, session: "ServerProtocol") -> "set[ServerProtocol]":
        """Drop ``session`` if it is not ready in time, or up to a MOMENT later.

        Returns all who are looked at together: one that ends before is to be taken out.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now >= self._joined_until:
            self._expected = set()
            self._joined_until = now + self._timeout_s * MOMENT
            loop.call_later(self._timeout_s * (1 + MOMENT), _end_handshakes, self._expected)
        self._expected.add(session)
        return self._expected


def _end_handshakes(expected: "set[ServerProtocol]") -> None:
    while expected:
        expected.pop().handshake_is_due()


class ServerProtocol(asyncio.Protocol):
    """One miner's session: the owner of its socket and of its ``ServerConnection``.

    Answers are made through ``connection`` and written together at the end of the turn in which
    their requests came in. An application that must wait for something first, such as a journal on
    disk, calls ``hold()`` in that turn and ``flush()`` later. What is queued outside of a turn is
    written by ``flush()``::

        await loop.create_server(lambda: ServerProtocol(application), port=3333)
    """

    __slots__ = (
        "_application",
        "_cause",
        "_closing",
        "_expected",
        "_handshakes",
        "_held",
        "_in_turn",
        "_limits",
        "_line_deadline",
        "_transport",
        "connection",
        "peername",
    )

    def __init__(
        self,
        application: Application,
        *,
        codec: Codec = DEFAULT_CODEC,
        limits: Limits = SERVER_LIMITS,
        extranonce2_size: int = 8,
        peername: Any = None,
        handshakes: "Handshakes | None" = None,
    ) -> None:
        """``peername`` is given where the socket's own is a proxy's and not the miner's.

        ``handshakes`` is for all sessions of a pool together; without it a session has its own.
        """
        self.connection = ServerConnection(
            codec=codec, limits=limits, extranonce2_size=extranonce2_size
        )
        self.peername: Any = peername  # (host, port, ...) of a TCP socket once connected
        self._application = application
        self._limits = limits
        self._transport: asyncio.Transport | None = None
        self._handshakes = handshakes
        self._expected: set[ServerProtocol] | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._line_deadline: asyncio.TimerHandle | None = None
        self._in_turn = False
        self._held = False
        self._cause: Exception | None = None

    # --- for the application ---------------------------------------------------------------------

    def hold(self) -> None:
        """Keep back all that is queued, until ``flush``."""
        self._held = True

    def flush(self) -> None:
        """End a hold, and write all that is queued: at once, or at the end of the running turn."""
        self._held = False
        if not self._in_turn:
            self._write()

    def write_rendered(self, lines: bytes) -> None:
        """Write rendered lines, such as a job for all sessions, behind what is already queued."""
        self.connection.write_rendered(lines)
        if not (self._in_turn or self._held):
            self._write()

    @property
    def free_transport(self) -> asyncio.Transport | None:
        """The transport, to be written to directly; None where something would be overtaken.

        For who writes the same to many: a session's own part of that takes longer than a write.
        """
        transport = self._transport
        if self._in_turn or self._held or self.connection.has_data_to_send or transport is None:
            return None
        return None if transport.is_closing() else transport

    def close(self) -> None:
        """Write what is queued, held or not, and end the connection; nothing more is read.

        A peer that does not take what is left is dropped after a while.
        """
        self.connection.close()
        self._cancel_line_deadline()
        if self._transport is not None and not self._transport.is_closing():
            self._write()
            self._transport.close()
            loop = asyncio.get_running_loop()
            self._closing = loop.call_later(CLOSE_TIMEOUT_S, self._transport.abort)

    def abort(self, cause: Exception | None = None) -> None:
        """End the connection at once; what has not been sent is lost."""
        self.connection.close()
        self._cause = self._cause or cause
        if self._transport is not None:
            self._transport.abort()

    # --- for the event loop ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._limits.outbox_bytes)
        if self.peername is None:
            self.peername = transport.get_extra_info("peername")
        tune_socket(transport, self._limits.keepalive_idle_s)
        self._expect_handshake()
        self._turn(self._application.on_connect, self)

    def taken_up(self, transport: asyncio.BaseTransport) -> None:
        """In place of ``connection_made``: go on with a connection that another process began.

        ``connection`` is restored and ``peername`` given before. The deadlines begin anew.
        """
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._limits.outbox_bytes)
        if self.connection.state is not State.READY:
            self._expect_handshake()
        self._watch_line(ended_one=False)
        self._write()

    @property
    def transport(self) -> asyncio.Transport | None:
        """The way to the peer; None where there is none any more, or it is being closed."""
        transport = self._transport
        is_open = transport is not None and not transport.is_closing()
        return transport if is_open and self.connection.state is not State.CLOSED else None

    def given_up(self) -> None:
        """Another process goes on with the connection; nothing more happens here by itself."""
        self._cancel_line_deadline()
        if self._expected is not None:
            self._expected.discard(self)

    def data_received(self, data: bytes) -> None:
        self._turn(self._handle, data)
        # Nearly all data is whole lines, and what is asked here is asked for every share.
        if (data and data[-1] != _LF) or self._line_deadline is not None:
            self._watch_line(ended_one=b"\n" in data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.connection.close()
        self._cancel_line_deadline()
        if self._closing is not None:
            self._closing.cancel()
        if self._expected is not None:
            self._expected.discard(self)
        self._turn(self._application.on_disconnect, self, self._cause or exc)
        self._transport = None
        # That was the last call. Application and session hold each other, and an error holds its
        # frames: left so, each connection that ends would wait for the garbage collector.
        self._cause = self._closing = None
        del self._application

    def pause_writing(self) -> None:
        # The transport holds more than outbox_bytes that the peer has not taken.
        self.abort(Dropped("slow_peer"))

    # --- inside ----------------------------------------------------------------------------------

    def _handle(self, data: bytes) -> None:
        for event in self.connection.receive_data(data):
            if isinstance(event, Malformed):
                self._application.on_malformed(self, event)
            else:
                self._application.on_request(self, event)

    def _turn(self, call: Callable[[*Args], None], *args: *Args) -> None:
        """The edge between loop and application: no exception passes, one write at the end."""
        self._in_turn = True
        try:
            call(*args)
        except Exception as error:
            logger.exception("the session of %s is dropped for an error in the pool", self.peername)
            self.abort(error)
        self._in_turn = False
        if not self._held:
            self._write()

    def _write(self) -> None:
        data = self.connection.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _expect_handshake(self) -> None:
        handshakes = self._handshakes or Handshakes(self._limits.handshake_timeout_s)
        self._expected = handshakes.expect(self)

    def _watch_line(self, *, ended_one: bool) -> None:
        """The deadline of a line runs from its first byte; what comes after does not move it."""
        if ended_one:
            self._cancel_line_deadline()
        if self._line_deadline is None and self.connection.is_within_line:
            self._line_deadline = asyncio.get_running_loop().call_later(
                self._limits.line_timeout_s, self.abort, Dropped("slow_sender")
            )

    def _cancel_line_deadline(self) -> None:
        if self._line_deadline is not None:
            self._line_deadline.cancel()
            self._line_deadline = None

    def handshake_is_due(self) -> None:
        """Drop a peer that has not both subscribed and authorized by now."""
        self._expected = None
        if self.connection.state not in (State.READY, State.CLOSED):
            self.abort(Dropped("handshake_timeout"))
