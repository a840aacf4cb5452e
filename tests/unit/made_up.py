"""Templates that look like a node's: well-formed transactions of no worth, hashed by hashlib."""

import json
from hashlib import sha256
from random import Random
from typing import Any

from poolserver.bitcoin.script import compact_size

REGTEST_TARGET = "7fffff" + "00" * 29
SUBSIDY_SAT = 5_000_000_000
# What JSON makes of a transaction that is all but its witness.
JSON_BYTES = 450


def sha256d(data: bytes) -> bytes:
    return sha256(sha256(data).digest()).digest()


def transaction(chance: Random, *, witness_size: int = 105, fee: int = 1000) -> dict[str, Any]:
    """One input, two outputs, as getblocktemplate tells it; without a witness where that has 0."""
    spent = chance.randbytes(32) + chance.randbytes(1) + b"\0\0\0" + b"\0" + b"\xfd\xff\xff\xff"
    outputs = b"".join(
        chance.randrange(10**4, 10**8).to_bytes(8, "little") + b"\x16\0\x14" + chance.randbytes(20)
        for _ in range(2)
    )
    body = b"\x01" + spent + b"\x02" + outputs
    base = b"\2\0\0\0" + body + bytes(4)
    full = base
    if witness_size:
        items = b"\x01" + compact_size(witness_size) + chance.randbytes(witness_size)
        full = b"\2\0\0\0" + b"\0\1" + body + items + bytes(4)
    return {
        "data": full.hex(),
        "txid": sha256d(base)[::-1].hex(),
        "hash": sha256d(full)[::-1].hex(),
        "depends": [],
        "fee": fee,
        "sigops": 2,
        "weight": 3 * len(base) + len(full),
    }


def commitment_hex(transactions: list[dict[str, Any]]) -> str:
    """The witness commitment's scriptPubKey, by the letter of BIP141."""
    layer = [bytes(32), *(bytes.fromhex(each["hash"])[::-1] for each in transactions)]
    while len(layer) > 1:
        layer += layer[-1:] * (len(layer) % 2)
        layer = [sha256d(layer[i] + layer[i + 1]) for i in range(0, len(layer), 2)]
    return "6a24aa21a9ed" + sha256d(layer[0] + bytes(32)).hex()


def result(transactions: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """A node's template on regtest; a field that is changed to None is left out."""
    fields = {
        "capabilities": ["proposal"],
        "version": 0x20000000,
        "rules": ["csv", "!segwit", "taproot"],
        "vbavailable": {},
        "vbrequired": 0,
        "previousblockhash": "0f" * 31 + "0e",
        "transactions": transactions,
        "coinbaseaux": {},
        "coinbasevalue": SUBSIDY_SAT + sum(each["fee"] for each in transactions),
        "longpollid": "x1",
        "target": REGTEST_TARGET,
        "mintime": 1_700_000_001,
        "mutable": ["time", "transactions", "prevblock"],
        "noncerange": "00000000ffffffff",
        "sigoplimit": 80_000,
        "sizelimit": 4_000_000,
        "weightlimit": 4_000_000,
        "curtime": 1_700_000_600,
        "bits": "207fffff",
        "height": 101,
        "default_witness_commitment": commitment_hex(transactions),
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


def answer(result: dict[str, Any]) -> bytes:
    """As bitcoind writes it."""
    text = json.dumps({"result": result, "error": None, "id": 0}, separators=(",", ":"))
    return text.encode() + b"\n"


def full_answer(count: int = 3_000, size: int = 4_000_000, **changes: Any) -> bytes:
    """A template with so many transactions, as JSON of about so many bytes."""
    chance = Random(1)
    witness_size = (size // count - JSON_BYTES) // 2
    return answer(
        result(
            [
                transaction(chance, witness_size=witness_size, fee=chance.randrange(10**4))
                for _ in range(count)
            ],
            **changes,
        )
    )
