"""A gate in a stream between two programs, that can be cut and held. Loopback only."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

LOOPBACK = "127.0.0.1"
# A block of 4 MB is 8 MB of hex; heads are some hundred bytes.
LIMIT_BYTES = 64 * 1024 * 1024
CHUNK_BYTES = 256 * 1024
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER of no time: close() sends a reset

T = TypeVar("T")


class Reset(Exception):
    """Both connections are to be reset."""


class Gone(Exception):
    """One of the two ends has hung up."""


class Reader(asyncio.StreamReader):
    """``ended`` is set once nothing more comes, whoever reads what came before."""

    def __init__(self) -> None:
        super().__init__(limit=LIMIT_BYTES)
        self.ended = asyncio.Event()

    def feed_eof(self) -> None:
        super().feed_eof()
        self.ended.set()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self.ended.set()


class TcpGate:
    """A stream to ``upstream_port``; ``cut`` resets it and refuses more until ``heal``."""

    def __init__(self, upstream_port: int) -> None:
        self.upstream_port = upstream_port
        self.port = 0
        self._is_cut = False
        self._passes = asyncio.Event()
        self._passes.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen on a port of loopback that is free."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._protocol, LOOPBACK, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset what is open; what connects from now on is reset at once."""
        self._is_cut = True
        for writer in list(self._writers):
            _reset(writer)

    def hold(self) -> None:
        """Take everything and forward nothing, until ``heal``."""
        self._passes.clear()

    def heal(self) -> None:
        """All passes again."""
        self._is_cut = False
        self._passes.set()

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        reader = Reader()

        def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._serve(reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return asyncio.StreamReaderProtocol(reader, accept)

    async def _serve(self, reader: Reader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, with one to the node that lives as long."""
        node: asyncio.StreamWriter | None = None
        self._writers.add(writer)
        try:
            if self._is_cut:
                raise Reset
            answers, node = await _connect(self.upstream_port)
            self._writers.add(node)
            await self._pass(reader, writer, answers, node)
        except (Reset, ConnectionError):
            for each in (writer, node):
                if each is not None:
                    _reset(each)
        except (Gone, asyncio.IncompleteReadError):
            pass
        finally:
            for each in (writer, node):
                if each is not None:
                    self._writers.discard(each)
                    each.close()

    async def _pass(
        self,
        reader: Reader,
        writer: asyncio.StreamWriter,
        answers: Reader,
        node: asyncio.StreamWriter,
    ) -> None:
        there = asyncio.ensure_future(self._pump(reader, node))
        back = asyncio.ensure_future(self._pump(answers, writer))
        try:
            await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
        finally:
            there.cancel()
            back.cancel()
            await asyncio.gather(there, back, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(CHUNK_BYTES):
                await self._passes.wait()
                writer.write(chunk)
                await writer.drain()


async def unless_gone(peer: Reader, work: Coroutine[Any, Any, T]) -> T:
    """Do ``work`` unless ``peer`` hangs up meanwhile.

    Raises:
        Gone: it has hung up.
    """
    task = asyncio.ensure_future(work)
    hung_up = asyncio.ensure_future(peer.ended.wait())
    try:
        await asyncio.wait([task, hung_up], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Gone
        return task.result()
    finally:
        for each in (task, hung_up):
            each.cancel()
        await asyncio.gather(task, hung_up, return_exceptions=True)


async def _connect(port: int) -> tuple[Reader, asyncio.StreamWriter]:
    """What asyncio.open_connection does, with a reader of ours."""
    loop, reader = asyncio.get_running_loop(), Reader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.create_connection(lambda: protocol, LOOPBACK, port)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    writer.transport.abort()
