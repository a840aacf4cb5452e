"""A load of rigs on a pool that hands over, and what must be so afterwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from tests.torture.journal_reader import read_journal
from tests.torture.kill_judge import judge
from tests.torture.ledger_stage import LedgerStage, ledger_stage
from tests.torture.ledger_stores import SqliteStore
from tests.torture.load import LoadPlan

# Nobody breaks a connection of his own accord: each that is lost is the pool's fault.
LOAD = LoadPlan(rigs=34, proxies=6, shares_per_s=800, cut_every=1 << 60)
MINED_S = 1.5


@asynccontextmanager
async def mined(
    bitcoind: Path, folder: Path, release: str, workers: int = 1
) -> AsyncIterator[LedgerStage]:
    """A pool with rigs that mine."""
    async with ledger_stage(
        bitcoind, folder, SqliteStore(folder), LOAD, Random(1), release, workers
    ) as stage:
        await stage.pool.start()
        await stage.has_load()
        await asyncio.sleep(MINED_S)
        yield stage


async def nothing_is_wrong(stage: LedgerStage, told: tuple[str, ...] = ()) -> None:
    wrong = await stage.end(told)
    evidence = stage.load.evidence
    verdict = judge(evidence, read_journal(stage.journal), stage.store.books())
    assert wrong + verdict.wrong + evidence.faults == []
    assert (verdict.lost, verdict.doubled, verdict.unanswered) == (0, 0, 0)
    assert verdict.answered > 1000
    assert stage.load.connections == LOAD.rigs + LOAD.proxies, "a rig has lost its connection"
