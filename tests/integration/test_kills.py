"""Five deaths of the pool under load, with each store; make torture-kills is the large run."""

from pathlib import Path

import pytest

from tests.integration.postgres import find_bin
from tests.torture.kills import KillsPlan, perform_kills
from tests.torture.load import LoadPlan

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(120)]

LOAD = LoadPlan(rigs=17, proxies=3, shares_per_s=800)


@pytest.mark.parametrize(
    ("store", "is_power_cut"), [("sqlite", False), ("sqlite", True), ("postgresql", False)]
)
async def test_each_answered_share_is_in_the_books_once(
    store: str, is_power_cut: bool, bitcoind_path: Path, tmp_path: Path
) -> None:
    if store == "postgresql" and find_bin() is None:
        pytest.skip("postgresql: none found; scripts/get-postgresql.sh fetches one")
    plan = KillsPlan(
        5,
        store,
        alive_s=(0.2, 0.8),
        starting_s=(0.05, 1.0),
        load=LOAD,
        is_power_cut=is_power_cut,
    )
    report = await perform_kills(plan, bitcoind_path, tmp_path)
    print(report.text())
    assert report.problems() == []
    assert report.verdict.answered > 500
