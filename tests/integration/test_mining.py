"""From a real node's template to a block that the node, and another judge, accept."""

import asyncio
import json
from pathlib import Path

import pytest

from poolserver.node.process import BitcoindProcess
from tests.integration.running import (
    TAPROOT_REGTEST,
    TAPROOT_SCRIPT_HEX,
    height_of,
    pool_config,
    rig,
    running,
)
from tests.integration.solving import blocks_of, judge

pytestmark = pytest.mark.real


async def fund_wallet(node: BitcoindProcess) -> str:
    """A wallet with coins that can be spent; an address of it."""
    await node.call("createwallet", "test")
    address: str = await node.call("getnewaddress", "", "bech32m")
    await node.call("generatetoaddress", 101, address)
    return address


async def test_a_block_with_a_segwit_transaction_pays_a_taproot_address_and_is_valid(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    address = await fund_wallet(bitcoind)
    txid = await bitcoind.call(
        "sendtoaddress", address, 1.0, "", "", False, True, None, "unset", None, 10
    )
    async with running(pool_config(bitcoind, tmp_path)) as pool, rig(pool.port) as miner:
        job = await miner.job()
        assert len(job.merkle_branch) == 1
        while await bitcoind.call("getblockcount") == 101:  # every second hash is a block
            assert (await miner.mine(await miner.job())).accepted
            await asyncio.sleep(0.05)
        await pool.becomes('poolserver_blocks_total{state="accepted"}', lambda n: n >= 1)
    block = await bitcoind.call("getblock", await bitcoind.call("getblockhash", 102), 2)
    coinbase, spend = block["tx"]
    assert spend["txid"] == txid
    assert spend["vin"][0]["txinwitness"]
    assert coinbase["vout"][0]["scriptPubKey"]["address"] == TAPROOT_REGTEST
    assert coinbase["vout"][0]["scriptPubKey"]["hex"] == TAPROOT_SCRIPT_HEX
    assert b"/poolserver/" in bytes.fromhex(coinbase["vin"][0]["coinbase"])
    height = await bitcoind.call("getblockcount")
    blocks = await blocks_of(bitcoind)
    assert await asyncio.to_thread(judge, blocks, tmp_path / "kernel") == height
    spoiled = [*blocks[:-1], blocks[-1].replace(TAPROOT_SCRIPT_HEX, "5120" + "00" * 32)]
    assert await asyncio.to_thread(judge, spoiled, tmp_path / "other") == height - 1


async def test_a_block_whose_version_was_rolled_is_accepted(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    async with running(pool_config(bitcoind, tmp_path)) as pool, rig(pool.port) as miner:
        height = 0
        while height == 0:
            assert (await miner.mine(await miner.job(), version_bits=0x1FFFE000)).accepted
            await asyncio.sleep(0.05)
            height = await bitcoind.call("getblockcount")
    header = await bitcoind.call("getblockheader", await bitcoind.call("getblockhash", 1))
    assert header["version"] & 0x1FFFE000 == 0x1FFFE000


async def test_a_new_tip_brings_a_clean_job_and_makes_the_old_one_stale(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    async with running(pool_config(bitcoind, tmp_path)) as pool, rig(pool.port) as miner:
        old = await miner.job(height=1)
        await bitcoind.call("generatetoaddress", 1, TAPROOT_REGTEST)
        new = await miner.job(height=2)
        assert new.clean_jobs
        assert height_of(new) == 2
        result = await miner.mine(old)
        assert result.error is not None
        assert (result.error.code, result.error.reason) == (21, "stale")
        await pool.becomes('poolserver_shares_total{reason="stale"', lambda n: n == 1)


async def test_totals_and_energy_go_on_over_a_restart(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    config = pool_config(bitcoind, tmp_path)
    for life in (1, 2, 3):
        async with running(config) as pool, rig(pool.port) as miner:
            for _ in range(5):
                await miner.mine(await miner.job())
            await pool.becomes(
                "poolserver_shares_total{", lambda judged, life=life: judged == 5 * life
            )


async def test_statistics_go_on_over_a_restart(bitcoind: BitcoindProcess, tmp_path: Path) -> None:
    config = pool_config(bitcoind, tmp_path)
    async with running(config) as pool, rig(pool.port) as miner:
        for _ in range(5):
            await miner.mine(await miner.job())
        await pool.becomes("poolserver_shares_total{", lambda judged: judged == 5)
    async with running(config) as pool:  # and no rig comes
        week = 'poolserver_site_hashrate_hashes_per_second{site="demo",window="7d"}'
        await pool.becomes(week, lambda rate: rate > 0)
        best = "poolserver_pool_best_share_difficulty{"
        await pool.becomes(f'{best}scope="ever"}}', lambda difficulty: difficulty > 0)


async def test_an_account_that_is_not_known_is_told_so_and_lives_on(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    async with running(pool_config(bitcoind, tmp_path)) as pool:
        reader, writer = await asyncio.open_connection("127.0.0.1", pool.port)

        async def ask(line: str) -> dict[str, object]:
            writer.write(line.encode() + b"\n")
            async with asyncio.timeout(5):
                while "method" in (answer := json.loads(await reader.readline())):
                    pass
            return answer

        for line, code in [
            ('{"id":1,"method":"mining.submit","params":["a","b","c","d","e"]}', 25),
            ('{"id":2,"method":"mining.authorize","params":["stranger","x"]}', 24),
            ('{"id":3,"method":"mining.make_tea","params":[]}', 20),
            ("{not json", 20),
            ('{"id":4,"method":"mining.subscribe","params":{"a":1}}', 20),
            ("x" * 20_000, 20),
        ]:
            assert (await ask(line))["error"][0] == code  # type: ignore[index]
        subscribed = await ask('{"id":5,"method":"mining.subscribe","params":["late/1.0"]}')
        assert subscribed["error"] is None
        authorized = await ask('{"id":6,"method":"mining.authorize","params":["demo.x","y"]}')
        assert authorized["result"] is True
        malformed = await ask(
            '{"id":7,"method":"mining.submit","params":["demo.x","j","zz","",""]}'
        )
        assert malformed["error"][0] == 20  # type: ignore[index]
        assert (await pool.get("/healthz"))[0] == 200
        await pool.becomes("poolserver_malformed_messages_total", lambda n: n >= 6)
        await pool.becomes('poolserver_shares_total{reason="malformed"', lambda n: n == 1)
        await pool.becomes('poolserver_shares_total{reason="not_subscribed"', lambda n: n == 1)
        writer.close()


async def test_metrics_of_the_contract_are_there(bitcoind: BitcoindProcess, tmp_path: Path) -> None:
    async with running(pool_config(bitcoind, tmp_path)) as pool, rig(pool.port) as miner:
        await miner.mine(await miner.job())
        await pool.becomes("poolserver_shares_total{", lambda n: n >= 1)
        await pool.becomes("poolserver_site_rigs", lambda n: n == 1)
        await pool.becomes('poolserver_power_watts{node="demo"}', lambda n: n >= 0)
        _, text = await pool.get("/metrics")
    for name in (
        "poolserver_shares_total{",
        'poolserver_power_watts{node="demo"}',
        'poolserver_power_limit_watts{node="demo"} 200000',
        'poolserver_site_budget_watts{site="demo"} 200000.0',
        'poolserver_site_energy_joules_total{site="demo"}',
        "poolserver_template_age_seconds ",
        'poolserver_blocks_total{state="accepted"}',
        "poolserver_rpc_duration_seconds_bucket{",
    ):
        assert f"\n{name}" in text, name
