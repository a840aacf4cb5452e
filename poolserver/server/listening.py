"""Ports that rigs connect to: plain, with TLS, behind a proxy that speaks the PROXY protocol."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from math import inf
from typing import Any, cast

import structlog

from poolserver.server.proxy_header import ProxiedPeer, ProxyHeaderError, read_proxy_header
from poolserver.server.tls import ServerCertificate

# A rig's processor may take a second over a handshake; who needs ten is not there.
TLS_HANDSHAKE_TIMEOUT_S = 10.0
TLS_SHUTDOWN_TIMEOUT_S = 5.0
# A proxy sends its header at once, with the connection.
HEADER_TIMEOUT_S = 5.0
# Connections whose header is being read; the next ones wait in the backlog. A proxy's header is
# there at once, so these are a second's worth of a large hall that comes back.
MAX_HEADERS = 1000
# With no file descriptor left, accepting fails until a connection ends: so soon it is tried
# again, and so often told, as it may go on for hours.
ACCEPT_RETRY_S = 0.1
ACCEPT_LOG_INTERVAL_S = 60.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ListenerTerms:
    """``proxy_from`` are the proxies that a PROXY header is expected from; empty: of nobody."""

    host: str
    port: int
    backlog: int
    tls: ServerCertificate | None
    proxy_from: tuple[IPv4Network | IPv6Network, ...]


class Listener:
    """One address that is listened at."""

    def __init__(
        self,
        terms: ListenerTerms,
        accept: Callable[[ProxiedPeer | None], asyncio.Protocol],
        on_refused: Callable[[str, str], None],
    ) -> None:
        """``accept`` makes a connection's protocol, after TLS's handshake if there is one; it is
        given whose connection it is where that is not the socket's own peer. ``on_refused`` is
        told address and reason.
        """
        self._terms = terms
        self._accept = accept
        self._on_refused = on_refused
        self._is_closed = False
        self._server: asyncio.Server | None = None
        self._tasks: dict[asyncio.Task[None], socket.socket | None] = {}
        """Each with the socket that is to be closed when it ends."""
        self._headers = asyncio.Semaphore(MAX_HEADERS)
        self._next_accept_log_at = -inf

    async def open(self) -> int:
        """Listen; the port, which is a free one where 0 was asked for.

        Raises:
            OSError: the address cannot be bound.
        """
        if self._terms.proxy_from:
            return await self._open_for_proxies()
        terms, loop = self._terms, asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: self._new_protocol(None),
            terms.host,
            terms.port,
            backlog=terms.backlog,
            **self._tls_arguments(),
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def close(self) -> None:
        """Take no more connections; sessions that live are not touched.

        Of the TLS handshakes under way none becomes a session.
        """
        self._is_closed = True
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()

    def let_in(self, peer: ProxiedPeer | None) -> asyncio.Protocol | None:
        """The protocol of a connection whose handshake is done; None after ``close``."""
        return None if self._is_closed else self._accept(peer)

    def _new_protocol(self, peer: ProxiedPeer | None) -> asyncio.Protocol:
        return self._accept(peer) if self._terms.tls is None else _AfterHandshake(self, peer)

    def _tls_arguments(self) -> dict[str, Any]:
        if self._terms.tls is None:
            return {}
        return {
            "ssl": self._terms.tls.context,
            "ssl_handshake_timeout": TLS_HANDSHAKE_TIMEOUT_S,
            "ssl_shutdown_timeout": TLS_SHUTDOWN_TIMEOUT_S,
        }

    # --- behind proxies ------------------------------------------------------------------

    async def _open_for_proxies(self) -> int:
        """The header comes before TLS and before Stratum: it is read from the socket itself."""
        terms, loop = self._terms, asyncio.get_running_loop()
        found = await loop.getaddrinfo(
            terms.host or None, terms.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        ports = []
        try:
            for family, _, _, _, address in dict.fromkeys(found):
                sock = socket.create_server(
                    cast(tuple[str, int], address), family=family, backlog=terms.backlog
                )
                sock.setblocking(False)
                self._start(self._accept_for_ever(sock), sock)
                ports.append(int(sock.getsockname()[1]))
        except OSError:
            self.close()
            raise
        return ports[0]

    def _start(self, coroutine: Coroutine[Any, Any, None], sock: socket.socket) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks[task] = sock
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Close what a task has left; before, the loop would still look at the socket."""
        sock = self._tasks.pop(task)
        if sock is not None:
            sock.close()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("connection_lost_to_an_error", exc_info=error)

    async def _accept_for_ever(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._headers.acquire()
            try:
                sock, peer = await loop.sock_accept(listening)
            except OSError as error:
                self._headers.release()
                self._tell_of_trouble(error, loop.time())
                await asyncio.sleep(ACCEPT_RETRY_S)
                continue
            proxy = str(peer[0])
            if is_among(proxy, self._terms.proxy_from):
                self._start(self._introduce(sock, proxy), sock)
            else:
                self._headers.release()
                sock.close()
                self._on_refused(proxy, "proxy_untrusted")

    def _tell_of_trouble(self, error: OSError, now: float) -> None:
        if now >= self._next_accept_log_at:
            self._next_accept_log_at = now + ACCEPT_LOG_INTERVAL_S
            log.warning("cannot_accept", reason=str(error), port=self._terms.port)

    async def _introduce(self, sock: socket.socket, proxy: str) -> None:
        """From an accepted socket to a session, if the proxy says whose it is."""
        loop = asyncio.get_running_loop()
        sock.setblocking(False)
        try:
            async with asyncio.timeout(HEADER_TIMEOUT_S):
                peer = await read_proxy_header(loop, sock)
        except (ProxyHeaderError, OSError):  # a timeout is an OSError
            self._on_refused(proxy, "proxy_header")
            return
        finally:
            # Before TLS's handshake, which is the rig's: slow ones must not keep others out.
            self._headers.release()
        with suppress(OSError):  # a failed handshake, or gone meanwhile
            await loop.connect_accepted_socket(
                lambda: self._new_protocol(peer), sock, **self._tls_arguments()
            )
            task = asyncio.current_task()
            assert task is not None
            self._tasks[task] = None  # it is the transport's now


class _AfterHandshake(asyncio.Protocol):
    """Stands in until a TLS handshake is done: no session is made for one that fails."""

    def __init__(self, listener: Listener, peer: ProxiedPeer | None) -> None:
        self._listener = listener
        self._peer = peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        protocol = self._listener.let_in(self._peer)
        if protocol is None:
            cast(asyncio.Transport, transport).abort()
        else:
            transport.set_protocol(protocol)
            protocol.connection_made(transport)


def is_among(host: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    """Whether an address lies in one of the networks; an IPv4-mapped one counts as IPv4."""
    address: IPv4Address | IPv6Address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)
