"""A rig that only listens, and notes to the microsecond when work comes."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import NamedTuple

HELLO = (
    b'{"id":1,"method":"mining.subscribe","params":["listener/1.0"]}\n'
    b'{"id":2,"method":"mining.authorize","params":["demo.listener","x"]}\n'
)


class Work(NamedTuple):
    """A notify. ``at_unix`` is when its first byte came, in seconds."""

    at_unix: float
    prevhash_stratum_hex: str
    branch_length: int
    version: int
    is_clean: bool

    def is_on(self, tip_hex: str) -> bool:
        """Whether it is on that tip: Stratum has the words of a prevhash in reverse order."""
        words = [self.prevhash_stratum_hex[at : at + 8] for at in range(0, 64, 8)]
        return "".join(reversed(words)) == tip_hex


class Listener(asyncio.Protocol):
    """Subscribes, authorizes and calls ``on_work`` for each notify."""

    def __init__(self, on_work: Callable[[Work], None]) -> None:
        self._on_work = on_work
        self._rest = b""
        self._began_at = 0.0
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def connect(cls, port: int, on_work: Callable[[Work], None]) -> "Listener":
        loop = asyncio.get_running_loop()
        _, listener = await loop.create_connection(lambda: cls(on_work), "127.0.0.1", port)
        return listener

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(HELLO)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        *lines, rest = (self._rest + data).split(b"\n")
        for number, line in enumerate(lines):
            if b'"mining.notify"' in line and b'"params"' in line:
                params = json.loads(line)["params"]
                at = self._began_at if number == 0 and self._rest else now
                self._on_work(Work(at, params[1], len(params[4]), int(params[5], 16), params[8]))
        if not (self._rest and not lines):  # the first byte of what is not whole yet
            self._began_at = now
        self._rest = rest
