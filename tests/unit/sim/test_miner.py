"""One rig's connection, against a small pool on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import pytest

from poolserver.sim import miner
from poolserver.sim.cpu import Cpu
from poolserver.sim.miner import USER_AGENT, Miner, PoolAddress
from poolserver.sim.rig import Rig
from poolserver.sim.tally import Tally

if TYPE_CHECKING:
    from tests.unit.sim.conftest import FakePool

HASHRATE = 256 * 300.0  # three hundred of the pool's shares a second


@pytest.fixture(autouse=True)
def _quick_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miner, "BACK_OFF_FIRST_S", 0.02)


@asynccontextmanager
async def mining(pool: "FakePool", *, obey_reconnect: bool = False) -> AsyncIterator[Tally]:
    """A rig at work for ``demo.rig``; what the pool answers it."""
    address = PoolAddress("127.0.0.1", pool.port, "secret", obey_reconnect)
    cpu, tally = Cpu(), Tally()
    rig = Miner("demo.rig", Rig(HASHRATE, Random(1)), address, cpu, tally, Random(2))
    tasks = [asyncio.create_task(cpu.run()), asyncio.create_task(rig.run(0.0))]
    try:
        yield tally
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop run until it holds; pytest's timeout ends what never does."""
    while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
        await asyncio.sleep(0.002)


async def test_the_rig_says_who_it_is(pool: "FakePool") -> None:
    async with pool.serve(), mining(pool) as tally:
        await until(lambda: tally.accepted)
        assert pool.users == [("demo.rig", "secret")]
        assert pool.user_agents == {USER_AGENT}
        assert pool.submits[0].worker_name == "demo.rig"


async def test_submits_come_with_rolled_version_bits_and_without(pool: "FakePool") -> None:
    async with pool.serve(), mining(pool) as tally:
        await until(lambda: tally.accepted >= 50)
        assert {submit.version_bits is None for submit in pool.submits} == {True, False}


async def test_without_a_granted_mask_no_bits_are_sent(pool: "FakePool") -> None:
    pool.version_mask = None
    async with pool.serve(), mining(pool) as tally:
        await until(lambda: tally.accepted >= 20)
        assert {submit.version_bits for submit in pool.submits} == {None}


async def test_a_new_mask_and_a_new_extranonce_hold_from_the_next_job_on(pool: "FakePool") -> None:
    async with pool.serve(), mining(pool) as tally:
        await until(lambda: tally.accepted)
        session = pool.sessions[0]
        session.connection.set_version_mask(0x00006000)
        pool.set_extranonce1(session, b"\xee\xee\xee\xee")
        pool.new_job(clean_jobs=True)
        await until(lambda: any(submit.job_id == "1" for submit in pool.submits))
        seen, accepted = len(pool.submits), tally.accepted
        await until(lambda: tally.accepted >= accepted + 50)
        late = pool.submits[seen:]
        assert {submit.job_id for submit in late} == {"1"}
        assert not [submit for submit in pool.bad if submit.job_id == "1"]
        rolled = {submit.version_bits for submit in late if submit.version_bits is not None}
        assert rolled <= {0x0000, 0x2000, 0x4000, 0x6000}


async def test_no_share_is_found_for_a_job_after_the_next_has_come(pool: "FakePool") -> None:
    def reached(job: int) -> bool:
        return bool(pool.submits) and int(pool.submits[-1].job_id) == job

    async with pool.serve(), mining(pool):
        await until(partial(reached, 0))
        for job in range(1, 6):
            pool.new_job(clean_jobs=True)
            await until(partial(reached, job))
        job_ids = [int(submit.job_id) for submit in pool.submits]
        assert job_ids == sorted(job_ids)


async def test_a_rig_whose_connection_is_lost_comes_back(pool: "FakePool") -> None:
    async with pool.serve(), mining(pool) as tally:
        await until(lambda: tally.accepted >= 10)
        pool.answers_submits = False
        await until(lambda: len(pool.submits) > tally.accepted)
        pool.drop_all()
        await until(lambda: tally.unanswered)
        pool.answers_submits = True
        accepted = tally.accepted
        await until(lambda: tally.accepted > accepted + 5)
        assert pool.connections >= 2
        assert tally.trouble


async def test_a_refused_user_is_told_and_tries_again(pool: "FakePool") -> None:
    pool.refuses_users = True
    async with pool.serve(), mining(pool) as tally:
        await until(lambda: pool.connections >= 2)
        assert tally.trouble == "demo.rig is not authorized: unauthorized"
        pool.refuses_users = False
        await until(lambda: tally.accepted)


async def test_a_reconnect_to_another_host_is_ignored(pool: "FakePool") -> None:
    async with pool.serve(), mining(pool) as tally:
        await until(lambda: tally.accepted)
        pool.sessions[0].connection.reconnect("thief.example", 3333)
        pool.sessions[0].flush()
        accepted = tally.accepted
        await until(lambda: tally.accepted > accepted + 20)
        assert pool.connections == 1


async def test_a_reconnect_that_is_obeyed_leads_to_the_same_pool(pool: "FakePool") -> None:
    async with pool.serve(), mining(pool, obey_reconnect=True) as tally:
        await until(lambda: tally.accepted)
        pool.sessions[0].connection.reconnect("thief.example", 3333)
        pool.sessions[0].flush()
        await until(lambda: pool.connections == 2)
        accepted = tally.accepted
        await until(lambda: tally.accepted > accepted)


async def test_a_silent_pool_is_given_up(pool: "FakePool", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miner, "SILENCE_TIMEOUT_S", 0.05)
    pool.answers_submits = False
    async with pool.serve(), mining(pool) as tally:
        await until(lambda: pool.connections == 2)
        assert tally.trouble == "the pool is silent"


async def test_a_difficulty_that_no_hash_meets_ends_the_connection(pool: "FakePool") -> None:
    async with pool.serve(), mining(pool) as tally:
        await until(lambda: tally.accepted)
        pool.sessions[0].connection.set_difficulty(1e300)
        pool.sessions[0].flush()
        await until(lambda: pool.connections == 2)
        assert "difficulty" in tally.trouble


async def test_the_wait_before_a_new_try_doubles_up_to_a_limit() -> None:
    rig = Miner("", Rig(1.0, Random(1)), PoolAddress("", 1), Cpu(), Tally(), Random(1))
    waits = [rig._back_off_s() for _ in range(20)]
    limits = [min(miner.BACK_OFF_FIRST_S * 2**n, miner.BACK_OFF_MAX_S) for n in range(20)]
    assert all(limit / 2 <= wait <= limit for wait, limit in zip(waits, limits, strict=True))
