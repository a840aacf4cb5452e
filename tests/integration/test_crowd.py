"""A crowd and a proxy through block changes, in small; python -m tests.torture is the large one."""

from pathlib import Path

import pytest

from tests.torture.crowd import CrowdPlan
from tests.torture.stage import Plan, perform

pytestmark = [pytest.mark.real, pytest.mark.slow]

PLAN = Plan(
    CrowdPlan(
        connections=200,
        proxies=1,
        workers_per_proxy=50,
        share_interval_s=0.25,
        connects_per_s=400,
    ),
    blocks=3,
    block_interval_s=1.5,
    steady_s=1.5,
)


async def test_no_share_is_rejected_but_true_stales(bitcoind_path: Path, tmp_path: Path) -> None:
    report = await perform(PLAN, bitcoind_path, tmp_path)
    print(report.text())
    assert report.problems() == []
    # It was a test: there were shares all the while, and stale ones at each change.
    assert report.counts["accepted"] > 1000
    lazy = -(-PLAN.crowd.all_connections // PLAN.crowd.lazy_every)
    assert report.tally.results["stale_late"] >= lazy
