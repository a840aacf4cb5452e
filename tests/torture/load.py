"""Rigs and proxies that keep shares outstanding at a pool that dies, and come back to it."""

import asyncio
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.torture.connection import Job
from tests.torture.evidence import Evidence
from tests.torture.lasting_rig import LastingRig

TICK_S = 0.005
MOST_AT_ONCE = 64
KEPT_JOBS = 64
# Of a job id: instance, worker and boot epoch (mining/identity.py).
LIFE_DIGITS = 12


@dataclass(frozen=True)
class LoadPlan:
    """How many connections, and what they do. One in ``cut_every`` sends breaks a connection."""

    rigs: int = 34
    proxies: int = 6
    workers_per_proxy: int = 5
    outstanding: int = 8
    shares_per_s: float = 2000.0
    cut_every: int = 4000
    accounts: tuple[str, ...] = ("demo", "acme", "umbra")


class Load:
    """All rigs: connected as well as the pool lets them be, while ``run`` runs."""

    def __init__(self, plan: LoadPlan, ports: Sequence[int], rng: Random, workers: int = 1) -> None:
        """Rigs spread over ``ports``, each of which may pin another difficulty.

        ``workers`` are the pool's processes that take them.
        """
        self._workers = workers
        self.plan = plan
        self.rng = rng
        self.outstanding_each, self.cut_every = plan.outstanding, plan.cut_every
        self.evidence = Evidence()
        self.jobs: dict[bytes, Job] = {}
        self.is_mining = True
        self.life = 0
        """Of the pool: whoever starts it again counts this up before."""
        self._rigs = [
            LastingRig(self, ports[n % len(ports)], names, rolls=n % 2 == 0)
            for n, names in enumerate(_usernames(plan))
        ]

    async def run(self) -> None:
        """Mine at the plan's pace until cancelled."""
        tasks = [asyncio.create_task(rig.stay_connected()) for rig in self._rigs]
        last, due = time.monotonic(), 0.0
        try:
            while True:
                now = time.monotonic()
                due = min(MOST_AT_ONCE, due + (now - last) * self.plan.shares_per_s)
                last = now
                while self.is_mining and due >= 1:
                    self.rng.choice(self._rigs).mine()
                    due -= 1
                await asyncio.sleep(TICK_S)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def ready(self) -> int:
        """How many connections have work."""
        return sum(rig.is_ready for rig in self._rigs)

    @property
    def connections(self) -> int:
        """How many there ever were: more than rigs where one was lost."""
        return sum(rig.connections for rig in self._rigs)

    @property
    def outstanding(self) -> int:
        """Shares on live connections that are not answered yet."""
        return sum(rig.outstanding for rig in self._rigs)

    async def settle(self, timeout_s: float) -> bool:
        """Send no more and wait for the answers; whether all have come."""
        self.is_mining = False
        deadline = time.monotonic() + timeout_s
        while self.outstanding and time.monotonic() < deadline:  # noqa: ASYNC110 - of many
            await asyncio.sleep(TICK_S)
        return not self.outstanding

    def life_of(self, job: Job) -> Hashable:
        """Whose life a job is of: of several workers, which each have their own, its name tells."""
        return self.life if self._workers == 1 else job.job_id[:LIFE_DIGITS]

    def job(self, line: bytes, message: dict[str, Any]) -> Job:
        """The job of a notify line, read once for all rigs."""
        job = self.jobs[line] = Job.of(message["params"])
        while len(self.jobs) > KEPT_JOBS:
            del self.jobs[next(iter(self.jobs))]
        return job


def _usernames(plan: LoadPlan) -> list[list[str]]:
    """Of each connection. Two rigs of each account share a name, as whole halls do."""
    accounts = plan.accounts
    names = [
        [f"{accounts[n % len(accounts)]}.rig{max(n, 2 * len(accounts)) // len(accounts)}"]
        for n in range(plan.rigs)
    ]
    return names + [
        [f"{accounts[(p + w) % len(accounts)]}.proxy{p}-{w}" for w in range(plan.workers_per_proxy)]
        for p in range(plan.proxies)
    ]
