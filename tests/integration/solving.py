"""A block on a template by the pool's own job, and who judges it."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pbk

from poolserver._native import scan_nonces, sha256d
from poolserver.bitcoin.header import hash_le_to_hex, pack_header
from poolserver.bitcoin.merkle import merkle_root_from_branch
from poolserver.bitcoin.target import target_le
from poolserver.mining.extranonce import EXTRANONCE1_SIZE
from poolserver.mining.identity import WorkerIdentity
from poolserver.mining.job import CoinbaseClasses, JobFactory, JobTerms
from poolserver.mining.payout import PayoutPlan
from poolserver.mining.template import BlockTemplate
from poolserver.node.process import BitcoindProcess

SCRIPT = bytes.fromhex("0014751e76e8199196d454941c45d1b3a323f1433bd6")
TERMS = JobTerms(b"/test/", 8, 0x1FFFE000)
EXTRANONCE = bytes(EXTRANONCE1_SIZE + 8)


class Solved(NamedTuple):
    """A block's hash and the whole of it."""

    hash_hex: str
    block_hex: str


def solve(template: BlockTemplate, plan: PayoutPlan = PayoutPlan(SCRIPT)) -> Solved:  # noqa: B008
    """Mine the template as a rig would on the pool's job."""
    identity, classes = WorkerIdentity("pool-1", 0, 1_763_942_400), CoinbaseClasses({750})
    job = JobFactory(identity, TERMS, classes, plan).make(template, template.curtime)
    variant = job.variants[0]
    leaf = sha256d(variant.coinbase.transaction(EXTRANONCE))
    root_le = merkle_root_from_branch(leaf, template.merkle_branch)
    fields: Any = (job.version, template.prevhash_le, root_le, template.curtime, template.nbits)
    unsolved, target = pack_header(*fields, 0), target_le(template.network_target)
    start, count = 0, 64  # on regtest that is plenty, on a signet a drop in the ocean
    while not (nonces := scan_nonces(unsolved, start, count, target)):
        start, count = start + count, min(count * 2, 1 << 22)
    header = pack_header(*fields, nonces[0])
    block_hex = job.block_hex(variant, EXTRANONCE, job.version, template.curtime, nonces[0])
    return Solved(hash_le_to_hex(sha256d(header)), block_hex)


async def is_accepted(node: BitcoindProcess, template: BlockTemplate) -> str:
    """Solve the template, submit the block and see that it is the tip; the block in hex."""
    block_hash, block_hex = await asyncio.to_thread(solve, template)
    assert await node.call("submitblock", block_hex) is None
    assert await node.call("getbestblockhash") == block_hash
    return block_hex


async def blocks_of(node: BitcoindProcess) -> list[str]:
    """All blocks of the chain but the first, in hex."""
    height = await node.call("getblockcount")
    hashes = [await node.call("getblockhash", n) for n in range(1, height + 1)]
    return [await node.call("getblock", each, 0) for each in hashes]


def judge(blocks_hex: list[str], folder: Path) -> int:
    """The height that Bitcoin Core's own consensus engine reaches with these blocks."""
    manager = pbk.load_chainman(folder, pbk.ChainType.REGTEST)
    for block_hex in blocks_hex:
        with suppress(pbk.ProcessBlockException):  # what is wrong is told by the height
            manager.process_block(pbk.Block(bytes.fromhex(block_hex)))
    return int(manager.get_active_chain().height)
