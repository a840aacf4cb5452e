"""Simulated sites against a small pool on loopback."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from poolserver._vendor.asyncio_stratum import StratumError
from poolserver.sim import miner
from poolserver.sim.fleet import RigSpec
from poolserver.sim.miner import PoolAddress
from poolserver.sim.site import SimulatedSite

if TYPE_CHECKING:
    from tests.unit.sim.conftest import FakePool

HASHRATE = 256 * 100.0  # a hundred of the pool's shares a second


@pytest.fixture(autouse=True)
def _quick_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miner, "BACK_OFF_FIRST_S", 0.02)


def fleet(rigs: int = 3) -> list[RigSpec]:
    return [RigSpec(f"demo.rig-{n}", HASHRATE * 10**6, 3500.0) for n in range(rigs)]


def site_of(pool: "FakePool", rigs: int = 3) -> SimulatedSite:
    address = PoolAddress("127.0.0.1", pool.port)
    return SimulatedSite(fleet(rigs), address, work_scale=10**6, pue=1.05, start_spread_s=0.0)


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop run until it holds; pytest's timeout ends what never does."""
    while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
        await asyncio.sleep(0.002)


async def test_all_that_rigs_submit_is_accepted(pool: "FakePool") -> None:
    async with pool.serve(), site_of(pool) as site:
        await until(lambda: site.shares_accepted >= 100)
        assert not pool.bad
        assert (site.shares_rejected, site.shares_stale) == (0, 0)
        workers = {"demo.rig-0", "demo.rig-1", "demo.rig-2"}
        assert {submit.worker_name for submit in pool.submits} == workers
        report = site.report()
        assert report.accepted_work == report.shares_accepted * 256 * 10**6
        assert report.proven_hashrate_h_s == report.accepted_work / report.elapsed_s
        # Whether the CPU keeps pace depends on what else it does.
        assert replace(report, kept_rate=1.0).behind is None


async def test_the_true_power_is_that_of_the_rigs_at_work_times_pue(pool: "FakePool") -> None:
    async with pool.serve():
        site = site_of(pool)
        assert (site.rigs, site.true_power_w, site.hashrate) == (0, 0.0, 0.0)
        async with site:
            await until(lambda: site.rigs == 3)
            assert site.true_power_w == pytest.approx(3 * 3500 * 1.05)
            assert site.hashrate == 3 * HASHRATE * 10**6
        assert (site.rigs, site.true_power_w) == (0, 0.0)


async def test_refused_shares_are_counted_by_reason_and_stale_ones_apart(pool: "FakePool") -> None:
    async with pool.serve(), site_of(pool) as site:
        pool.answer = StratumError(21, "stale")
        await until(lambda: site.shares_stale >= 5)
        pool.answer = StratumError(20, "ntime_out_of_range")
        await until(lambda: site.shares_rejected >= 5)
        report = site.report()
        assert report.reject_reasons == {
            "stale": report.shares_stale,
            "ntime_out_of_range": report.shares_rejected,
        }


async def test_a_site_whose_pool_starts_late_waits_for_it(pool: "FakePool") -> None:
    async with pool.serve():
        pass  # the port is known and free now
    async with site_of(pool) as site:
        await until(lambda: site.report().trouble)
        async with pool.serve():
            await until(lambda: site.shares_accepted >= 3)


async def test_a_difficulty_beyond_the_cpu_is_reported(pool: "FakePool") -> None:
    async with pool.serve():
        spec = RigSpec("demo.rig", 1e12, 3500.0)  # not scaled: a million CPUs
        site = SimulatedSite([spec], PoolAddress("127.0.0.1", pool.port), start_spread_s=0.0)
        async with site:
            await until(lambda: site.report().behind)
            report = site.report()
            assert report.behind is not None
            assert report.behind.startswith("the CPU cannot hash this fast: ")
            assert report.kept_rate < 0.99


async def test_a_site_is_started_once_and_stopped_as_often_as_you_like(pool: "FakePool") -> None:
    async with pool.serve():
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
