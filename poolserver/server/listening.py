"""Ports that rigs connect to: plain, with TLS, behind a proxy that speaks the PROXY protocol.

A TLS handshake is work and holds a place for seconds, so whoever may not come in must not get
one. The order is: PROXY header, where one is expected; admission of the host that it names; TLS
handshake; session. asyncio's own servers shake hands first, therefore only plain ports are left
to them, or on Linux to our own RigSockets, and they are the cheapest in a storm; there the session
asks for its admission itself.
"""

import asyncio
import socket
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Any, Protocol, cast

import structlog

from poolserver.server.admission import Address
from poolserver.server.plain_listening import open_listening
from poolserver.server.proxy_header import ProxiedPeer, ProxyHeaderError, read_proxy_header
from poolserver.server.tls import ServerCertificate

if TYPE_CHECKING:
    from poolserver._native import RigSocket, RigSockets

# A rig's processor may take a second over a handshake; who needs ten is not there.
TLS_HANDSHAKE_TIMEOUT_S = 10.0
TLS_SHUTDOWN_TIMEOUT_S = 5.0
# A proxy sends its header at once, with the connection.
HEADER_TIMEOUT_S = 5.0
# Connections whose header is being read, or that wait for their turn to shake hands; the next
# ones wait in the backlog. A proxy's header is there at once, so these are a second's worth of a
# large hall that comes back.
MAX_HEADERS = 1000
# TLS handshakes under way. Measured, one takes less than a millisecond of a processor and some 50
# KiB: so many that begin at once still end well within the time-out, in 200 MB. And to keep them
# all taken needs 400 silent connections a second, which is what twenty strangers may open by the
# limits in admission.py.
MAX_HANDSHAKES = 4000
# asyncio's own loop accepts without a pause as long as somebody knocks; after so many, which take
# it some milliseconds, the sessions have their turn.
ACCEPTS_PER_TURN = 100
# With no file descriptor left, accepting fails until a connection ends: so soon it is tried
# again, and so often told, as it may go on for hours.
ACCEPT_RETRY_S = 0.1
ACCEPT_LOG_INTERVAL_S = 60.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ListenerTerms:
    """``proxy_from`` are the proxies that a PROXY header is expected from; empty: of nobody.

    ``is_shared``: other processes listen at the same address, and each has its part of the rigs.
    """

    host: str
    port: int
    backlog: int
    tls: ServerCertificate | None
    proxy_from: tuple[IPv4Network | IPv6Network, ...]
    is_shared: bool = False
    """Other processes may listen there too: each connection comes to one of them."""


class Door(Protocol):
    """What a listener needs of the process behind it.

    Each connection that was admitted ends in exactly one of ``accept``, whose protocol's
    ``connection_made`` is then called, and ``give_up``.
    """

    def admit(self, host: str) -> Address | None:
        """Count a new connection from ``host``. None: it is refused, which the door has counted."""

    def give_up(self, address: Address) -> None:
        """A connection that was admitted has come to nothing, as by a failed TLS handshake."""

    def accept(self, peer: ProxiedPeer | None, address: Address | None) -> asyncio.Protocol:
        """The protocol of a connection.

        ``peer`` says whose it is where that is not the socket's own peer. ``address`` is what
        ``admit`` gave; None: it was not asked, which is left to the session.
        """

    def take_in(self, rig_socket: "RigSocket") -> asyncio.Protocol:
        """The protocol of a connection to a plain listener with sockets of our own."""

    def refused(self, host: str, reason: str) -> None:
        """A connection from ``host`` was closed for a fault in how it was handed on."""


