"""The database is away for some seconds under load; make torture-outages is the large run."""

from pathlib import Path

import pytest

from tests.integration.postgres import find_bin
from tests.torture.load import LoadPlan
from tests.torture.outages import OutagesPlan, perform_outages

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(180)]

LOAD = LoadPlan(rigs=17, proxies=3, shares_per_s=500)


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
async def test_mining_does_not_notice_and_the_books_catch_up(
    store: str, bitcoind_path: Path, tmp_path: Path
) -> None:
    if store == "postgresql" and find_bin() is None:
        pytest.skip("postgresql: none found; scripts/get-postgresql.sh fetches one")
    plan = OutagesPlan(store, away_s=3.0, calm_s=1.0, save_interval_s=0.5, load=LOAD)
    report = await perform_outages(plan, bitcoind_path, tmp_path)
    print(report.text())
    assert report.problems() == []
