"""Nodes, pool and rig of the torture, and what is known of the blocks that the rig has found."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from math import inf
from pathlib import Path
from random import Random

from tests.torture.finder import Finder, Kind, Solved
from tests.torture.network import Network, TortureNode, within
from tests.torture.pool_process import PoolProcess

ANSWER_TIMEOUT_S = 20.0
# The pool waits 30 s for an answer and up to 45 s before it tries again.
DELIVERY_TIMEOUT_S = 100.0
# What neither the pool's memory nor its spool has is not coming any more. A block that a node has
# taken and forgotten may be noticed later.
HOPELESS_AFTER_S = 3.0
FORGOTTEN_AFTER_S = 20.0
FINAL_WORD_S = 5.0


@dataclass(frozen=True)
class Pace:
    """How long faults last, in seconds."""

    pause_s: tuple[float, float]
    slow_s: float
    disk_grace_s: float


SMALL_PACE = Pace(pause_s=(0.2, 0.6), slow_s=2.0, disk_grace_s=5.0)
LARGE_PACE = Pace(pause_s=(0.3, 6.0), slow_s=10.0, disk_grace_s=10.0)


@dataclass
class Found:
    """One block that the rig has solved and sent."""

    number: int
    fault: str
    solved: Solved
    lives: int
    """Starts of the pool before it was sent."""
    answer: str = "none"
    was_seen: bool = False
    """Whether a node had it at some time: a killed one may forget."""
    healed_at: float = 0.0
    delivered_s: float | None = None
    """So long after all was well again a node had it; 0 if it had it before."""
    notes: list[str] = field(default_factory=list)

    @property
    def hash_hex(self) -> str:
        return self.solved.hash_hex


class World:
    """What a fault acts on."""

    def __init__(
        self, network: Network, pool: PoolProcess, finder: Finder, rng: Random, pace: Pace
    ) -> None:
        self.network = network
        self.pool = pool
        self.finder = finder
        self.rng = rng
        self.pace = pace
        self.found: list[Found] = []
        self._number = 0
        self._fault = ""
        self._notes: list[str] = []

    @classmethod
    @asynccontextmanager
    async def running(
        cls, bitcoind: Path, folder: Path, nodes: int, rng: Random, pace: Pace
    ) -> AsyncIterator["World"]:
        async with (
            Network.of([TortureNode(bitcoind) for _ in range(nodes)]) as network,
            PoolProcess(folder, [node.address() for node in network.nodes]).running() as pool,
        ):
            finder = Finder(pool.face.port, rng)
            mining = asyncio.create_task(finder.run())
            try:
                yield cls(network, pool, finder, rng, pace)
            finally:
                mining.cancel()
                await asyncio.gather(mining, return_exceptions=True)

    # --- for the faults ------------------------------------------------------------------

    @property
    def slow_s(self) -> float:
        return self.pace.slow_s

    @property
    def disk_grace_s(self) -> float:
        return self.pace.disk_grace_s

    def some_node(self) -> TortureNode:
        return self.rng.choice(self.network.nodes)

    def salt(self) -> bytes:
        """What makes a rival's block one that was never there before."""
        return self.rng.randbytes(8)

    def note(self, text: str) -> None:
        """Tell of something that the report should say of this block."""
        self._notes.append(text)

    async def pause(self) -> None:
        """The fault lasts for a while."""
        await asyncio.sleep(self.rng.uniform(*self.pace.pause_s))

    async def find(self, kind: Kind = Kind.GOOD, *, answer: bool = True) -> Found:
        """Have the rig find a block and wait for the pool's answer to it."""
        found = Found(
            self._number, self._fault, self.finder.solve(kind), self.pool.starts, notes=self._notes
        )
        self.found.append(found)
        answered = self.finder.send(found.solved)
        answered.add_done_callback(partial(_note_answer, found))
        if answer:
            await asyncio.wait([answered], timeout=ANSWER_TIMEOUT_S)
        return found

    async def new_tip(self) -> str:
        """Somebody else finds a block, and the rig works on it; its hash."""
        await self.network.nodes[0].call("generateblock", "raw(51)", [])
        tip = await self.network.agree()
        if not await self.finder.is_on(tip):
            self.note("no work on the new tip")
        return tip

    async def is_settled(self, hash_hex: str) -> None:
        """Wait a while for the pool's final word on a block."""

        async def has_word() -> bool:
            row = self.pool.ledger().get(hash_hex)
            return row is not None and row["state"] != "found"

        await within(FINAL_WORD_S, has_word)

    # --- one block -----------------------------------------------------------------------

    async def begin(self, number: int, fault: str, dies_at: str | None) -> None:
        """All is well, and the rig has work on the tip of all nodes."""
        self._number, self._fault, self._notes = number, fault, []
        if dies_at != self.pool.step:
            await self.pool.stop()
            await self.pool.start(dies_at)
        if not await self.finder.is_on(await self.network.agree()):
            self.note("no work on the tip of all nodes")

    async def mend(self, next_dies_at: str | None) -> None:
        """End every fault, as an operator would; what has died is started.

        The pool at once as the next fault wants it: it dies of no block of a former life.
        """
        self.pool.empty_disk()
        self.pool.find_spool()
        await asyncio.gather(self.network.heal(), self.pool.start(next_dies_at))
        for found in self.found:
            if found.number == self._number:
                found.healed_at = time.monotonic()

    async def follow(self, is_hopeless: Callable[[Found], bool]) -> None:
        """Wait until this round's blocks are with a node and the pool has no more to do."""
        for found in self.found:
            if found.number != self._number:
                continue
            deadline = time.monotonic() + DELIVERY_TIMEOUT_S
            while not await self._is_delivered(found):
                now = time.monotonic()
                if now > min(deadline, self._hopeless_at(found)) or is_hopeless(found):
                    break
                await asyncio.sleep(0.05)
            if not await within(
                max(0.0, deadline - time.monotonic()), partial(self._is_no_more_spooled, found)
            ):
                self.note(f"no final word in the spool {DELIVERY_TIMEOUT_S:.0f} s later")
        await self.network.agree()

    async def _is_delivered(self, found: Found) -> bool:
        if await self.network.have(found.hash_hex):
            if found.delivered_s is None:
                found.delivered_s = time.monotonic() - found.healed_at
            found.was_seen = True
        return found.was_seen

    def _hopeless_at(self, found: Found) -> float:
        if found.hash_hex in self.pool.unsettled():
            return inf
        if found.hash_hex in self.pool.settled():
            return found.healed_at + FORGOTTEN_AFTER_S
        return inf if self.pool.starts == found.lives else found.healed_at + HOPELESS_AFTER_S

    async def _is_no_more_spooled(self, found: Found) -> bool:
        return found.hash_hex not in self.pool.unsettled()


def _note_answer(found: Found, answered: "asyncio.Future[str]") -> None:
    found.answer = answered.result()
