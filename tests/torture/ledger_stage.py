"""The stage of the torture of the books: a real node, the pool as a process, rigs, a database.

The node's templates pass through a proxy that makes blocks as hard to find as on main, so that
shares are shares; new tips come from the node itself.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import msgspec

from poolserver.node.process import REGTEST, BitcoindProcess, free_port
from tests.integration.running import TAPROOT_REGTEST
from tests.torture.ledger_stores import PostgresStore, SqliteStore
from tests.torture.load import Load, LoadPlan
from tests.torture.network import NodeAddress
from tests.torture.pool_process import PoolProcess
from tests.torture.stage import HardTemplates

SETTLE_TIMEOUT_S = 20.0
READY_TIMEOUT_S = 60.0
TIP_INTERVAL_S = (0.5, 2.5)
LOOK_S = 0.005

# Each port pins a difficulty of its own, so that a share at the wrong one's work is noticed:
# 4 hashes (the port that every pool of the torture has), 17 and 32.
EXTRA = """
[[listeners]]
address = "127.0.0.1:{second}"
start_difficulty = 4e-9
min_difficulty = 4e-9
max_difficulty = 4e-9
[[listeners]]
address = "127.0.0.1:{third}"
start_difficulty = 7.450580596923828e-9
min_difficulty = 7.450580596923828e-9
max_difficulty = 7.450580596923828e-9
[[sites]]
name = "yard"
accounts = ["acme", "umbra"]
budget_mw = 0.1
[templates]
# The node would refuse what the proxy makes of its templates.
check_blocks = false
[journal]
release = "{release}"
{store}
"""


@dataclass
class LedgerStage:
    """All parts; the pool is not started yet."""

    pool: PoolProcess
    load: Load
    store: SqliteStore | PostgresStore

    @property
    def journal(self) -> Path:
        return self.pool.folder / "var" / "journal"

    @property
    def synced(self) -> Path:
        """Where ``dying_ledger`` notes how much of each journal file is on the disk."""
        return self.pool.folder / "synced"

    async def has_load(self) -> None:
        """Wait until every rig has work."""
        rigs = self.load.plan.rigs + self.load.plan.proxies
        async with asyncio.timeout(READY_TIMEOUT_S):
            while self.load.ready < rigs:  # noqa: ASYNC110 - of many connections
                await asyncio.sleep(LOOK_S)

    async def verify(self) -> list[str]:
        """What the pool's own check of its books finds; it has been stopped."""
        code, said = await self.pool.command("ledger", "verify")
        return [] if code == 0 else [f"poolserver ledger verify ends with {code}: {said[:2000]}"]

    async def end(self, told: Collection[str] = ()) -> list[str]:
        """Let all shares be answered, stop the pool and have it check its books; what went wrong.

        ``told`` are events that its log may have as errors.
        """
        wrong = [] if await self.load.settle(SETTLE_TIMEOUT_S) else ["shares were never answered"]
        await self.pool.stop()
        return wrong + errors_of(self.pool.folder, told) + await self.verify()

    def lose_unsynced(self, rng: Random) -> int:
        """What a power cut does to the journal: only what was synced is sure to be there.

        Of the rest a part, which ends anywhere, may be. How many bytes are gone.
        """
        lost = 0
        for path in self.journal.glob("*.journal"):
            note, size = self.synced / path.name, path.stat().st_size
            # An empty note: it died as the first sync of the file was done, and nobody was told.
            noted = note.read_bytes() if note.exists() else b""
            safe = struct.unpack("<Q", noted)[0] if noted else 0
            kept = rng.randint(safe, size)
            if kept < size:
                lost += size - kept
                with path.open("r+b") as file:
                    file.truncate(kept)
                if not kept:
                    path.unlink()
        return lost


@asynccontextmanager
async def ledger_stage(
    bitcoind: Path,
    folder: Path,
    store: SqliteStore | PostgresStore,
    plan: LoadPlan,
    rng: Random,
    release: str = "turn",
    workers: int = 1,
) -> AsyncIterator[LedgerStage]:
    """Everything but the pool runs; ``release`` is when the pool answers a share."""
    async with BitcoindProcess(bitcoind, REGTEST) as node, HardTemplates(node).running() as hard:
        address = NodeAddress(hard.url, node.username, node.password, node.zmq_endpoint)
        second, third = free_port(), free_port()
        extra = EXTRA.format(second=second, third=third, release=release, store=store.config)
        pool = PoolProcess(folder, [address], extra, "tests.torture.dying_ledger", workers)
        stage = LedgerStage(pool, Load(plan, [pool.face.port, second, third], rng, workers), store)
        stage.synced.mkdir()
        await node.call("generatetoaddress", 1, TAPROOT_REGTEST)
        tasks = [
            asyncio.create_task(stage.load.run()),
            asyncio.create_task(_new_tips(node, rng, lambda: stage.load.is_mining)),
        ]
        try:
            yield stage
        finally:
            await pool.kill_all()
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if not isinstance(result, asyncio.CancelledError | None):
                raise result


async def _new_tips(node: BitcoindProcess, rng: Random, goes_on: Callable[[], bool]) -> None:
    while True:
        await asyncio.sleep(rng.uniform(*TIP_INTERVAL_S))
        if goes_on():
            await node.call("generatetoaddress", 1, TAPROOT_REGTEST)


def errors_of(folder: Path, told: Collection[str] = ()) -> list[str]:
    """Errors in the pool's log that are none of ``told``, and what is no line of it ("none")."""
    found = []
    for line in (folder / "pool.log").read_bytes().splitlines():
        try:
            event = msgspec.json.decode(line, type=dict[str, object])
        except msgspec.DecodeError:
            event = {"level": "none", "event": "none"}
        is_trouble = event.get("level") not in ("debug", "info", "warning")
        if is_trouble and event.get("event") not in told:
            found.append(f"the pool's log: {line.decode(errors='replace')[:400]}")
    return found
