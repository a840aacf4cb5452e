"""Solved blocks, and what a real node makes of them."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from poolserver.node.process import BitcoindProcess
from poolserver.node.spool import FoundBlock, Spool
from poolserver.node.submitter import BlockSubmitter, Verdict

pytestmark = pytest.mark.real
ADDRESSES = (
    "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
    "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry",
)


async def solved(node: BitcoindProcess, address: str = ADDRESSES[0]) -> FoundBlock:
    """A block on the node's tip that the node has solved and not taken."""
    block = await node.call("generateblock", address, [], False)
    height = await node.call("getblockcount") + 1
    return FoundBlock(block["hash"], height, block["hex"], "demo.rig", 1_763_942_400.0)


@asynccontextmanager
async def submitting(node: BitcoindProcess, spool: Path) -> AsyncIterator[BlockSubmitter]:
    submitter = BlockSubmitter([node.new_rpc()], Spool(spool), on_verdict=lambda found, v: None)
    await submitter.resume(time.time())
    try:
        yield submitter
    finally:
        await submitter.close()


async def verdict_on(node: BitcoindProcess, found: FoundBlock, spool: Path) -> Verdict:
    async with submitting(node, spool) as submitter:
        return await submitter.begin(found).verdict


async def test_a_good_block_is_accepted_and_is_the_tip(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    found = await solved(bitcoind)
    assert await verdict_on(bitcoind, found, tmp_path) == Verdict("accepted", "")
    assert await bitcoind.call("getbestblockhash") == found.hash_hex


async def test_a_block_that_the_node_has_already_is_accepted(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    found = await solved(bitcoind)
    await bitcoind.call("submitblock", found.block_hex)
    assert await verdict_on(bitcoind, found, tmp_path) == Verdict("accepted", "duplicate")


async def test_the_second_of_two_blocks_of_one_height_is_stale(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    first, second = [await solved(bitcoind, address) for address in ADDRESSES]
    await verdict_on(bitcoind, first, tmp_path)
    assert await verdict_on(bitcoind, second, tmp_path) == Verdict("stale", "inconclusive")


async def test_of_two_blocks_of_one_height_ours_is_preferred_to_a_strangers(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    strangers, ours = [await solved(bitcoind, address) for address in ADDRESSES]
    await bitcoind.call("submitblock", strangers.block_hex)
    assert await verdict_on(bitcoind, ours, tmp_path) == Verdict("accepted", "inconclusive")
    assert await bitcoind.call("getbestblockhash") == ours.hash_hex


async def test_a_longer_chain_is_not_left_for_our_block(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    ours = await solved(bitcoind)
    (_, tip) = await bitcoind.call("generatetoaddress", 2, ADDRESSES[1])
    assert await verdict_on(bitcoind, ours, tmp_path) == Verdict("stale", "inconclusive")
    assert await bitcoind.call("getbestblockhash") == tip


async def test_a_block_that_breaks_the_rules_is_refused_in_the_nodes_words(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    found = await solved(bitcoind)
    coinbase_changed = found.block_hex[:-1] + ("0" if found.block_hex[-1] != "0" else "1")
    broken = FoundBlock(found.hash_hex, found.height, coinbase_changed, "demo.rig", 0.0)
    verdict = await verdict_on(bitcoind, broken, tmp_path)
    assert verdict == Verdict("rejected", "bad-txnmrklroot")


async def test_a_block_found_while_the_node_is_away_is_submitted_when_it_is_back(
    bitcoind: BitcoindProcess, tmp_path: Path
) -> None:
    found = await solved(bitcoind)
    await bitcoind.kill()
    async with submitting(bitcoind, tmp_path) as submitter:
        submission = submitter.begin(found)
        await bitcoind.start()
        assert (await submission.verdict).state == "accepted"
