"""`poolserver payouts`, and that a block really pays what it says."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from bitcoin.core import CBlock

from poolserver.bitcoin.address import script_pubkey_from_address
from poolserver.bitcoin.networks import REGTEST
from poolserver.node.process import BitcoindProcess
from tests.integration.commands import Setup, command, said_in_one_line
from tests.integration.running import pool_config, rig, running

pytestmark = pytest.mark.real

KINDS = ("legacy", "p2sh-segwit", "bech32", "bech32m")


async def shares(node: BitcoindProcess, count: int) -> str:
    """So many shares, of addresses of every kind that the node's wallet makes."""
    await node.call("createwallet", "payees")
    text = 'scheme = "split"\nfee_basis_points = 250\n'
    for number in range(count):
        address = await node.call("getnewaddress", "", KINDS[number % len(KINDS)])
        text += f'[[payout.shares]]\nname = "s{number}"\naddress = "{address}"\n'
        text += f"weight = {number + 1}\n"
    return text


async def mine_one(node: BitcoindProcess, config: Any, user_agent: str) -> CBlock:
    """The block that a rig of this firmware finds at height 1."""
    async with running(config) as pool, rig(pool.port, user_agent=user_agent) as miner:
        while await node.call("getblockcount") == 0:
            assert (await miner.mine(await miner.job())).accepted
            await asyncio.sleep(0.05)
    raw = await node.call("getblock", await node.call("getblockhash", 1), 0)
    return CBlock.deserialize(bytes.fromhex(raw))


@pytest.mark.parametrize("user_agent", ["whatsminer/v1.0", "small/1.0"])
async def test_a_block_pays_what_the_command_says(
    bitcoind: BitcoindProcess, tmp_path: Path, user_agent: str
) -> None:
    firmware = tmp_path / "firmware.toml"
    firmware.write_text(
        '[[firmware]]\nfamily = "small"\nuser_agent = ["small/"]\ncoinbase_bytes = 400\n'
    )
    payout = await shares(bitcoind, 12)
    extra = f'[stratum]\nfirmware_file = "{firmware}"'
    config = pool_config(bitcoind, tmp_path, extra, payout)
    path = tmp_path / "pool.toml"
    ended = await command("payouts", "--config", str(path), "--json")
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    size = 400 if user_agent.startswith("small") else 6_500
    (coinbase,) = [each for each in told["coinbases"] if size in each["for_sizes"]]
    assert any(each["unpaid_sat"] for each in coinbase["payments"]) == (size == 400)
    block = await mine_one(bitcoind, config, user_agent)
    paid = [(out.nValue, bytes(out.scriptPubKey)) for out in block.vtx[0].vout[:-1]]
    assert paid == [
        (each["value_sat"], script_pubkey_from_address(each["address"], REGTEST))
        for each in coinbase["outputs"]
    ]
    assert sum(value for value, _ in paid) == 5_000_000_000


async def test_the_table_is_shown_where_a_node_answers(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    ended = await command("payouts", "--config", str(Setup(tmp_path, bitcoind.url).write()))
    assert (ended.code, ended.err) == (0, "")
    assert "Block 1 of regtest would pay 50.00000000 BTC" in ended.out


async def test_without_a_node_it_says_so_in_one_line(tmp_path: Path) -> None:
    path = Setup(tmp_path, "http://127.0.0.1:1").write()
    ended = await command("payouts", "--config", str(path))
    assert ended.code == 1
    assert "no node gives a template: " in said_in_one_line(ended)
