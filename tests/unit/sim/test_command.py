"""From the command's options to a site, and a short run of it."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from poolserver.power.models import UnknownModel
from poolserver.sim.command import SimulationOptions, build_site, run_simulation
from poolserver.sim.fleet import Nameplate, Tolerance
from poolserver.sim.site import SiteReport

if TYPE_CHECKING:
    from tests.unit.sim.conftest import FakePool

OPTIONS = SimulationOptions("127.0.0.1", 3333)


def test_the_nameplate_is_that_of_the_model() -> None:
    assert OPTIONS.nameplate() == Nameplate(200.0, 3500.0)  # an S21


def test_single_figures_replace_those_of_the_model() -> None:
    assert replace(OPTIONS, th_s=188.0).nameplate() == Nameplate(188.0, 3500.0)
    assert replace(OPTIONS, watts=3300.0).nameplate() == Nameplate(200.0, 3300.0)


def test_without_a_model_both_figures_are_needed() -> None:
    own = replace(OPTIONS, model=None, th_s=13.5, watts=1350.0)
    assert own.nameplate() == Nameplate(13.5, 1350.0)
    with pytest.raises(ValueError, match="TH/s and its watts"):
        replace(own, watts=None).nameplate()


def test_a_model_that_is_not_known_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(UnknownModel):
        build_site(replace(OPTIONS, model="S2100"))


async def test_a_run_tells_how_it_goes_and_ends_with_the_last_report(pool: "FakePool") -> None:
    reports: list[SiteReport] = []
    async with pool.serve():
        options = replace(
            OPTIONS,
            port=pool.port,
            rigs=2,
            tolerance=Tolerance(0.0, 0.0, 0.0),
            work_scale=10**10,  # 20 kH/s a rig: 78 of the pool's shares a second
            pue=1.05,
            seconds=0.4,
            start_spread_s=0.0,
        )
        last = await run_simulation(options, reports.append)
    assert [report.rigs_hashing for report in reports] == [2]
    assert reports[0].true_power_w == pytest.approx(2 * 3500 * 1.05)
    assert last.shares_accepted > 10
    assert sorted(user for user, _ in pool.users) == [
        "demo.hall-c01-r01-s001",
        "demo.hall-c01-r01-s002",
    ]
