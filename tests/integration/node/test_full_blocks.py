"""Blocks of thousands of transactions, and such as must leave some out, before real judges."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from poolserver.bitcoin.script import output_sigops_cost
from poolserver.mining.payout import PayoutPlan
from poolserver.mining.template import BlockTemplate, GetBlockTemplate
from poolserver.mining.transactions import CoinbaseReserve
from poolserver.node.process import REGTEST, BitcoindProcess
from tests.integration.mempool import FEE_SAT, PADDING_ITEM, fill_mempool, full_block_options
from tests.integration.solving import blocks_of, is_accepted, judge, solve

pytestmark = [pytest.mark.real, pytest.mark.slow]
OP_CHECKMULTISIG = b"\xae"  # 20 sigops, a cost of 80, where no script says how many


@pytest.fixture
async def node(bitcoind_path: Path) -> AsyncIterator[BitcoindProcess]:
    """A regtest node that makes full blocks."""
    options = full_block_options(bitcoind_path)
    async with BitcoindProcess(bitcoind_path, REGTEST, options) as node:
        yield node


async def template_of(node: BitcoindProcess) -> GetBlockTemplate:
    request = {"rules": ["segwit"]}
    template: GetBlockTemplate = await node.rpc.call(
        "getblocktemplate", request, type=GetBlockTemplate
    )
    return template


async def refusal(node: BitcoindProcess, template: BlockTemplate, plan: PayoutPlan) -> Any:
    """The node's word on a block that pays by ``plan``, None if it is taken."""
    solved = await asyncio.to_thread(solve, template, plan)
    return await node.call("submitblock", solved.block_hex)


async def test_blocks_of_3000_transactions_whole_and_cut_are_valid(
    node: BitcoindProcess, tmp_path: Path
) -> None:
    await fill_mempool(node, 3000)
    told = await template_of(node)
    assert told.transactions.count == 3000

    # A coinbase that takes up half a block: what does not fit stays for the next one.
    reserve = CoinbaseReserve(base_size=500_000, sigops_cost=0)
    cut = BlockTemplate.from_rpc(told, reserve)
    assert 0 < cut.left_out < 3000
    assert cut.transactions.count + cut.left_out == 3000
    assert cut.coinbase_value_sat == told.coinbasevalue - FEE_SAT * cut.left_out
    block_hex = await is_accepted(node, cut)
    block = await node.call("getblock", await node.call("getbestblockhash"), 2)
    assert block["nTx"] == 1 + cut.transactions.count
    without_coinbase_wu = block["weight"] - block["tx"][0]["weight"]
    assert without_coinbase_wu + reserve.weight_wu <= told.weightlimit
    assert without_coinbase_wu + reserve.weight_wu > told.weightlimit - block["tx"][1]["weight"]
    assert block_hex.count(cut.transactions.data_hex.decode()) == 1

    rest = BlockTemplate.from_rpc(await template_of(node))
    assert (rest.transactions.count, rest.left_out) == (cut.left_out, 0)
    await is_accepted(node, rest)
    assert (await node.call("getmempoolinfo"))["size"] == 0

    blocks = await blocks_of(node)
    assert await asyncio.to_thread(judge, blocks, tmp_path / "kernel") == len(blocks)


async def test_a_whole_block_of_3000_transactions_is_valid(
    node: BitcoindProcess, tmp_path: Path
) -> None:
    await fill_mempool(node, 3000)
    template = BlockTemplate.from_rpc(await template_of(node))
    assert (template.transactions.count, template.left_out) == (3000, 0)
    await is_accepted(node, template)
    assert (await node.call("getblock", await node.call("getbestblockhash")))["nTx"] == 3001
    blocks = await blocks_of(node)
    assert await asyncio.to_thread(judge, blocks, tmp_path / "kernel") == len(blocks)
    # One byte of one witness: the commitment is to another.
    spoiled = blocks[-1].replace(PADDING_ITEM.hex(), "5b" + PADDING_ITEM[1:].hex(), 1)
    assert await asyncio.to_thread(judge, [*blocks[:-1], spoiled], tmp_path / "other") == (
        len(blocks) - 1
    )


async def test_a_coinbase_with_sigops_of_its_own_does_not_make_the_block_invalid(
    node: BitcoindProcess,
) -> None:
    # As in block 783,426: transactions leave the 400 that a node keeps, the coinbase has more.
    await fill_mempool(node, 99, script_pubkey=OP_CHECKMULTISIG * 10)
    told = await template_of(node)
    assert sum(told.transactions.sigops_costs) == 99 * 800
    plan = PayoutPlan(OP_CHECKMULTISIG * 12)
    reserve = CoinbaseReserve(sigops_cost=output_sigops_cost(plan.operator))
    assert reserve.sigops_cost == 960
    assert await refusal(node, BlockTemplate.from_rpc(told), plan) == "bad-blk-sigops"
    cut = BlockTemplate.from_rpc(told, reserve)
    assert cut.left_out == 1
    assert await refusal(node, cut, plan) is None