class Listener:
    """One address that is listened at."""

    def __init__(
        self, terms: ListenerTerms, door: Door, sockets: "RigSockets | None" = None
    ) -> None:
        """A plain listener's connections are those of ``sockets``; None: the event loop's."""
        self.door = door
        self.is_closed = False
        self._terms = terms
        self._sockets = sockets
        self.sockets: list[socket.socket] = []
        """What it listens at."""
        self._is_on_wire = False
        self._servers: list[asyncio.Server] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._tasks: dict[asyncio.Task[None], socket.socket | _Arrival] = {}
        """Each with what is to be closed when it ends."""
        self._headers = asyncio.Semaphore(MAX_HEADERS)
        self._handshakes = asyncio.Semaphore(MAX_HANDSHAKES)
        self._next_accept_log_at = -inf

    async def open(self) -> int:
        """Listen and accept; the port.

        Raises:
            OSError: the address cannot be bound.
        """
        await self.bind()
        await self.go_on()
        return self.port

    async def bind(self, sockets: Sequence[socket.socket] = ()) -> None:
        """Listen, and accept nothing yet.

        ``sockets`` listen already: those of another process, which are this listener's from now on.

        Raises:
            OSError: the address cannot be bound.
        """
        terms = self._terms
        self.sockets = list(sockets) or await open_listening(
            terms.host, terms.port, terms.backlog, reuse_port=terms.is_shared
        )

    @property
    def port(self) -> int:
        """What is listened at, which is a free one where 0 was asked for."""
        return int(self.sockets[0].getsockname()[1])

    def pause(self) -> None:
        """Accept nothing more; who knocks waits, at sockets that go on listening.

        A TLS handshake or PROXY header that is under way goes on.
        """
        for server in self._servers:
            server.close()
        for task in self._accepting:
            task.cancel()
        if self._is_on_wire and self._sockets is not None:
            for sock in self.sockets:
                self._sockets.unlisten(sock.fileno())
        self._servers.clear()
        self._accepting.clear()
        self._is_on_wire = False

    async def go_on(self) -> None:
        """Accept, for the first time or after a pause."""
        terms = self._terms
        has_admission = bool(terms.proxy_from) or terms.tls is not None
        self._is_on_wire = self._sockets is not None and not has_admission
        for sock in self.sockets:
            sock.setblocking(False)
            if self._is_on_wire and self._sockets is not None:
                self._sockets.listen(sock.fileno(), self.door.take_in)
            elif has_admission:
                own = sock.dup()  # closed by who accepts from it
                self._accepting.append(self._start(self._accept_for_ever(own), own))
            else:
                server = await asyncio.get_running_loop().create_server(
                    lambda: self.door.accept(None, None), sock=sock.dup(), backlog=terms.backlog
                )
                self._servers.append(server)

    def close(self) -> None:
        """Take no more connections; sessions that live are not touched.

        Of the connections on their way in none becomes a session: they are given up, in the
        loop's next turns.
        """
        self.is_closed = True
        self.pause()
        while self.sockets:
            self.sockets.pop().close()
        for task in self._tasks:
            task.cancel()

    # --- admission first -----------------------------------------------------------------

    def _start(
        self, coroutine: Coroutine[Any, Any, None], left: "socket.socket | _Arrival"
    ) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks[task] = left
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Close what a task has left; before, the loop would still look at the socket.

        Done here and not in the task itself, for one that is cancelled early never begins.
        """
        self._tasks.pop(task).close()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("connection_lost_to_an_error", exc_info=error)

    async def _accept_for_ever(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for accepted in count(1):
            await self._headers.acquire()
            try:
                sock, peer = await loop.sock_accept(listening)
            except OSError as error:
                self._headers.release()
                self._tell_of_trouble(error, loop.time())
                await asyncio.sleep(ACCEPT_RETRY_S)
                continue
            except asyncio.CancelledError:  # a pause, after which it is needed again
                self._headers.release()
                raise
            arrival = _Arrival(self, sock, str(peer[0]))
            self._start(self._introduce(arrival), arrival)
            if accepted % ACCEPTS_PER_TURN == 0:
                await asyncio.sleep(0)

    def _tell_of_trouble(self, error: OSError, now: float) -> None:
        if now >= self._next_accept_log_at:
            self._next_accept_log_at = now + ACCEPT_LOG_INTERVAL_S
            log.warning("cannot_accept", reason=str(error), port=self._terms.port)

    async def _introduce(self, arrival: "_Arrival") -> None:
        """From an accepted socket to a session, if it is let in."""
        arrival.sock.setblocking(False)
        try:
            if not await self._is_admitted(arrival):
                return
            await self._handshakes.acquire()
        finally:
            # Before the handshake, which is the rig's: slow ones must not keep others out.
            self._headers.release()
        try:
            with suppress(OSError):  # a failed handshake, or gone meanwhile
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: arrival, arrival.sock, **self._tls_arguments()
                )
        finally:
            self._handshakes.release()

    async def _is_admitted(self, arrival: "_Arrival") -> bool:
        """Find out whose connection it is, from a proxy if need be, and ask the door."""
        host, proxies = arrival.host, self._terms.proxy_from
        if proxies:
            if not is_among(host, proxies):
                self.door.refused(host, "proxy_untrusted")
                return False
            try:
                async with asyncio.timeout(HEADER_TIMEOUT_S):
                    arrival.peer = await read_proxy_header(asyncio.get_running_loop(), arrival.sock)
            except (ProxyHeaderError, OSError):  # a timeout is an OSError
                self.door.refused(host, "proxy_header")
                return False
            if arrival.peer is not None:
                host = arrival.peer.host
        arrival.address = self.door.admit(host)
        return arrival.address is not None

    def _tls_arguments(self) -> dict[str, Any]:
        if self._terms.tls is None:
            return {}
        return {
            "ssl": self._terms.tls.context,
            "ssl_handshake_timeout": TLS_HANDSHAKE_TIMEOUT_S,
            "ssl_shutdown_timeout": TLS_SHUTDOWN_TIMEOUT_S,
        }


class _Arrival(asyncio.Protocol):
    """A connection on its way in, and its transport's protocol until it has a session.

    The loops make a protocol before the handshake and may never use it, so the session's is
    made only when the transport is there.
    """

    def __init__(self, listener: Listener, sock: socket.socket, host: str) -> None:
        self.sock = sock
        self.host = host
        """The socket's own peer."""
        self.peer: ProxiedPeer | None = None
        self.address: Address | None = None  # once admitted
        self._listener = listener
        self._is_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        try:
            self._hand_over(cast(asyncio.Transport, transport))
        except Exception as error:  # the edge: it ends this connection alone
            log.error("connection_lost_to_an_error", exc_info=error)
            cast(asyncio.Transport, transport).abort()

    def _hand_over(self, transport: asyncio.Transport) -> None:
        if self._is_over or self._listener.is_closed:
            transport.abort()
            return
        protocol = self._listener.door.accept(self.peer, self.address)
        self._is_over = True  # from here on it is the session's, and so is the socket
        transport.set_protocol(protocol)
        protocol.connection_made(transport)

    def close(self) -> None:
        """Its task has ended: without a session the connection is closed and given up."""
        if self._is_over:
            return
        self._is_over = True
        self.sock.close()
        if self.address is not None:
            self._listener.door.give_up(self.address)


def is_among(host: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    """Whether an address lies in one of the networks; an IPv4-mapped one counts as IPv4."""
    address: IPv4Address | IPv6Address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)
