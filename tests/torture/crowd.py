"""The crowd: thousands of rigs in one process, for a pool to bear.

    python -m tests.torture.crowd '{"port": 3333, "connections": 5000, ...}'

The fields are those of ``CrowdPlan``. It connects, says ``Ready``, and obeys lines on its standard
input: ``mine``, ``count`` (answered by a ``Tally``) and ``stop`` (the last ``Tally``, once all is
answered). Unasked it says ``TipSeen`` when all connections have been told of a new tip. What it
says are lines of JSON on its standard output.
"""

import asyncio
import random
import resource
import sys
import time
from collections import Counter
from contextlib import suppress

import msgspec
import uvloop

from tests.torture.connection import Connection, Job

READY_TIMEOUT_S = 120.0
ANSWER_TIMEOUT_S = 20.0
# The pace is kept to within so long; of what is due not more is sent at once, so that the loop
# reads what the pool says between.
TICK_S = 0.005
MOST_AT_ONCE = 32
CONNECT_STEP_S = 0.05
# Descriptors that are not connections: the program's own, and those that are being opened.
SPARE_FILES = 256
# Jobs by their lines that are kept: those of the tips that are mined on at a time.
KEPT_JOBS = 64


class CrowdPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Who connects where, and how often each of their workers has a share.

    Half of the connections roll versions. ``lazy_every``: so many connections have one that,
    after each new tip, sends a share of the old one.
    """

    port: int = 0
    connections: int
    proxies: int
    workers_per_proxy: int
    share_interval_s: float
    connects_per_s: int
    lazy_every: int = 4

    @property
    def all_connections(self) -> int:
        return self.connections + self.proxies

    @property
    def workers(self) -> int:
        return self.connections + self.proxies * self.workers_per_proxy


class Ready(msgspec.Struct, frozen=True, tag=True):
    """Everyone is connected and has work."""

    seconds: float


class TipSeen(msgspec.Struct, frozen=True, tag=True):
    """Everyone has been told of a tip; times of the first and the last, monotonic seconds."""

    tip: str
    first_at: float
    last_at: float


class Tally(msgspec.Struct, frozen=True, tag=True):
    """What has come of the shares. ``faults`` are all that may not be, with how often it was.

    ``behind_s``: the longest that a share was sent after it was due, by this process's own fault.
    """

    sent: int
    results: dict[str, int]
    faults: dict[str, int]
    behind_s: float

    @property
    def answered(self) -> int:
        return sum(self.results.values())


Said = Ready | TipSeen | Tally


def raise_file_limit(files: int) -> None:
    """Let this process, and those it starts, open so many files.

    Raises:
        RuntimeError: the system's hard limit is below.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < files:
        raise RuntimeError(f"{files} open files are needed, the hard limit (ulimit -Hn) is {hard}")
    if soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))


class TheCrowd:
    """All connections, and what is counted over them."""

    def __init__(self, plan: CrowdPlan) -> None:
        self._plan = plan
        self._connections: list[Connection] = []
        self._not_ready = plan.all_connections
        self._all_ready = asyncio.Event()
        self._tips: dict[bytes, tuple[float, int]] = {}  # when it was first told, how often since
        self._sent = 0
        self._behind_s = 0.0
        self.jobs: dict[bytes, Job] = {}
        self.results: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    # --- for the connections -------------------------------------------------------------

    def is_ready(self) -> None:
        self._not_ready -= 1
        if not self._not_ready:
            self._all_ready.set()

    def saw_tip(self, tip: bytes) -> None:
        now = time.monotonic()
        first_at, seen = self._tips.get(tip, (now, 0))
        self._tips[tip] = first_at, seen + 1
        if seen + 1 == self._plan.all_connections:
            say(TipSeen(tip[::-1].hex(), first_at, now))
        while len(self.jobs) > KEPT_JOBS:
            del self.jobs[next(iter(self.jobs))]

    # --- what it is told to do -------------------------------------------------------------

    async def run(self) -> None:
        """From the first connect to the last answer."""
        began = time.monotonic()
        await self._connect()
        async with asyncio.timeout(READY_TIMEOUT_S):
            await self._all_ready.wait()
        say(Ready(time.monotonic() - began))
        loop = asyncio.get_running_loop()
        mining: asyncio.Task[None] | None = None
        while (order := (await loop.run_in_executor(None, sys.stdin.readline)).strip()) not in (
            "stop",
            "",  # whoever gave orders is gone
        ):
            if order == "mine":
                mining = asyncio.create_task(self._mine_for_ever())
            elif order == "count":
                say(self._tally())
        if mining is not None:
            mining.cancel()
            with suppress(asyncio.CancelledError):
                await mining
        await self._settle()
        say(self._tally())
        for connection in self._connections:
            connection.close()

    async def _connect(self) -> None:
        """Not all at once: thousands of SYNs in a millisecond are a test of the kernel."""
        plan, loop = self._plan, asyncio.get_running_loop()
        names = [[f"demo.rig{n}"] for n in range(plan.connections)]
        names += [
            [f"demo.proxy{p}-{w}" for w in range(plan.workers_per_proxy)]
            for p in range(plan.proxies)
        ]
        self._connections = [
            Connection(self, workers, rolls=n % 2 == 0, is_lazy=n % plan.lazy_every == 0)
            for n, workers in enumerate(names)
        ]
        step = max(1, int(plan.connects_per_s * CONNECT_STEP_S))
        for start in range(0, len(self._connections), step):
            await asyncio.gather(
                *(
                    loop.create_connection(lambda each=each: each, "127.0.0.1", plan.port)
                    for each in self._connections[start : start + step]
                )
            )
            await asyncio.sleep(CONNECT_STEP_S)

    async def _mine_for_ever(self) -> None:
        """Each worker has a share every ``share_interval_s``, whatever the pool does."""
        workers = [(each, n) for each in self._connections for n in range(len(each.workers))]
        random.Random(1).shuffle(workers)
        per_s = len(workers) / self._plan.share_interval_s
        began, done = time.monotonic(), 0
        while True:
            due = int((time.monotonic() - began) * per_s)
            self._behind_s = max(self._behind_s, (due - done) / per_s)
            upto = min(due, done + MOST_AT_ONCE)
            for turn in range(done, upto):
                connection, worker = workers[turn % len(workers)]
                self._sent += connection.mine(worker)
            done = upto
            await asyncio.sleep(TICK_S if done == due else 0)

    async def _settle(self) -> None:
        """Wait for the answers that are still to come."""
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while pending := sum(each.pending for each in self._connections):
            if time.monotonic() > deadline:
                self.faults["a share was never answered"] += pending
                return
            await asyncio.sleep(TICK_S)

    def _tally(self) -> Tally:
        return Tally(self._sent, dict(self.results), dict(self.faults), self._behind_s)


def say(said: Said) -> None:
    print(msgspec.json.encode(said).decode(), flush=True)


def main() -> None:
    plan = msgspec.json.decode(sys.argv[1], type=CrowdPlan)
    raise_file_limit(plan.all_connections + SPARE_FILES)

    async def crowd() -> None:
        await TheCrowd(plan).run()

    uvloop.run(crowd())


if __name__ == "__main__":
    main()
