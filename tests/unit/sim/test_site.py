"""Simulated sites against a small pool on loopback."""

import asyncio
from collections.abc import Callable

import pytest

from poolserver._vendor.asyncio_stratum import StratumError
from poolserver.sim import miner
from poolserver.sim.fleet import RigSpec
from poolserver.sim.miner import USER_AGENT, PoolAddress
from poolserver.sim.site import SimulatedSite
from tests.unit.sim.fake_pool import FakePool

DIFFICULTY = 2.0**-24  # 257 hashes
HASHRATE = 257 * 100.0  # a hundred shares a second


@pytest.fixture(autouse=True)
def _quick_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miner, "BACK_OFF_FIRST_S", 0.02)


def fleet(rigs: int = 3) -> list[RigSpec]:
    return [RigSpec(f"demo.rig-{n}", HASHRATE * 10**6, 3500.0) for n in range(rigs)]


def site_of(pool: FakePool, rigs: int = 3, *, obey_reconnect: bool = False) -> SimulatedSite:
    address = PoolAddress("127.0.0.1", pool.port, obey_reconnect=obey_reconnect)
    return SimulatedSite(fleet(rigs), address, work_scale=10**6, pue=1.05, start_spread_s=0.0)


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop run until it holds; pytest's timeout ends what never does."""
    while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
        await asyncio.sleep(0.002)


async def test_all_that_rigs_submit_is_accepted() -> None:
    async with FakePool(DIFFICULTY).serve() as pool, site_of(pool) as site:
        await until(lambda: site.shares_accepted >= 100)
        assert pool.good == len(pool.submits)
        assert (site.shares_rejected, site.shares_stale) == (0, 0)
        assert sorted(pool.users) == ["demo.rig-0", "demo.rig-1", "demo.rig-2"]
        assert pool.user_agents == {USER_AGENT}
        assert {submit.worker_name for submit in pool.submits} == set(pool.users)


async def test_submits_come_with_rolled_version_bits_and_without() -> None:
    async with FakePool(DIFFICULTY).serve() as pool, site_of(pool) as site:
        await until(lambda: site.shares_accepted >= 50)
        assert {submit.version_bits is None for submit in pool.submits} == {True, False}


async def test_without_a_granted_mask_no_bits_are_sent() -> None:
    pool = FakePool(DIFFICULTY)
    pool.version_mask = None
    async with pool.serve(), site_of(pool) as site:
        await until(lambda: site.shares_accepted >= 20)
        assert {submit.version_bits for submit in pool.submits} == {None}


async def test_the_true_power_is_that_of_the_rigs_at_work_times_pue() -> None:
    async with FakePool(DIFFICULTY).serve() as pool:
        site = site_of(pool)
        assert (site.rigs, site.true_power_w, site.hashrate) == (0, 0.0, 0.0)
        async with site:
            await until(lambda: site.rigs == 3)
            assert site.true_power_w == pytest.approx(3 * 3500 * 1.05)
            assert site.hashrate == 3 * HASHRATE * 10**6
        assert (site.rigs, site.true_power_w) == (0, 0.0)


async def test_shares_of_the_old_job_stop_at_a_clean_notify() -> None:
    async with FakePool(DIFFICULTY).serve() as pool, site_of(pool) as site:
        await until(lambda: site.shares_accepted >= 10)
        pool.new_job(clean_jobs=True)
        await until(lambda: any(submit.job_id == "1" for submit in pool.submits))
        switched_at = len(pool.submits)
        await until(lambda: len(pool.submits) >= switched_at + 30)
        # The three rigs switch one by one, within the same few milliseconds.
        assert {submit.job_id for submit in pool.submits[switched_at + 5 :]} == {"1"}


async def test_refused_shares_are_counted_by_reason_and_stale_ones_apart() -> None:
    async with FakePool(DIFFICULTY).serve() as pool, site_of(pool) as site:
        pool.answer = StratumError(21, "stale")
        await until(lambda: site.shares_stale >= 5)
        pool.answer = StratumError(20, "ntime_out_of_range")
        await until(lambda: site.shares_rejected >= 5)
        report = site.report()
        assert report.reject_reasons == {
            "stale": report.shares_stale,
            "ntime_out_of_range": report.shares_rejected,
        }


