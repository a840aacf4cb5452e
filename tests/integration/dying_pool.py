"""A whole pool that kills itself when a block of its own is being booked.

    python -m tests.integration.dying_pool CONFIG found | verdict

``found``: before anything of the block is in the database; ``verdict``: when the database has
all that the journal tells of it, and not what the node said.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from poolserver.app import PoolServer
from poolserver.config import load_config
from poolserver.ledger.blocks import BlockStep
from poolserver.ledger.delta import Delta
from poolserver.ledger.store import LedgerStore

apply = LedgerStore.apply


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def die_when_found(self: LedgerStore, delta: Delta, steps: Sequence[BlockStep] = ()) -> None:
    if delta.blocks or steps:
        die()
    await apply(self, delta, steps)


async def die_at_verdict(self: LedgerStore, delta: Delta, steps: Sequence[BlockStep] = ()) -> None:
    await apply(self, delta, ())
    if delta.blocks:
        die()


if __name__ == "__main__":
    LedgerStore.apply = {  # type: ignore[method-assign]
        "found": die_when_found,
        "verdict": die_at_verdict,
    }[sys.argv[2]]
    asyncio.run(PoolServer(load_config(Path(sys.argv[1]))).run(asyncio.Event()))
