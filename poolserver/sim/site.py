"""A site of simulated rigs: what runs them, and what is true of them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Self

from poolserver.sim.cpu import Cpu
from poolserver.sim.fleet import RigSpec
from poolserver.sim.miner import Miner, PoolAddress
from poolserver.sim.rig import Rig
from poolserver.sim.tally import Tally

# Below it the CPU is said to be behind; what a start or a moment's load costs is less.
KEEPS_PACE = 0.99


@dataclass(frozen=True, slots=True)
class SiteReport:
    """A site at one moment; counters are since its start.

    All that is called work or hashrate is on the scale of the rigs, not of the CPU: multiplied
    by the site's ``work_scale``.
    """

    elapsed_s: float
    rigs: int
    rigs_hashing: int
    true_hashrate_h_s: float
    """Of the rigs that are hashing."""
    true_power_w: float
    """At the meter: of the rigs that are hashing, times PUE."""
    shares_accepted: int
    shares_stale: int
    shares_rejected: int
    """Without the stale ones."""
    shares_unanswered: int
    reject_reasons: dict[str, int]
    """In the pool's words, the stale ones' too."""
    accepted_work: int
    """Expected hashes of the accepted shares."""
    kept_rate: float
    """Of the hashes that were wanted, how much the CPU kept pace with, 0 to 1."""
    trouble: str
    """What last went wrong with a connection; empty if nothing did."""

    @property
    def proven_hashrate_h_s(self) -> float:
        """Accepted work over the time since the start, in hashes a second."""
        return self.accepted_work / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def behind(self) -> str | None:
        """A warning where the CPU is too slow for the hashrate that it stands for."""
        if self.kept_rate >= KEEPS_PACE:
            return None
        return f"the CPU cannot hash this fast: {self.kept_rate:.0%} of the wanted rate"


class SimulatedSite:
    """Rigs that mine for one pool.

    ``work_scale`` is how many hashes of the rigs one hash of the CPU stands for. The pool must
    count by the same scale. ``threads`` limits how many cores are hashed on.

        async with SimulatedSite(fleet, PoolAddress("127.0.0.1", 3333), work_scale=10**10) as site:
            await site.wait(60)
            print(site.true_power_w)
    """

    def __init__(
        self,
        fleet: Sequence[RigSpec],
        pool: PoolAddress,
        *,
        work_scale: int = 1,
        pue: float = 1.0,
        seed: int = 1,
        start_spread_s: float = 1.0,
        threads: int = 1,
    ) -> None:
        if work_scale < 1 or pue < 1:
            raise ValueError("work_scale and PUE are at least 1")
        self._fleet = tuple(fleet)
        self._pool = pool
        self._work_scale = work_scale
        self._pue = pue
        self._seed = seed
        self._start_spread_s = start_spread_s
        self._cpu = Cpu(threads)
        self._tally = Tally()
        self._miners: list[Miner] = []
        self._started_at = 0.0
        self._running: asyncio.Task[None] | None = None

    # --- running -----------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the rigs, one after the other over ``start_spread_s``; returns at once."""
        if self._running is not None:
            raise RuntimeError("a site is started once")
        self._started_at = asyncio.get_running_loop().time()
        self._miners = [self._miner(spec) for spec in self._fleet]
        self._running = asyncio.create_task(self._run(), name="simulated site")

    def _miner(self, spec: RigSpec) -> Miner:
        rig = Rig(spec.hashrate_h_s / self._work_scale, self._random("rig", spec))
        random = self._random("connection", spec)
        return Miner(spec.username, rig, self._pool, self._cpu, self._tally, random)

    def _random(self, use: str, spec: RigSpec) -> Random:
        """Of its own for each rig and use, so that what one does changes nothing for another."""
        return Random(f"{use}/{self._seed}/{spec.username}")

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._cpu.run())
            for index, miner in enumerate(self._miners):
                group.create_task(miner.run(self._start_spread_s * index / len(self._miners)))

    async def wait(self, seconds: float) -> None:
        """Let the rigs mine for so long; raises what they died of if they did, which is a bug."""
        if self._running is None:
            raise RuntimeError("the site is not started")
        done, _ = await asyncio.wait({self._running}, timeout=seconds)
        for task in done:
            task.result()

    async def stop(self) -> None:
        """Close all connections; the counters stay. May be called again.

        Raises:
            BaseExceptionGroup: what the rigs died of, if they did.
        """
        if self._running is None:
            return
        self._running.cancel()
        await asyncio.wait({self._running})
        if not self._running.cancelled():
            self._running.result()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    # --- what is true ------------------------------------------------------------------------

    @property
    def rigs(self) -> int:
        """How many are connected, authorized and hashing."""
        return len(self._hashing())

    @property
    def true_power_w(self) -> float:
        """What a meter at the site's feeder would show: rigs that are hashing, times PUE."""
        return sum(spec.power_w for spec in self._hashing()) * self._pue

    @property
    def hashrate(self) -> float:
        """The true hashrate of the rigs that are hashing, in hashes a second."""
        return sum(spec.hashrate_h_s for spec in self._hashing())

    @property
    def shares_accepted(self) -> int:
        return self._tally.accepted

    @property
    def shares_rejected(self) -> int:
        """Without the stale ones."""
        return self._tally.rejected

    @property
    def shares_stale(self) -> int:
        return self._tally.stale

    def report(self) -> SiteReport:
        """All of it at this moment."""
        now = asyncio.get_running_loop().time()
        tally = self._tally
        return SiteReport(
            elapsed_s=now - self._started_at,
            rigs=len(self._fleet),
            rigs_hashing=self.rigs,
            true_hashrate_h_s=self.hashrate,
            true_power_w=self.true_power_w,
            shares_accepted=tally.accepted,
            shares_stale=tally.stale,
            shares_rejected=tally.rejected,
            shares_unanswered=tally.unanswered,
            reject_reasons=dict(tally.reasons.most_common()),
            accepted_work=tally.accepted_work * self._work_scale,
            kept_rate=self._kept_rate(now),
            trouble=tally.trouble,
        )

    def _hashing(self) -> list[RigSpec]:
        return [
            spec
            for spec, miner in zip(self._fleet, self._miners, strict=False)  # none before the start
            if miner.rig.is_hashing
        ]

    def _kept_rate(self, now: float) -> float:
        wanted = lost = 0.0
        for spec, miner in zip(self._fleet, self._miners, strict=False):
            wanted += spec.hashrate_h_s * miner.rig.hashing_s(now)
            lost += spec.hashrate_h_s * miner.rig.lost_s(now)
        return 1.0 - lost / wanted if wanted > 0 else 1.0