async def test_a_rig_whose_connection_is_lost_comes_back() -> None:
    async with FakePool(DIFFICULTY).serve() as pool, site_of(pool) as site:
        await until(lambda: site.shares_accepted >= 10)
        pool.answers_submits = False
        await until(lambda: len(pool.submits) > 20)
        pool.drop_all()
        await until(lambda: site.rigs == 0)
        assert site.report().shares_unanswered > 0
        pool.answers_submits = True
        accepted = site.shares_accepted
        await until(lambda: site.rigs == 3 and site.shares_accepted > accepted)
        assert pool.connections == 6


async def test_a_site_whose_pool_starts_late_waits_for_it() -> None:
    pool = FakePool(DIFFICULTY)
    async with pool.serve():
        pass  # the port is known and free now
    async with site_of(pool) as site:
        await until(lambda: site.report().trouble)
        async with pool.serve():
            await until(lambda: site.shares_accepted >= 3)


async def test_a_refused_user_is_told_and_tries_again() -> None:
    pool = FakePool(DIFFICULTY)
    pool.refuses_users = True
    async with pool.serve(), site_of(pool, 1) as site:
        await until(lambda: pool.connections >= 2)
        assert site.report().trouble == "demo.rig-0 is not authorized: unauthorized"
        assert site.rigs == 0
        pool.refuses_users = False
        await until(lambda: site.shares_accepted)


async def test_a_reconnect_to_another_host_is_ignored() -> None:
    async with FakePool(DIFFICULTY).serve() as pool, site_of(pool, 1) as site:
        await until(lambda: site.shares_accepted)
        pool.sessions[0].connection.reconnect("thief.example", 3333)
        pool.sessions[0].flush()
        accepted = site.shares_accepted
        await until(lambda: site.shares_accepted > accepted + 10)
        assert pool.connections == 1


async def test_a_reconnect_that_is_obeyed_leads_to_the_same_pool() -> None:
    async with FakePool(DIFFICULTY).serve() as pool, site_of(pool, 1, obey_reconnect=True) as site:
        await until(lambda: site.shares_accepted)
        pool.sessions[0].connection.reconnect("thief.example", 3333)
        pool.sessions[0].flush()
        await until(lambda: pool.connections == 2 and site.rigs)


async def test_a_silent_pool_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miner, "SILENCE_TIMEOUT_S", 0.05)
    pool = FakePool(DIFFICULTY)
    pool.answers_submits = False
    async with pool.serve(), site_of(pool, 1) as site:
        await until(lambda: pool.connections == 2)
        assert site.report().trouble == "the pool is silent"


async def test_a_difficulty_beyond_the_cpu_is_reported() -> None:
    async with FakePool(2.0**-24).serve() as pool:
        spec = RigSpec("demo.rig", 1e12, 3500.0)  # not scaled: a million CPUs
        site = SimulatedSite([spec], PoolAddress("127.0.0.1", pool.port), start_spread_s=0.0)
        async with site:
            await until(lambda: site.report().behind)
            report = site.report()
            assert report.behind is not None
            assert report.behind.startswith("the CPU cannot hash this fast: ")
            assert report.kept_rate < 0.99


async def test_a_site_is_started_once_and_stopped_as_often_as_you_like() -> None:
    async with FakePool(DIFFICULTY).serve() as pool:
        site = site_of(pool)
        await site.stop()
        async with site:
            with pytest.raises(RuntimeError):
                await site.start()
            await site.stop()
        await until(lambda: not pool.sessions)


@pytest.mark.parametrize(("work_scale", "pue"), [(0, 1.0), (1, 0.9)])
def test_a_scale_or_a_pue_below_1_is_refused(work_scale: int, pue: float) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        SimulatedSite([], PoolAddress("127.0.0.1", 1), work_scale=work_scale, pue=pue)
