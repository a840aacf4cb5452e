"""The ledger as a whole: whatever dies when, each share that was written counts once."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from poolserver.bitcoin.header import hash_le_to_hex
from poolserver.ledger.payout_records import payout_records
from poolserver.ledger.records import BlockRecord, Record
from poolserver.ledger.segment import SegmentId, encode_header
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import Totals, WorkerKey
from poolserver.mining.payout import Distribution
from tests.unit.ledger.dying_pool import (
    PAID,
    PJ_PER_HASH,
    SHARES_A_TURN,
    STEPS,
    WORK,
    block_hash_le,
    recover,
)
from tests.unit.ledger.judged import RIG, share
from tests.unit.ledger.strategies import encode

ROOT = Path(__file__).parents[3]
KEY = WorkerKey("north", "north", "north.rig1")


def block_hash(epoch: int, turn: int) -> str:
    return hash_le_to_hex(block_hash_le(epoch, turn))


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
    store = LedgerStore(SqliteDatabase(directory / "ledger.sqlite"))
    _, totals = await recover(store, directory)
    assert (await store.load()).totals == totals
    await store.close()
    return totals


async def assert_blocks(directory: Path, hashes_hex: set[str]) -> None:
    """These blocks are in the books, each with all that it pays and nothing twice."""
    store = LedgerStore(SqliteDatabase(directory / "ledger.sqlite"))
    await recover(store, directory)
    assert {block.hash_hex for block in await store.blocks()} == hashes_hex
    for hash_hex in hashes_hex:
        payout = await store.block_payout(hash_hex)
        assert payout is not None
        paid = Distribution(payout.outputs, payout.dues, payout.fee_sat)
        assert paid == PAID
        assert [event.state for event in await store.block_history(hash_hex)] == ["found"]
    await store.close()


def assert_shares(totals: Totals, shares: int) -> None:
    worker = totals.sites[KEY.site]
    assert worker.shares[0] == shares
    assert worker.accepted_work == worker.proven_work == shares * WORK
    assert worker.proven_work_sq == shares * WORK**2
    assert totals.site_energy_pj == {"north": shares * WORK * PJ_PER_HASH}


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
async def test_a_pool_killed_at_any_step_has_each_released_share_once(
    tmp_path: Path, step: str
) -> None:
    released = await live_and_die(tmp_path, 1, step)
    assert_shares(await recovered(tmp_path), released)
    turns = released // SHARES_A_TURN
    await assert_blocks(tmp_path, {block_hash(1, turn) for turn in range(1, turns + 1)})


@pytest.mark.slow
async def test_pools_killed_one_after_the_other_lose_and_double_nothing(tmp_path: Path) -> None:
    released, blocks = 0, set()
    for epoch, step in enumerate(STEPS, 1):  # nobody recovers in between but the next pool
        shares = await live_and_die(tmp_path, epoch, step)
        released += shares
        blocks |= {block_hash(epoch, turn + 1) for turn in range(shares // SHARES_A_TURN)}
    assert_shares(await recovered(tmp_path), released)
    assert_shares(await recovered(tmp_path), released)
    await assert_blocks(tmp_path, blocks)


async def test_a_journal_torn_at_any_record_of_a_payout_books_what_is_before_it(
    tmp_path: Path,
) -> None:
    hash_le = block_hash_le(1, 1)
    records: list[Record] = [RIG, BlockRecord(1, hash_le, 1, 1), *payout_records(hash_le, PAID)]
    assert len(records) > 5
    identity = SegmentId("pool/0/1", 1, 0)
    for whole in range(2, len(records) + 1):
        directory = tmp_path / str(whole)
        directory.mkdir()
        torn = encode(whole + 1, records[whole : whole + 1])[:-1]
        (directory / identity.file_name).write_bytes(
            encode_header(identity) + encode(1, records[:whole]) + torn
        )
        store = LedgerStore(SqliteDatabase(directory / "ledger.sqlite"))
        await recover(store, directory)
        payout = await store.block_payout(block_hash(1, 1))
        known = [] if payout is None else [*payout.outputs, *payout.dues]
        assert known == [*PAID.outputs, *PAID.dues][: len(known)]
        assert (payout is not None and payout.complete) is (whole == len(records))
        assert await store.without_payout() == ((0, None) if whole == len(records) else (1, 1))
        await store.close()


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
        assert sum(site.accepted_work for site in totals.sites.values()) == left * WORK
