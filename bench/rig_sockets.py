"""What a line in and a line out cost at the socket: the event loop's transports against our own.

    python -m bench.rig_sockets [ROUNDS]

Rigs, in a process of their own, have so many lines outstanding each, and send one for each answer
that comes. The server answers each line and does nothing else, so what is measured is kernel, event
loop and transport. Prints microseconds of the server's processor time (of these in the kernel), the
median of ROUNDS (5), in which all take turns; and what a connection costs from accept to end.
"""

import asyncio
import multiprocessing
import resource
import select
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from statistics import median
from typing import cast

import uvloop

from poolserver._native._sharecheck import Histogram, RigSockets, ShareLane
from poolserver.server.plain_listening import open_listening

LINE = b"x" * 199 + b"\n"  # as long as a submit
ANSWER = b'{"id":1234,"result":true,"error":null}\n'
LINES = 200_000
CONNECTIONS = 2_000
LOADS = ((100, 1), (100, 8), (1000, 1))


class Server(asyncio.Protocol):
    answered = 0
    ended = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        count = data.count(b"\n")
        Server.answered += count
        self.transport.write(ANSWER * count)

    def connection_lost(self, error: Exception | None) -> None:
        Server.ended += 1


@asynccontextmanager
async def on_transports(listening: socket.socket) -> AsyncIterator[None]:
    server = await asyncio.get_running_loop().create_server(Server, sock=listening, backlog=4096)
    try:
        yield
    finally:
        server.close()


@asynccontextmanager
async def on_ours(listening: socket.socket) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    sockets = RigSockets(ShareLane(8), loop.call_soon, lambda: 0.0, Histogram(()))

    def turn() -> None:
        sockets.turn(0.0, 0, 0, 0)
        sockets.deliver()

    sockets.listen(listening.fileno(), lambda _: Server())
    loop.add_reader(sockets.fileno(), turn)
    try:
        yield
    finally:
        loop.remove_reader(sockets.fileno())
        sockets.close()
        listening.close()


Serve = Callable[[socket.socket], AbstractAsyncContextManager[None]]
KINDS: dict[str, tuple[Callable[[], asyncio.AbstractEventLoop], Serve]] = {
    "asyncio": (asyncio.SelectorEventLoop, on_transports),
    "uvloop": (uvloop.new_event_loop, on_transports),
    "ours": (uvloop.new_event_loop, on_ours),
}


def rigs(port: int, connections: int, outstanding: int, lines: int) -> None:
    """The other side. With no lines: connect and leave."""
    epoll = select.epoll()
    socks: dict[int, socket.socket] = {}
    for _ in range(connections):
        sock = socket.create_connection(("127.0.0.1", port))
        socks[sock.fileno()] = sock
        epoll.register(sock, select.EPOLLIN)
        sock.send(LINE * (outstanding if lines else 1))
    left = lines - connections * outstanding
    while left > 0:
        for fd, _ in epoll.poll():
            count = socks[fd].recv(65536).count(b"\n")
            left -= count
            socks[fd].send(LINE * count)
    for sock in socks.values():
        sock.close()


async def serve(kind: str, connections: int, outstanding: int, lines: int) -> tuple[float, float]:
    """Processor seconds, and of these in the kernel."""
    [listening] = await open_listening("127.0.0.1", 0, 4096)
    port = listening.getsockname()[1]
    Server.answered = Server.ended = 0
    async with KINDS[kind][1](listening):
        crowd = multiprocessing.get_context("fork").Process(
            target=rigs, args=(port, connections, outstanding, lines)
        )
        crowd.start()
        before = resource.getrusage(resource.RUSAGE_SELF)
        while Server.ended < connections:  # noqa: ASYNC110 - the measured side sets no event
            await asyncio.sleep(0.01)
        after = resource.getrusage(resource.RUSAGE_SELF)
        crowd.join()
    kernel = after.ru_stime - before.ru_stime
    return after.ru_utime - before.ru_utime + kernel, kernel


def measured(kind: str, connections: int, outstanding: int, lines: int) -> tuple[float, float]:
    with closing(KINDS[kind][0]()) as loop:
        return loop.run_until_complete(serve(kind, connections, outstanding, lines))


def medians(rounds: int, connections: int, outstanding: int, lines: int) -> dict[str, str]:
    each = {kind: list[tuple[float, float]]() for kind in KINDS}
    for _ in range(rounds):
        for kind, results in each.items():
            results.append(measured(kind, connections, outstanding, lines))

    def said(kind: str, part: Callable[[tuple[float, float]], float]) -> float:
        return 1e6 * median(part(result) for result in each[kind]) / (lines or connections)

    return {k: f"{said(k, lambda r: r[0]):.2f} ({said(k, lambda r: r[1]):.2f})" for k in KINDS}


def main() -> None:
    rounds = int(sys.argv[1]) if sys.argv[1:] else 5
    print(f"{'us (of these in the kernel)':30}" + "".join(f"{kind:>18}" for kind in KINDS))
    for connections, outstanding in LOADS:
        row = medians(rounds, connections, outstanding, LINES)
        name = f"{connections} connections x {outstanding}"
        print(f"{name:30}" + "".join(f"{value:>18}" for value in row.values()))
    row = medians(rounds, CONNECTIONS, 1, 0)
    print(f"{'a connection, 1 line, its end':30}" + "".join(f"{v:>18}" for v in row.values()))


if __name__ == "__main__":
    main()
