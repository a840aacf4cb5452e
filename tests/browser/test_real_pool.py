"""The page of a whole running pool that a rig mines at."""

import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from poolserver.node.process import BitcoindProcess
from tests.browser.conftest import OpenPage
from tests.integration.running import pool_config, rig, running

pytestmark = [pytest.mark.real, pytest.mark.slow]

pytestmark = pytest.mark.usefixtures("logging_is_configured")

POWER = """
worker_pattern = "{site}-{rack}-{slot}"
work_scale = 1_000_000_000_000

[[sites.nodes]]
name = "T1"
kind = "transformer"
limit_mw = 0.15
workers = ["hall-*"]

[power]
tick_s = 1
"""


async def test_a_running_pool_is_shown_as_it_is(
    open_page: OpenPage, bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    config = pool_config(bitcoind, tmp_path, POWER)
    async with running(config) as pool, rig(pool.port, "demo.hall-A3-1") as miner:
        for _ in range(20):
            await miner.mine(await miner.job())
        page = await open_page(f"http://127.0.0.1:{pool.http_port}/")
        await expect(page.locator("#connection")).to_have_text("live", timeout=20_000)
        await expect(page.locator("#network")).to_have_text("regtest")
        site = page.get_by_role("meter", name="Power of demo")
        await expect(site).to_have_attribute(
            "aria-valuetext", re.compile("below the limit, set by"), timeout=20_000
        )
        await page.get_by_role("link", name="Nodes").click()
        await expect(page.get_by_role("table", name="Bitcoin nodes")).to_contain_text("mined on")
        await page.get_by_role("link", name="Events").click()
        await expect(page.get_by_role("grid", name="Events")).to_contain_text("new tip")
        await page.get_by_role("link", name="Power").click()
        tree = page.get_by_role("treegrid", name="Power tree")
        await expect(tree).to_contain_text("T1")
        await tree.get_by_role("row").filter(has_text="T1").click()
        panel = page.get_by_role("complementary", name="demo/T1")
        await expect(panel).to_contain_text("150.0\u00a0kW")
