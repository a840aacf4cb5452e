"""Blocks that a running pool finds, and what its books say of them."""

import sqlite3
from contextlib import closing
from typing import NamedTuple

from bitcoin.core import CBlock

from poolserver.config import Config
from poolserver.ledger import block_sql
from poolserver.ledger.block_sql import BlockPayout, BlockRow
from poolserver.mining.coinbase import TxOut
from poolserver.node.process import BitcoindProcess
from tests.integration.running import (
    TAPROOT_SCRIPT_HEX,
    RunningPool,
    rig,
)

OPERATOR = bytes.fromhex(TAPROOT_SCRIPT_HEX)
ELSEWHERE = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"


class Booked(NamedTuple):
    """What the database has of one block."""

    row: BlockRow
    states: list[str]
    payout: BlockPayout | None


def booked(config: Config) -> list[Booked]:
    """The blocks in the database, lowest first."""
    with closing(sqlite3.connect(config.data_dir / "ledger.sqlite")) as connection:
        return [
            Booked(
                row,
                [event.state for event in block_sql.history(connection, row.hash_hex)],
                block_sql.payout(connection, row.hash_hex),
            )
            for row in sorted(block_sql.blocks(connection, None), key=lambda row: row.height)
        ]


def owed(config: Config) -> dict[str, int]:
    with closing(sqlite3.connect(config.data_dir / "ledger.sqlite")) as connection:
        return block_sql.owed(connection)


async def paid_by_the_chain(node: BitcoindProcess, hash_hex: str) -> tuple[TxOut, ...]:
    """The outputs of a block's coinbase as python-bitcoinlib reads them, but the commitment's."""
    block = CBlock.deserialize(bytes.fromhex(await node.call("getblock", hash_hex, 0)))
    *outputs, commitment = block.vtx[0].vout
    assert commitment.nValue == 0
    assert commitment.scriptPubKey.startswith(bytes.fromhex("6a24aa21a9ed"))
    return tuple(TxOut(output.nValue, bytes(output.scriptPubKey)) for output in outputs)


async def find_block(pool: RunningPool, height: int) -> None:
    """Every share of this rig is a block."""
    async with rig(pool.port) as miner:
        assert (await miner.mine(await miner.job(height))).accepted


async def is_in(pool: RunningPool, state: str) -> None:
    await pool.becomes(f'poolserver_blocks_in_state{{state="{state}"}}', lambda n: n == 1)
