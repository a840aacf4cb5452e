"""Commands of a running pool, of one that really runs; and a file of ``init`` that it runs by."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from poolserver.cli import main
from poolserver.config import load_config
from poolserver.node.process import BitcoindProcess, free_port
from tests.integration.running import TAPROOT_REGTEST, RunningPool, pool_config, rig, running


async def ask(pool: RunningPool, *command: str) -> Result:
    environment = {"POOLSERVER_URL": f"http://127.0.0.1:{pool.http_port}", "COLUMNS": "200"}
    return await asyncio.to_thread(CliRunner().invoke, main, command, env=environment)


@pytest.mark.real
async def test_each_command_tells_of_a_pool_that_runs(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    async with (
        running(pool_config(bitcoind, tmp_path)) as pool,
        rig(pool.port, "demo.rig1") as miner,
    ):
        await miner.mine(await miner.job())
        for command in (
            *(["status"], ["sites"], ["workers"], ["blocks"], ["events"]),
            *(["power", "status"], ["power", "node", "demo"]),
        ):
            shown = await ask(pool, *command)
            assert shown.exit_code == 0, shown.output
            told = await ask(pool, *command, "--json")
            assert told.exit_code == 0, told.output
            lines = told.stdout.splitlines() if command == ["events"] else [told.stdout]
            assert all(json.loads(line) is not None for line in lines)
        status = await ask(pool, "status")
        assert "on regtest" in status.stdout
        assert "mined on" in status.stdout
        async with asyncio.timeout(30):
            while "demo.rig1" not in (await ask(pool, "workers", "rig1")).stdout:  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.5)


@pytest.mark.real
async def test_a_pool_runs_by_what_init_writes(
    bitcoind: BitcoindProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_PASSWORD", bitcoind.password)
    path = tmp_path / "pool.toml"
    command = [
        *("init", str(path), "--yes", "--network", "regtest"),
        *("--payout-address", TAPROOT_REGTEST, "--node-url", bitcoind.url),
        *("--node-username", bitcoind.username, "--node-password-env", "NODE_PASSWORD"),
        *("--listen", f"127.0.0.1:{free_port()}", "--http", f"127.0.0.1:{free_port()}"),
        *("--site", "Hall", "0.2", "demo"),
    ]
    made = await asyncio.to_thread(CliRunner().invoke, main, command)
    assert made.exit_code == 0, made.output
    assert made.stderr == ""  # the node was there, and on this network
    config = load_config(path)
    async with running(config) as pool, rig(pool.port, "demo.rig1"):
        assert "Hall" in (await ask(pool, "sites")).stdout
