"""Blocks and transactions that the harness makes itself: those of a rival, and a full mempool.

None of it is the pool's code, so that a mistake of the pool's cannot hide here.
"""

import asyncio
import hashlib
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from poolserver.node.process import BitcoindProcess

# P2WSH of OP_TRUE on regtest: whoever has the coin can spend it, without a signature.
ANYONE_SCRIPT = b"\x00\x20" + hashlib.sha256(b"\x51").digest()
ANYONE_DESCRIPTOR = f"raw({ANYONE_SCRIPT.hex()})"
REGTEST_TARGET = 0x7FFFFF << 232
COIN_SAT = 100_000_000
COINBASE_MATURITY = 100
FAN_OUT = 1000  # outputs of 43 bytes: half of the 100,000 virtual bytes that are relayed
FEE_SAT = 1000


def sha256d(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


@dataclass(frozen=True)
class RivalBlock:
    """A block without transactions on ``parent``, that pays nobody."""

    hash_hex: str
    block_hex: str
    height: int
    time: int


def rival_block(parent_hex: str, height: int, after: int, salt: bytes) -> RivalBlock:
    """Solve one; ``after`` is the median time past or the time of the parent, Unix seconds."""
    number = height.to_bytes((height.bit_length() + 8) // 8, "little")
    height_push = bytes([0x50 + height]) if height <= 16 else bytes([len(number)]) + number  # BIP34
    script = height_push + bytes([len(salt)]) + salt
    coinbase = (
        struct.pack("<IB32sIB", 1, 1, bytes(32), 0xFFFFFFFF, len(script))
        + script
        + struct.pack("<IBQB", 0xFFFFFFFF, 1, 0, 1)
        + b"\x51"
        + bytes(4)
    )
    block_time = max(after + 1, int(time.time()))
    for nonce in range(10_000):
        header = struct.pack(
            "<I32s32sIII",
            0x20000000,
            bytes.fromhex(parent_hex)[::-1],
            sha256d(coinbase),
            block_time,
            0x207FFFFF,
            nonce,
        )
        digest = sha256d(header)
        if int.from_bytes(digest, "little") <= REGTEST_TARGET:
            block_hex = (header + b"\x01" + coinbase).hex()
            return RivalBlock(digest[::-1].hex(), block_hex, height, block_time)
    raise AssertionError("half of all hashes are blocks, and of 10,000 none was")


@dataclass(frozen=True)
class Coin:
    """An output to ANYONE_SCRIPT."""

    txid: str
    vout: int
    value_sat: int
    height: int


def spend(coin: Coin, outputs: int) -> str:
    """A transaction that pays the coin on to ``outputs`` of ANYONE_SCRIPT, in hex."""
    each_sat = (coin.value_sat - FEE_SAT - 45 * outputs) // outputs
    count = bytes([outputs]) if outputs < 0xFD else b"\xfd" + outputs.to_bytes(2, "little")
    output = struct.pack("<QB", each_sat, len(ANYONE_SCRIPT)) + ANYONE_SCRIPT
    return (
        b"\x02\x00\x00\x00\x00\x01\x01"
        + bytes.fromhex(coin.txid)[::-1]
        + struct.pack("<IBI", coin.vout, 0, 0xFFFFFFFD)
        + count
        + output * outputs
        + b"\x01\x01\x51"
        + bytes(4)
    ).hex()


async def coins(node: BitcoindProcess) -> list[Coin]:
    """All that can be spent now, the largest first."""
    found: dict[str, Any] = await node.call("scantxoutset", "start", [ANYONE_DESCRIPTOR])
    all_coins = [
        Coin(each["txid"], each["vout"], round(each["amount"] * COIN_SAT), each["height"])
        for each in found["unspents"]
        if not each["coinbase"] or found["height"] - each["height"] >= COINBASE_MATURITY
    ]
    return sorted(all_coins, key=lambda coin: coin.value_sat, reverse=True)


async def mine_coins(node: BitcoindProcess, blocks: int) -> None:
    """Blocks whose rewards anyone can spend, and those after which the first ones are ripe."""
    (descriptor,) = [(await node.call("getdescriptorinfo", ANYONE_DESCRIPTOR))["descriptor"]]
    await node.call("generatetodescriptor", blocks + COINBASE_MATURITY, descriptor)


async def fill_mempool(nodes: Sequence[BitcoindProcess], transactions: int) -> None:
    """Put so many transactions into the mempool of each node, that depend on none beside them.

    Each is given them: 3,000 take minutes from peer to peer.
    """
    first, *others = nodes
    available = await coins(first)
    small = [coin for coin in available if coin.value_sat < COIN_SAT]
    missing = transactions - len(small)
    if missing > 0:
        large = available[: -(-missing // FAN_OUT)]
        assert all(coin.value_sat >= COIN_SAT for coin in large), "too few coins"
        fans = [spend(coin, FAN_OUT) for coin in large]
        block = await first.call("generateblock", "raw(51)", fans, False)
        for node in nodes:  # it may have come from a peer
            answer = await node.call("submitblock", block["hex"])
            assert answer in (None, "duplicate", "duplicate-inconclusive"), answer
        small = [coin for coin in await coins(first) if coin.value_sat < COIN_SAT]
    spends = [spend(coin, 1) for coin in small[:transactions]]

    async def give(node: BitcoindProcess) -> None:
        for each in spends:
            await node.call("sendrawtransaction", each)

    await asyncio.gather(give(first), *map(give, others))
