"""Ports that rigs connect to: plain, with TLS, behind a proxy that speaks the PROXY protocol."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import structlog

from poolserver.server.proxy_header import ProxiedPeer, ProxyHeaderError, read_proxy_header
from poolserver.server.tls import ServerCertificate

# A rig's processor may take a second over a handshake; who needs ten is not there.
TLS_HANDSHAKE_TIMEOUT_S = 10.0
TLS_SHUTDOWN_TIMEOUT_S = 5.0
# A proxy sends its header at once, with the connection.
HEADER_TIMEOUT_S = 5.0
# Connections whose header is being read; the next ones wait in the backlog.
MAX_HEADERS = 1000
# With no file descriptor left, accepting fails until a connection ends.
ACCEPT_RETRY_S = 0.1

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
        """``accept`` makes a connection's protocol; it is given whose connection it is where
        that is not the socket's own peer. ``on_refused`` is told address and reason.
        """
        self._terms = terms
        self._accept = accept
        self._on_refused = on_refused
        self._servers: list[asyncio.Server] = []
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._headers = asyncio.Semaphore(MAX_HEADERS)

    async def open(self) -> int:
        """Listen; the port, which is a free one where 0 was asked for.

        Raises:
            OSError: the address cannot be bound.
        """
        if self._terms.proxy_from:
            return await self._open_for_proxies()
        terms, loop = self._terms, asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: self._accept(None),
            terms.host,
            terms.port,
            backlog=terms.backlog,
            **self._tls_arguments(),
        )
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    def close(self) -> None:
        """Take no more connections; sessions that live are not touched."""
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        for sock in self._sockets:
            sock.close()

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
        for family, _, _, _, address in dict.fromkeys(found):
            sock = socket.create_server(
                address[:2],
                family=family,
                backlog=terms.backlog,
            )
            sock.setblocking(False)
            self._sockets.append(sock)
            self._start(self._accept_for_ever(sock))
        port: int = self._sockets[0].getsockname()[1]
        return port

    def _start(self, coroutine: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept_for_ever(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._headers.acquire()
            try:
                sock, peer = await loop.sock_accept(listening)
            except OSError as error:
                self._headers.release()
                log.warning("cannot_accept", reason=str(error))
                await asyncio.sleep(ACCEPT_RETRY_S)
                continue
            except asyncio.CancelledError:
                self._headers.release()
                raise
            self._start(self._introduce(sock, str(peer[0])))

    async def _introduce(self, sock: socket.socket, proxy: str) -> None:
        """From an accepted socket to a session, if the proxy may and does say whose it is."""
        try:
            await self._hand_over(sock, proxy)
        except BaseException:
            sock.close()
            raise
        finally:
            self._headers.release()

    async def _hand_over(self, sock: socket.socket, proxy: str) -> None:
        loop = asyncio.get_running_loop()
        if not _is_in(proxy, self._terms.proxy_from):
            sock.close()
            self._on_refused(proxy, "proxy_untrusted")
            return
        sock.setblocking(False)
        try:
            async with asyncio.timeout(HEADER_TIMEOUT_S):
                peer = await read_proxy_header(loop, sock)
        except (ProxyHeaderError, OSError):  # a timeout is an OSError
            sock.close()
            self._on_refused(proxy, "proxy_header")
            return
        with suppress(OSError):  # a failed handshake, or gone meanwhile: the session was told
            await loop.connect_accepted_socket(
                lambda: self._accept(peer), sock, **self._tls_arguments()
            )


def _is_in(host: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    address: IPv4Address | IPv6Address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)
