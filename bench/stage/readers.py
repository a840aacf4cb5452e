"""Hot readers of the HTTP server: each asks again as soon as it has its answer.

    python -m bench.stage.readers PORT --clients 64 --seconds 10

A line says that they have begun. The result is one line of JSON: answers by status, how many good
ones a second, and how long all took. One connection each, no HTTP library: they are to take as
little of the processor as they can, which they share with the pool.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from typing import cast

import uvloop

from bench.stage.rigs import quantile_ms

PATHS = (
    "/api/v1/status",
    "/api/v1/rigs?sort=-power&limit=100&q=b",
    "/api/v1/power",
    "/api/v1/history?span=1d",
    "/metrics",
)
CONNECTS_AT_ONCE = 16


class Reader(asyncio.Protocol):
    """One connection, and the next path of all each time."""

    def __init__(self, first: int, seen: Counter[int], took_s: list[float]) -> None:
        self._next, self._seen, self._took_s = first, seen, took_s
        self._transport: asyncio.Transport
        self._unread = b""
        self._asked_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass
        self._ask()

    def _ask(self) -> None:
        path = PATHS[self._next % len(PATHS)]
        self._next += 1
        self._asked_at = time.monotonic()
        self._transport.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if not _is_whole(self._unread):
            return
        self._took_s.append(time.monotonic() - self._asked_at)
        self._seen[int(self._unread[9:12])] += 1
        self._unread = b""
        self._ask()


def _is_whole(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return False
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(body) >= int(value)
    return body.endswith(b"0\r\n\r\n")


async def read(port: int, clients: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    seen: Counter[int] = Counter()
    took_s: list[float] = []
    for begin in range(0, clients, CONNECTS_AT_ONCE):
        some = range(begin, min(begin + CONNECTS_AT_ONCE, clients))
        made = (
            loop.create_connection(lambda n=n: Reader(n, seen, took_s), "127.0.0.1", port)  # type: ignore[misc]
            for n in some
        )
        await asyncio.gather(*made)
    print("begun", flush=True)
    await asyncio.sleep(1.0)
    seen.clear()
    took_s.clear()
    await asyncio.sleep(seconds)
    took_s.sort()
    told = {
        "answers": dict(seen),
        "per_s": round(seen[200] / seconds, 1),
        "refused_per_s": round((seen.total() - seen[200]) / seconds, 1),
        "p50_ms": quantile_ms(took_s, 0.5),
        "p99_ms": quantile_ms(took_s, 0.99),
    }
    print(json.dumps(told), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("port", type=int)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10)
    given = parser.parse_args()
    uvloop.run(read(given.port, given.clients, given.seconds))


if __name__ == "__main__":
    main()
