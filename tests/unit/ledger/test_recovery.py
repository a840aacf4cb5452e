"""The ledger as a whole: whatever dies when, each share that was written counts once."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from poolserver.ledger.records import Record
from poolserver.ledger.segment import SegmentId, encode_header
from poolserver.ledger.store import SqliteStore
from poolserver.ledger.totals import Totals, WorkerKey
from tests.unit.ledger.dying_pool import STEPS, WORK, energy_pj, recover
from tests.unit.ledger.strategies import encode
from tests.unit.ledger.test_fold import RIG, share

ROOT = Path(__file__).parents[3]
KEY = WorkerKey("north", "north", "north.rig1")


async def live_and_die(directory: Path, epoch: int, step: str) -> int:
    """Run a pool until it kills itself; the number of shares it had released."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.unit.ledger.dying_pool", str(directory), str(epoch), step),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == -signal.SIGKILL
    return int(output.split()[-1])


async def recovered(directory: Path) -> Totals:
    store = SqliteStore(directory / "ledger.sqlite")
    _, totals = await recover(store, directory)
    assert (await store.load()).totals == totals
    await store.close()
    return totals


def assert_shares(totals: Totals, shares: int) -> None:
    worker = totals.workers[KEY]
    assert worker.shares[0] == shares
    assert worker.accepted_work == worker.proven_work == shares * WORK
    assert worker.proven_work_sq == shares * WORK**2
    assert totals.site_energy_pj == {"north": energy_pj("north", shares * WORK)}


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
async def test_a_pool_killed_at_any_step_has_each_released_share_once(
    tmp_path: Path, step: str
) -> None:
    released = await live_and_die(tmp_path, 1, step)
    assert_shares(await recovered(tmp_path), released)


@pytest.mark.slow
async def test_pools_killed_one_after_the_other_lose_and_double_nothing(tmp_path: Path) -> None:
    released = 0
    for epoch, step in enumerate(STEPS, 1):  # nobody recovers in between but the next pool
        released += await live_and_die(tmp_path, epoch, step)
    assert_shares(await recovered(tmp_path), released)
    assert_shares(await recovered(tmp_path), released)


async def test_a_journal_torn_at_any_byte_counts_its_whole_records(tmp_path: Path) -> None:
    records: list[Record] = [RIG, *[share(work=WORK)] * 3]
    identity = SegmentId("pool/0/1", 1, 0)
    whole = encode_header(identity) + encode(1, records)
    for cut in range(0, 3 * 85, 7):
        directory = tmp_path / str(cut)
        directory.mkdir()
        (directory / identity.file_name).write_bytes(whole[: len(whole) - cut])
        totals = await recovered(directory)
        left = 3 - -(-cut // 85)
        assert sum(worker.accepted_work for worker in totals.workers.values()) == left * WORK
