"""Listening sockets with the options that the connections of rigs are to have.

Linux gives an accepted socket TCP_NODELAY, SO_KEEPALIVE and TCP_KEEPIDLE of the one that
listens (a test holds it to that), which spares three system calls a connection: in a storm of
10,000 that is 10 ms. Elsewhere they are set once more, by the Stratum library.
"""

import asyncio
import errno
import socket
from typing import cast

from poolserver._vendor.asyncio_stratum import SERVER_LIMITS

# As in the Stratum library's tcp.py: macOS names it otherwise.
_KEEPALIVE_IDLE = getattr(socket, "TCP_KEEPIDLE", None) or getattr(socket, "TCP_KEEPALIVE", None)


async def open_listening(
    host: str,
    port: int,
    backlog: int,
    *,
    reuse_port: bool = False,
    keepalive_idle_s: int = SERVER_LIMITS.keepalive_idle_s,
) -> list[socket.socket]:
    """Listen at all addresses that ``host`` stands for ("": all of this machine), at least one.

    The sockets are non-blocking. A family of addresses that this machine does not speak is left
    out. With ``reuse_port`` other processes may listen there too, and share what comes.

    Raises:
        OSError: the name means nothing, or an address cannot be bound; nothing is left open.
    """
    found = await asyncio.get_running_loop().getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    opened: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            sock = _new_socket(family)
            if sock is not None:
                opened.append(sock)
                _tune(sock, reuse_port, keepalive_idle_s)
                _listen(sock, cast(tuple[str, int], address), backlog)
    except OSError:
        for sock in opened:
            sock.close()
        raise
    if not opened:
        raise OSError(errno.EAFNOSUPPORT, f"no address of {host!r} can be listened at")
    return opened


def _new_socket(family: int) -> socket.socket | None:
    try:
        return socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:
            return None
        raise


def _tune(sock: socket.socket, reuse_port: bool, keepalive_idle_s: int) -> None:
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if _KEEPALIVE_IDLE is not None:
        sock.setsockopt(socket.IPPROTO_TCP, _KEEPALIVE_IDLE, keepalive_idle_s)


def _listen(sock: socket.socket, address: tuple[str, int], backlog: int) -> None:
    try:
        sock.bind(address)
        sock.listen(backlog)
    except OSError as error:  # the system's words name no address
        reason = f"cannot listen at {address[0]} port {address[1]}: {error.strerror}"
        raise OSError(error.errno, reason) from None
