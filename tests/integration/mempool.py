"""A mempool of thousands of transactions in seconds: coins that need no signature to be spent.

Their script is a witness script that drops what padding there is and is then true (P2WSH).
"""

import asyncio
import subprocess
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from poolserver._native import sha256d
from poolserver.bitcoin.script import compact_size, push_data
from poolserver.node.process import BitcoindProcess

FEE_SAT = 5_000
PADDING_ITEM = b"\x5a" * 80  # the longest that nodes relay in the witness of a P2WSH
OP_TRUE, OP_DROP = b"\x51", b"\x75"
# With 1,500 outputs a transaction has 258,000 WU; nodes relay up to 400,000.
OUTPUTS_AT_ONCE = 1_500
COINBASE_MATURITY = 100


class Coin(NamedTuple):
    """An output of these scripts."""

    txid_le: bytes
    index: int
    value_sat: int


class Coins:
    """Coins whose spending takes ``items`` pieces of padding, 80 bytes each."""

    def __init__(self, items: int) -> None:
        self._items = items
        self._witness_script = OP_DROP * items + OP_TRUE
        self.script = b"\0" + push_data(sha256(self._witness_script).digest())

    def spend(self, coin: Coin, outputs: Sequence[tuple[int, bytes]]) -> tuple[bytes, str]:
        """A transaction that spends a coin: its txid and the whole of it in hex."""
        txin = (
            b"\1" + coin.txid_le + coin.index.to_bytes(4, "little") + b"\0" + b"\xfd" + b"\xff" * 3
        )
        txouts = compact_size(len(outputs)) + b"".join(
            value_sat.to_bytes(8, "little") + compact_size(len(script)) + script
            for value_sat, script in outputs
        )
        stack = [PADDING_ITEM] * self._items + [self._witness_script]
        witness = compact_size(len(stack)) + b"".join(
            compact_size(len(item)) + item for item in stack
        )
        version, locktime = (2).to_bytes(4, "little"), bytes(4)
        whole = version + b"\0\1" + txin + txouts + witness + locktime
        return sha256d(version + txin + txouts + locktime), whole.hex()


def full_block_options(program: Path) -> tuple[str, ...]:
    """So that templates are as full as consensus allows: Knots makes smaller ones by itself."""
    version = subprocess.run([program, "-version"], check=True, capture_output=True, text=True)
    options = ("-blockmaxweight=4000000", "-acceptnonstdtxn=1")
    return (*options, "-blockmaxsize=4000000") if "Knots" in version.stdout else options


async def fill_mempool(
    node: BitcoindProcess,
    count: int,
    *,
    padding_items: int = 5,
    script_pubkey: bytes = b"\0\x14" + bytes(20),
) -> None:
    """Give a new regtest node so many transactions that do not depend on each other.

    Each spends one coin to ``script_pubkey``, pays 5,000 sat of fees and has 84 bytes and so much
    padding in its witness. Mines some hundred blocks.
    """
    coins = Coins(padding_items)
    batches = -(-count // OUTPUTS_AT_ONCE)
    descriptor = f"raw({coins.script.hex()})"
    hashes = await node.call("generatetodescriptor", COINBASE_MATURITY + batches, descriptor)
    spendable = []
    for block_hash in hashes[:batches]:
        coinbase = (await node.call("getblock", block_hash, 2))["tx"][0]
        value_sat = round(coinbase["vout"][0]["value"] * 100_000_000)
        coin = Coin(bytes.fromhex(coinbase["txid"])[::-1], 0, value_sat)
        each_sat = (value_sat - 1_000_000) // OUTPUTS_AT_ONCE
        txid, tx_hex = coins.spend(coin, [(each_sat, coins.script)] * OUTPUTS_AT_ONCE)
        await node.call("sendrawtransaction", tx_hex, 0)
        spendable += [Coin(txid, index, each_sat) for index in range(OUTPUTS_AT_ONCE)]
    await node.call("generatetodescriptor", 1, descriptor)

    async def send(coin: Coin) -> None:
        _, tx_hex = coins.spend(coin, [(coin.value_sat - FEE_SAT, script_pubkey)])
        await node.call("sendrawtransaction", tx_hex, 0)

    await asyncio.gather(*(send(coin) for coin in spendable[:count]))
    assert (await node.call("getmempoolinfo"))["size"] == count
