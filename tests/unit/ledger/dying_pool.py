"""A journal, a fold and a store in a process that kills itself at a step of their work.

    python -m tests.unit.ledger.dying_pool DIRECTORY EPOCH STEP

Prints, a line each, how many shares were released so far: those are what may not be lost.
"""

import asyncio
import os
import signal
import sys
import threading
from fractions import Fraction
from functools import partial
from pathlib import Path

from poolserver.ledger import sqlite
from poolserver.ledger.fold import Fold
from poolserver.ledger.journal import Journal
from poolserver.ledger.journal_reader import read_segments
from poolserver.ledger.records import JournalBatch
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import Totals
from poolserver.mining.coinbase import TxOut
from poolserver.mining.identity import WorkerIdentity
from poolserver.mining.payout import Distribution, Due
from tests.unit.ledger.places import places

STEPS = ("appended", "written", "durable", "folded", "applying", "applied")
TURNS = 3
SHARES_A_TURN = 5
WORK = 2**70 + 1
PAID = Distribution(  # of several records
    tuple(TxOut(1000 + n, n.to_bytes(22, "big")) for n in range(2500)),
    tuple(Due(f"payee{n}", 1000 + n, n % 2 * (1000 + n)) for n in range(2500)),
    7,
)

int_sum = sqlite._int_sum
killer_armed = threading.Event()


def block_hash_le(epoch: int, turn: int) -> bytes:
    return bytes([epoch, turn]) + bytes(30)


PJ_PER_HASH = Fraction(147, 8)  # 17.5 J/TH at PUE 1.05


async def recover(store: LedgerStore, directory: Path) -> tuple[Fold, Totals]:
    """What a start does: load, then fold what the journal has beyond that."""
    state = await store.open()
    fold = Fold(
        site_of=lambda _: "north",
        place_of=places(PJ_PER_HASH),
        progress=state.progress,
        workers=state.workers,
        templates=state.templates,
    )
    for item in read_segments(directory):
        if not isinstance(item, JournalBatch):
            continue
        if delta := fold.fold(item):
            await store.apply(delta)
            state.totals.add(delta.sites, delta.site_energy_pj)
    return fold, state.totals


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def int_sum_or_die(a: str, b: str) -> str:
    if killer_armed.is_set():
        die()
    return int_sum(a, b)


async def live(directory: Path, epoch: int, step: str) -> None:
    sqlite._int_sum = int_sum_or_die
    store = LedgerStore(SqliteDatabase(directory / "ledger.sqlite"))
    fold, _ = await recover(store, directory)
    batches: asyncio.Queue[JournalBatch] = asyncio.Queue()
    journal = Journal(
        directory,
        WorkerIdentity("pool", 0, epoch),
        on_durable=batches.put_nowait,
        sync_interval_s=0,
    )
    ref = journal.declare_worker("north", "north.rig1")
    for turn in range(1, TURNS + 1):
        last = turn == TURNS
        for _ in range(SHARES_A_TURN):
            journal.append_share(ref, 0, True, WORK, turn, bytes(32))
        journal.append_block(turn, block_hash_le(epoch, turn), ref, PAID)
        if last and step == "appended":
            die()
        journal.release(partial(print, turn * SHARES_A_TURN, flush=True))
        await asyncio.sleep(0)
        if last and step == "written":
            die()
        while journal.pending or not batches.empty():
            batch = await batches.get()
            if last and step == "durable":
                die()
            delta = fold.fold(batch)
            if last and step == "folded":
                die()
            if last and step == "applying":
                killer_armed.set()
            await store.apply(delta)
    die()


if __name__ == "__main__":
    asyncio.run(live(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
