"""How many may be connected to the HTTP server at once: the rest of a process' files are rigs'."""

import asyncio
from collections.abc import Callable
from typing import cast

import structlog
from aiohttp import web

from poolserver.log import RateLimited

MOST_CONNECTIONS = 512
"""A browser has six, a stream one, Prometheus one: that is a large control room. With the usual
1,024 open files of a process there is room for as many rigs beside them."""

log = structlog.get_logger(__name__)


class Door:
    """Makes the protocols of connections, as a loop's ``create_server`` has it."""

    def __init__(
        self,
        server: web.Server,
        connect: Callable[[], asyncio.BaseProtocol],
        most: int = MOST_CONNECTIONS,
    ) -> None:
        """``connect`` makes the next connection of ``server``."""
        self._server = server
        self._connect = connect
        self._most = most
        self._trouble = RateLimited(log)

    def __call__(self) -> asyncio.BaseProtocol:
        """For the next connection, which is closed at once if there are too many."""
        if len(self._server.connections) < self._most:
            return self._connect()
        now = asyncio.get_running_loop().time()
        self._trouble.failed("http_full", f"{self._most} connections", now)
        return _Refusal()


class _Refusal(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()
