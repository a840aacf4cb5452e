"""Socket options for a line-based protocol."""

import asyncio
import socket

# Seconds of silence before the first probe: Linux and most others; macOS names it otherwise.
_KEEPALIVE_IDLE = getattr(socket, "TCP_KEEPIDLE", None) or getattr(socket, "TCP_KEEPALIVE", None)


def tune_socket(transport: asyncio.BaseTransport, keepalive_idle_s: int) -> None:
    """Send small lines at once, and find out about peers that are gone without a word."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if _KEEPALIVE_IDLE is not None:
        sock.setsockopt(socket.IPPROTO_TCP, _KEEPALIVE_IDLE, keepalive_idle_s)
