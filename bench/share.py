"""The whole share path, from the bytes of a mining.submit to those of its answer.

A real session and pool; the journal keeps no records (bench/journal.py has its cost) and the
transport throws away what is written. CPU time, not wall time.
"""

import asyncio
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from sys import path
from typing import Any

path.insert(0, str(Path(__file__).resolve().parent.parent))

from poolserver._vendor.asyncio_stratum import ServerProtocol
from poolserver.server.msgspec_codec import MsgspecCodec
from poolserver.server.session import MinerSession
from tests.unit.server.wire import (
    AUTHORIZE,
    SUBSCRIBE,
    FakeHouse,
    FakeTransport,
    submit_line,
)
from tests.unit.solving import Rig, vardiff_terms

SHARES = 20_000
DIFFICULTY = 2.0**-30
WORKERS = 500


class NullJournal:
    """Answers at once, keeps nothing."""

    turn = 0

    def declare_worker(self, account: str, worker_name: str) -> int:
        return 1

    def append_share(self, *record: Any) -> bool:
        return True

    def append_block(self, *record: Any) -> None: ...
    def release(self, callback: Callable[[], None]) -> None:
        callback()


class NullTransport(FakeTransport):
    def write(self, data: bytes | bytearray | memoryview) -> None: ...


def shares_of(house: FakeHouse, protocol: ServerProtocol, names: list[str]) -> list[bytes]:
    session = protocol._application
    assert isinstance(session, MinerSession)
    job = house.pool.jobs.current
    assert job is not None
    rig = Rig(house.pool, session.miner)
    return [
        submit_line(rig.solve(job, extranonce2=n.to_bytes(8, "big"), meets=DIFFICULTY)).replace(
            b"demo.rig", names[n % len(names)].encode()
        )
        for n in range(SHARES)
    ]


async def measure(title: str, workers: int, outstanding: int) -> None:
    house = FakeHouse()
    house.journal = NullJournal()  # type: ignore[assignment]
    house.work()
    terms = vardiff_terms(DIFFICULTY)
    pinned = type(terms)(12, DIFFICULTY, DIFFICULTY, DIFFICULTY)
    protocol = ServerProtocol(MinerSession(house, pinned), codec=MsgspecCodec())
    protocol.connection_made(NullTransport("192.0.2.1"))
    protocol.data_received(SUBSCRIBE + AUTHORIZE)
    names = ["demo.rig"]
    for n in range(workers - 1):
        names.append(f"demo.{n}")
        protocol.data_received(AUTHORIZE.replace(b"demo.rig", names[-1].encode()))
    lines = shares_of(house, protocol, names)
    pieces = [b"".join(lines[n : n + outstanding]) for n in range(0, len(lines), outstanding)]
    clock = count()
    started = time.process_time_ns()
    for piece in pieces:
        house.journal.turn = next(clock)
        protocol.data_received(piece)
    took = time.process_time_ns() - started
    print(f"{title:<44}{took / SHARES / 1000:6.2f} us")


async def main() -> None:
    print("CPU time per share, journal and socket apart")
    await measure("one worker, a share a turn", 1, 1)
    await measure("one worker, eight shares a turn", 1, 8)
    await measure(f"{WORKERS} workers on the connection, eight", WORKERS, 8)


if __name__ == "__main__":
    asyncio.run(main())
