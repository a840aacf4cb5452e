"""A pool's ledger verified while it runs; its day signed, told by a metric, and a row proved."""

import asyncio
import json
import re
import sys
import time
from pathlib import Path

import pytest

from poolserver.ledger.delta import Delta, Seal
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from poolserver.node.process import BitcoindProcess
from tests.integration.running import Rig, pool_config, rig, running

pytestmark = [pytest.mark.real, pytest.mark.slow]

HEAD = re.compile(r'poolserver_ledger_head_info\{day="([^"]+)",head="([0-9a-f]{64})"\} 1')


async def ledger(folder: Path, *arguments: str) -> tuple[int, str]:
    """The exit code and the output of a command, as an operator runs it beside the pool."""
    command, *rest = arguments
    config = [] if command == "check-proof" else ["--config", str(folder / "pool.toml")]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "poolserver", "ledger", command, *config, *rest),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def mine(miner: Rig, shares: int) -> None:
    """So many that are accepted: every second one is a block, so some are stale."""
    while shares:
        shares -= (await miner.mine(await miner.job())).accepted


async def seal_today(path: Path) -> None:
    """Close the day as the pool does ten minutes after its end."""
    store = LedgerStore(SqliteDatabase(path))
    progress = (await store.open()).progress
    now = time.time()
    await store.apply(Delta(seals=[Seal(int(now // 86_400), int(now * 1000), progress)]))
    await store.close()


async def test_a_running_pools_ledger_is_verified_signed_and_proved(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    config = pool_config(bitcoind, tmp_path, extra="[ledger]\nsave_interval_s = 0.1\n")
    shares = 'poolserver_shares_total{reason="accepted",result="accepted",site="demo"}'
    async with running(config) as pool, rig(pool.port) as miner:
        await mine(miner, 20)
        await pool.becomes(shares, lambda count: count >= 20)
        code, output = await ledger(tmp_path, "verify")
        assert code == 0, output
        assert HEAD.search((await pool.get("/metrics"))[1]) is None
    await seal_today(tmp_path / "var" / "ledger.sqlite")
    async with running(config) as pool, rig(pool.port) as miner:
        await mine(miner, 5)  # is booked in the day after: this one is closed
        await pool.becomes("poolserver_ledger_signed_day_timestamp_seconds", bool)
        await pool.becomes(shares, lambda count: count >= 25)
        told = HEAD.search((await pool.get("/metrics"))[1])
        assert told is not None
        day, head = told.groups()
        code, output = await ledger(tmp_path, "verify", "--head", f"{day}:{head}", "--json")
        assert code == 0, output
        report = json.loads(output)
        assert (report["days_signed"], report["last_head"]) == (1, head)
        code, rows = await ledger(tmp_path, "export", "--what", "intervals", "--to", day)
        assert code == 0, rows
    begin_s, _, _, worker = rows.splitlines()[1].split(",")[:4]
    interval = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(int(begin_s)))
    code, proof = await ledger(tmp_path, "proof", "--worker", worker, "--interval", interval)
    assert code == 0, proof
    (tmp_path / "proof.json").write_text(proof)
    code, output = await ledger(
        tmp_path, "check-proof", str(tmp_path / "proof.json"), "--head", head
    )
    assert code == 0, output
    assert output.startswith(f"proved by the head {head}: {worker} in ")
