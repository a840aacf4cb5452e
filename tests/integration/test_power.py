"""Power in a whole pool: rigs that prove work, a meter and words by HTTP, and what is shown."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import structlog
from click.testing import CliRunner

from poolserver.api.tokens import hash_of, new_token
from poolserver.cli import main
from poolserver.control_room.view import NodeView, PowerView
from poolserver.node.process import BitcoindProcess
from tests.integration.running import Rig, RunningPool, pool_config, rig, running

TOKEN = new_token()

# One site with a tree. A hash counts for a thousand million: a share of the test's rig, of four
# hashes, is some 4.3 GH, which at 17.5 J/TH is nothing; the meter says what there is.
POWER = f"""
worker_pattern = "{{site}}-{{rack}}-{{slot}}"
meter = "main"
work_scale = 1_000_000_000_000

[[sites.nodes]]
name = "T1"
kind = "transformer"
limit_mw = 0.15
workers = ["hall-*"]

[[sites.ai_loads]]
name = "ai"
assumed_mw = 0.1

[[meters]]
name = "main"
source = "http"
rated_mw = 0.3
accuracy_class = 0.5

[[api_tokens]]
name = "grid"
sha256 = "{hash_of(TOKEN)}"
scopes = ["budget", "ai-load", "meter"]
nodes = ["/"]

[power]
tick_s = 1
"""


async def put(pool: RunningPool, path: str, **body: Any) -> int:
    url = f"http://127.0.0.1:{pool.http_port}/api/v1/{path}"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.put(url, data=msgspec.json.encode(body)) as reply,
    ):
        return reply.status


async def node(pool: RunningPool, path: str, reached: Callable[[NodeView], bool]) -> NodeView:
    """A node of the tree, once it is as the test wants it."""
    async with asyncio.timeout(20):
        while True:
            status, text = await pool.get("/api/v1/power")
            if status == 200:
                view = msgspec.json.decode(text, type=PowerView)
                found = next((each for each in view.nodes if each.path == path), None)
                if found is not None and reached(found):
                    return found
            await asyncio.sleep(0.2)


async def mine(miner: Rig, shares: int) -> None:
    for _ in range(shares):
        await miner.mine(await miner.job())  # late ones prove work too


@pytest.mark.real
async def test_the_tree_of_a_running_pool_says_what_is_drawn_and_what_binds(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    config = pool_config(bitcoind, tmp_path, extra=POWER)
    with structlog.testing.capture_logs() as logs:
        async with running(config) as pool, rig(pool.port, "demo.hall-r01-s001") as miner:
            await mine(miner, 12)
            rack = await node(pool, "demo/T1/r01", lambda each: each.rigs == 1)
            assert rack.kind == "rack"
            assert not rack.configured
            assert rack.estimated_w.value > 0
            assert rack.estimated_w.sigma > 0
            site = await node(pool, "demo", lambda each: each.total_w.value > 0)
            assert (site.limit_w, site.limits[0].source) == (200_000, "site")
            assert (site.ai_w, site.ai_known) == (100_000.0, False)

            # Somebody says what the AI hall draws, the meter what all of it does.
            soon = time.time() + 600
            assert await put(pool, "ai-loads/demo/ai", power_w=40_000, valid_until=soon) == 204
            assert await put(pool, "meters/main", power_w=170_000, ts=time.time()) == 200
            site = await node(pool, "demo", lambda each: each.method == "meter")
            assert site.total_w.value == 170_000
            assert site.mining_w.value == pytest.approx(130_000)
            assert site.residual_w is not None
            assert site.headroom_w == pytest.approx(30_000)

            # A dispatcher takes power away: what would be done is told at the next tick.
            words = {"limit_w": 100_000, "valid_until": soon, "reason": "evening peak"}
            assert await put(pool, "nodes/demo/budget", **words) == 204
            site = await node(pool, "demo", lambda each: each.limit_w == 100_000)
            assert (site.limits[0].source, site.limits[0].reason) == ("grid", "evening peak")
            assert site.headroom_w == pytest.approx(-70_000)
            assert await pool.metric('poolserver_power_headroom_watts{node="demo"}') == -70_000
            labels = 'kind="override",node="demo",source="grid"'
            assert await pool.metric(f"poolserver_power_limit_binding{{{labels}}}") == 1
            shown = await asyncio.to_thread(
                CliRunner().invoke,
                main,
                ["power", "status", "--config", str(tmp_path / "pool.toml")],
                env={"COLUMNS": "120"},
            )
            assert shown.exit_code == 0, shown.output
            assert "evening peak" in shown.output
            assert "r01" in shown.output
            shown = await asyncio.to_thread(
                CliRunner().invoke,
                main,
                ["power", "node", "demo/T1/r01", "--config", str(tmp_path / "pool.toml")],
                env={"COLUMNS": "120"},
            )
            assert shown.exit_code == 0, shown.output
            assert "demo.hall-r01-s001" in shown.output
            assert "60 min" in shown.output
    told = [each["what"] for each in logs if each["event"] == "power_intended"]
    assert any(text.startswith("would shed 1 rig") and "grid" in text for text in told), told


@pytest.mark.real
async def test_a_word_that_makes_no_sense_changes_nothing(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    config = pool_config(bitcoind, tmp_path, extra=POWER)
    async with running(config) as pool:
        soon = time.time() + 600
        assert await put(pool, "nodes/demo/budget", limit_w=-1, valid_until=soon) == 422
        assert await put(pool, "nodes/nowhere/budget", limit_w=1, valid_until=soon) == 404
        assert await put(pool, "meters/main", power_w=9e9, ts=time.time()) == 200
        site = await node(pool, "demo", lambda each: each.meter is not None)
        assert site.limit_w == 200_000
        assert site.meter is not None
        assert site.meter.quality != "good"
