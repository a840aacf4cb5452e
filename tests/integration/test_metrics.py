"""A real pool's scrape is what is declared, and Prometheus' own checker finds nothing in it."""

import os
import shutil
import subprocess
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from poolserver.metrics.reference import declared
from poolserver.node.process import BitcoindProcess
from tests.integration.running import RunningPool, pool_config, rig, running
from tests.unit.metrics.full_stage import full_registry

OWN_PROMTOOL = Path(__file__).parents[2] / ".tools/prometheus/bin/promtool"


@pytest.fixture(scope="module")
def promtool() -> str:
    """The program; where it cannot be had the test is skipped by that name (in CI it fails)."""
    for candidate in (os.environ.get("PROMTOOL"), shutil.which("promtool"), str(OWN_PROMTOOL)):
        if candidate and Path(candidate).exists():
            return candidate
    pytest.skip("promtool: none found; scripts/get-prometheus.sh fetches one")


def check(promtool: str, text: str) -> str:
    """What the checker has to say."""
    run = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=30
    )
    return run.stdout + run.stderr


def test_promtool_finds_nothing_in_all_that_is_declared(promtool: str) -> None:
    assert check(promtool, generate_latest(full_registry()).decode()) == ""


@pytest.mark.real
async def test_a_running_pool_tells_what_is_declared(
    bitcoind: BitcoindProcess, tmp_path: Path, promtool: str
) -> None:
    config = pool_config(bitcoind, tmp_path, '[metrics]\nworkers = "all"\n')
    async with running(config) as pool, rig(pool.port) as miner:
        # On regtest each second share is a block, which is a new tip for the rig.
        job = await miner.job()
        while not await pool.metric("poolserver_new_tip_to_rigs_seconds_count"):
            assert await miner.mine(job)
            job = await miner.job()
        await pool.becomes("poolserver_shares_total", lambda count: count >= 1)
        await pool.becomes("poolserver_share_latency_seconds_count", lambda count: count >= 1)
        await pool.becomes("poolserver_submitblock_seconds_count", lambda count: count >= 1)
        await pool.becomes("poolserver_journal_sync_seconds_count", lambda count: count >= 1)
        await pool.becomes("poolserver_event_loop_lag_seconds_count", lambda count: count >= 1)
        _, text = await pool.get("/metrics")
        open_text = await _openmetrics(pool)
    assert check(promtool, text) == ""
    scraped = {family.name: family for family in text_string_to_metric_families(text)}
    known = {name.removesuffix("_total"): family for name, family in declared().items()}
    assert sorted(scraped.keys() - known.keys()) == []
    assert sorted(n for n in known.keys() - scraped.keys() if not known[n].left_out) == []
    for name, family in scraped.items():
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert labels <= set(known[name].labels), name
    assert "poolserver_worker_hashrate_hashes_per_second" in scraped
    assert open_text.endswith("# EOF\n")
    kinds = {family.name: family.type for family in openmetrics(open_text)}
    assert kinds["poolserver_shares"] == "counter"
    assert kinds["poolserver_share_latency_seconds"] == "histogram"


async def _openmetrics(pool: RunningPool) -> str:
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    url = f"http://127.0.0.1:{pool.http_port}/metrics"
    async with aiohttp.ClientSession(headers=accept) as session, session.get(url) as reply:
        return await reply.text()
