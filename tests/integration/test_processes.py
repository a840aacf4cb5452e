"""A pool of several processes: each may die, and every share that was answered is booked once."""

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import msgspec
import pytest

from tests.integration.running import Rig, rig
from tests.torture.journal_reader import read_journal
from tests.torture.kill_judge import judge
from tests.torture.ledger_stage import LedgerStage, ledger_stage
from tests.torture.ledger_stores import torture_store
from tests.torture.load import LoadPlan

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(120)]

LOAD = LoadPlan(rigs=17, proxies=3, shares_per_s=500)
UP = "poolserver_worker_processes"
# A rig whose pool has died knows it, and is at the other worker, within so long.
BACK_S = 2.0


@asynccontextmanager
async def two_workers(bitcoind: Path, folder: Path, load: LoadPlan) -> AsyncIterator[LedgerStage]:
    """A pool of two workers under load; in the end its books are what was answered."""
    with torture_store("sqlite", folder) as store:
        async with ledger_stage(bitcoind, folder, store, load, Random(7), workers=2) as stage:
            await stage.pool.start()
            await are_up(stage)
            if load.rigs:
                await stage.has_load()
            yield stage
            assert await stage.end() == []
            assert [stage.pool.worker_pid(index) for index in range(2)] == [None, None]
            if load.rigs:
                books = await asyncio.to_thread(store.books)
                verdict = judge(stage.load.evidence, read_journal(stage.journal), books)
                assert verdict.wrong == []
                assert verdict.answered > 100


async def are_up(stage: LedgerStage, count: int = 2) -> None:
    await stage.pool.face.becomes(UP, lambda value: value == count)


async def becomes(holds: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait for something of other processes."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def events(stage: LedgerStage, name: str) -> list[dict[str, object]]:
    """Those of the pool's log."""
    lines = (stage.pool.folder / "pool.log").read_bytes().splitlines()
    told = [msgspec.json.decode(line, type=dict[str, object]) for line in lines]
    return [event for event in told if event["event"] == name]


async def rigs_at_both(stage: LedgerStage, stack: AsyncExitStack) -> list[Rig]:
    """Rigs until both workers have some."""
    rigs: list[Rig] = []
    indexes: set[int] = set()
    while len(indexes) < 2:
        assert len(rigs) < 40
        one = await stack.enter_async_context(rig(stage.pool.face.port, f"demo.r{len(rigs)}"))
        await one.job()
        rigs.append(one)
        indexes.add(one.client.connection.extranonce1[0] >> 2)  # see mining/extranonce.py
    return rigs


async def mines(one: Rig) -> None:
    """A share of the rig is accepted; one is stale only if the rig was told of a newer tip."""
    while (error := (await one.mine(job := one.jobs[-1])).error) is not None:
        assert error.reason == "stale"
        assert one.jobs[-1].prevhash_le != job.prevhash_le


async def test_rigs_come_to_both_and_a_new_template_reaches_each(
    bitcoind_path: Path, tmp_path: Path
) -> None:
    nobody = LoadPlan(rigs=0, proxies=0, shares_per_s=0)
    async with two_workers(bitcoind_path, tmp_path, nobody) as stage, AsyncExitStack() as stack:
        rigs = await rigs_at_both(stage, stack)
        first = {each.jobs[-1].prevhash_le for each in rigs}
        for each in rigs:
            while each.jobs[-1].prevhash_le in first:
                await each.next()
            await mines(each)
        await stage.pool.face.becomes("poolserver_connections", lambda n: n == len(rigs))
        counted = await stage.pool.face.becomes("poolserver_site_rigs", lambda n: n == len(rigs))
        assert counted == len(rigs)


async def test_a_worker_that_is_killed_is_started_again_and_loses_no_share(
    bitcoind_path: Path, tmp_path: Path
) -> None:
    async with two_workers(bitcoind_path, tmp_path, LOAD) as stage:
        await asyncio.sleep(1.0)
        victim, other = stage.pool.worker_pid(0), stage.pool.worker_pid(1)
        stage.pool.kill_worker(0)
        await becomes(lambda: stage.pool.worker_pid(0) not in (None, victim))
        await are_up(stage)
        await stage.has_load()
        await asyncio.sleep(1.0)
        assert stage.pool.worker_pid(1) == other
        restarts = 'poolserver_worker_restarts_total{process="0"}'
        assert await stage.pool.face.metric(restarts) == 1
        (ended,) = events(stage, "worker_ended")
        assert ended["code"] == -signal.SIGKILL


async def test_workers_go_on_without_their_coordinator_and_the_next_one_finds_them(
    bitcoind_path: Path, tmp_path: Path
) -> None:
    async with two_workers(bitcoind_path, tmp_path, LOAD) as stage:
        workers = [stage.pool.worker_pid(index) for index in range(2)]
        await stage.pool.kill()
        alone_at = len(stage.load.evidence.latencies_ms)
        await asyncio.sleep(2.0)
        assert len(stage.load.evidence.latencies_ms) > alone_at + 100
        await stage.pool.start()
        await are_up(stage)
        assert [stage.pool.worker_pid(index) for index in range(2)] == workers
        await asyncio.sleep(1.0)
        assert events(stage, "worker_ended") == []


async def test_a_worker_that_died_alone_is_missed_by_the_next_coordinator(
    bitcoind_path: Path, tmp_path: Path
) -> None:
    async with two_workers(bitcoind_path, tmp_path, LOAD) as stage:
        stays = stage.pool.worker_pid(1)
        await stage.pool.kill()
        await asyncio.sleep(0.5)
        stage.pool.kill_worker(0)
        await asyncio.sleep(0.5)
        await stage.pool.start()
        await are_up(stage)
        assert stage.pool.worker_pid(1) == stays
        await asyncio.sleep(0.5)


async def test_an_address_that_is_taken_fails_the_start_in_one_line(
    bitcoind_path: Path, tmp_path: Path
) -> None:
    with torture_store("sqlite", tmp_path) as store:
        nobody = LoadPlan(rigs=0, proxies=0, shares_per_s=0)
        async with ledger_stage(
            bitcoind_path, tmp_path, store, nobody, Random(7), workers=2
        ) as stage:
            with socket.create_server(("127.0.0.1", stage.pool.face.port)):
                code, said = await stage.pool.command("run")
    assert code == 1
    assert said.splitlines()[-1].startswith("poolserver: ")
    assert f"cannot listen at 127.0.0.1 port {stage.pool.face.port}" in said
    assert len(said.splitlines()) == 1


async def test_a_pool_in_one_process_does_not_begin_beside_workers_that_mine(
    bitcoind_path: Path, tmp_path: Path
) -> None:
    nobody = LoadPlan(rigs=0, proxies=0, shares_per_s=0)
    async with two_workers(bitcoind_path, tmp_path, nobody) as stage:
        config, workers = tmp_path / "pool.toml", [stage.pool.worker_pid(n) for n in range(2)]
        several = config.read_text()
        await stage.pool.kill()
        config.write_text(several.replace("workers = 2", "workers = 1"))
        code, said = await stage.pool.command("run")
        assert (code, len(said.splitlines())) == (1, 1)
        assert f"end them first: kill {workers[0]} {workers[1]}" in said
        config.write_text(several)
        await stage.pool.start()
        await are_up(stage)
        assert [stage.pool.worker_pid(index) for index in range(2)] == workers
