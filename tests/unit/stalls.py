"""How long an event loop keeps a rig waiting, measured from another process.

A ticker sends the time each 0.2 ms, over a socket; the loop reads it, checks a share for each
tick, and notes how old the tick is by then. A node of our own, a process too, serves one answer.
"""

import asyncio
import math
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from poolserver._native import JobHasher
from poolserver.node.rpc import Credentials, NodeRpc

TICKER = """
import socket, struct, sys, time
with socket.socket(fileno=int(sys.argv[1])) as out:
    while True:
        out.send(struct.pack("d", time.monotonic()))
        time.sleep(0.0002)
"""
SERVER = """
import socketserver, sys
body = sys.stdin.buffer.read()
answer = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while (line := self.rfile.readline()):
            size = 0
            while line.strip():
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    size = int(value)
                line = self.rfile.readline()
            self.rfile.read(size)
            self.wfile.write(answer)
with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
"""
TICK_SIZE = 8
# 12 branches, as of 3,000 transactions: some 3 us, three times as often as ten thousand rigs send.
HASHER = JobHasher(bytes(100), bytes(100), (bytes(32),) * 12, bytes(32), 1, bytes(32))


class Waits:
    """How long each tick has waited until it was read, in seconds."""

    def __init__(self, ticks: socket.socket) -> None:
        self._ticks = ticks
        self._unread = b""
        self._seconds: list[float] = []
        self.begun = asyncio.Event()

    def read(self) -> None:
        """Take what has come; the loop calls it where there is some."""
        data = self._unread + self._ticks.recv(1 << 16)
        whole = len(data) // TICK_SIZE * TICK_SIZE
        self._unread = data[whole:]
        for (sent_at,) in struct.iter_unpack("d", data[:whole]):
            HASHER.check(bytes(12), 1, 2, 3, bytes(32))
            self._seconds.append(time.monotonic() - sent_at)
        self.begun.set()

    def take(self) -> list[float]:
        """Those since the last call."""
        taken, self._seconds = self._seconds, []
        return taken

    def longest_s(self) -> float:
        """Of those since the last call; without end where the ticker had no processor meanwhile."""
        return max(self.take(), default=math.inf)


@asynccontextmanager
async def watching() -> AsyncIterator[Waits]:
    """Tick at the running loop."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours:
        ticker = await _start(TICKER, str(theirs.fileno()), pass_fds=(theirs.fileno(),))
        theirs.close()
        waits = Waits(ours)
        loop = asyncio.get_running_loop()
        loop.add_reader(ours, waits.read)
        try:
            await waits.begun.wait()
            yield waits
        finally:
            loop.remove_reader(ours)
            ticker.kill()
            await ticker.wait()


@asynccontextmanager
async def serving(body: bytes) -> AsyncIterator[NodeRpc]:
    """A client of a node that answers everything with ``body``."""
    server = await _start(SERVER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(body)
    server.stdin.write_eof()
    port = int(await server.stdout.readline())
    rpc = NodeRpc(f"http://127.0.0.1:{port}", Credentials("u", "p"))
    try:
        yield rpc
    finally:
        await rpc.close()
        server.kill()
        await server.wait()


async def _start(program: str, *args: str, **more: object) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", program, *args, **more)  # type: ignore[arg-type]
