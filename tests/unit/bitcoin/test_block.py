"""Whole blocks, read back by python-bitcoinlib."""

import pytest
from bitcoin.core import (
    CBlock,
    CMutableTxIn,
    COutPoint,
    CTransaction,
    CTxIn,
    CTxInWitness,
    CTxOut,
    CTxWitness,
)
from bitcoin.core.script import CScript, CScriptWitness
from hypothesis import given
from hypothesis import strategies as st

from poolserver._native import sha256d
from poolserver.bitcoin.block import assemble_block, with_witness
from poolserver.bitcoin.header import hash_le_to_hex, pack_header
from poolserver.bitcoin.merkle import merkle_branch, merkle_root_from_branch, witness_commitment

GENESIS_HASH = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
GENESIS_COINBASE = bytes.fromhex(
    "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ffff001d"
    "0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66"
    "207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe55"
    "48271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba"
    "0b8d578a4c702b6bf11d5fac00000000"
)
TRANSACTIONS = st.builds(
    lambda txid, value, script, witness: CTransaction(
        [CTxIn(COutPoint(txid, 0))],
        [CTxOut(value, CScript(script))],
        witness=CTxWitness([CTxInWitness(CScriptWitness(witness))]),
    ),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 21 * 10**14),
    st.binary(max_size=40),
    st.lists(st.binary(max_size=80), max_size=3),  # none: a transaction without a witness
)


def made_up_coinbase(commitment: bytes | None) -> bytes:
    outputs = [CTxOut(50_0000_0000, CScript(b"\x51"))]
    if commitment is not None:
        outputs.append(CTxOut(0, CScript(commitment)))
    script_sig = CScript(b"\x02\x00\x01\x00")
    coinbase = CTransaction([CMutableTxIn(scriptSig=script_sig)], outputs)
    serialized: bytes = coinbase.serialize()
    return serialized


def test_the_genesis_block_is_assembled() -> None:
    root_le = sha256d(GENESIS_COINBASE)
    header = pack_header(1, bytes(32), root_le, 1231006505, 0x1D00FFFF, 2083236893)
    block_hex = assemble_block(header, GENESIS_COINBASE, b"", 0, witness=False)
    assert len(block_hex) == 2 * 285
    block = CBlock.deserialize(bytes.fromhex(block_hex))
    assert hash_le_to_hex(block.GetHash()) == GENESIS_HASH
    assert block.calc_merkle_root() == root_le


@given(st.lists(TRANSACTIONS, max_size=19), st.booleans())
def test_a_block_of_up_to_20_transactions_is_read_back(
    transactions: list[CTransaction], witness: bool
) -> None:
    wtxids_le = b"".join(tx.GetHash() for tx in transactions)
    commitment = witness_commitment(wtxids_le) if witness else None
    coinbase = made_up_coinbase(commitment)
    branch = merkle_branch(b"".join(tx.GetTxid() for tx in transactions))
    root_le = merkle_root_from_branch(sha256d(coinbase), branch)
    header = pack_header(0x20000000, b"\x11" * 32, root_le, 1_700_000_000, 0x207FFFFF, 7)
    hexes = [tx.serialize().hex() for tx in transactions]

    data_hex = "".join(hexes).encode()
    block_hex = assemble_block(header, coinbase, data_hex, len(hexes), witness=witness)
    block = CBlock.deserialize(bytes.fromhex(block_hex))

    assert [tx.serialize().hex() for tx in block.vtx[1:]] == hexes
    assert block.vtx[0].GetTxid() == sha256d(coinbase)
    assert block.calc_merkle_root() == block.hashMerkleRoot == root_le
    assert block.get_header().serialize() == header
    if commitment is not None:
        (item,) = block.vtx[0].wit.vtxinwit[0].scriptWitness.stack
        assert commitment[6:] == sha256d(block.calc_witness_merkle_root() + item)


def test_a_block_counts_its_transactions_in_compact_size() -> None:
    coinbase = made_up_coinbase(None)
    block_hex = assemble_block(bytes(80), coinbase, b"ab" * 252, 252, witness=False)
    assert block_hex == "00" * 80 + "fdfd00" + coinbase.hex() + "ab" * 252


def test_a_coinbase_gets_the_one_witness_that_segwit_wants() -> None:
    plain = CTransaction.deserialize(GENESIS_COINBASE)
    full = CTransaction.deserialize(with_witness(GENESIS_COINBASE))
    assert [list(wit.scriptWitness.stack) for wit in full.wit.vtxinwit] == [[bytes(32)]]
    assert (full.vin, full.vout, full.nLockTime) == (plain.vin, plain.vout, plain.nLockTime)
    assert full.GetTxid() == plain.GetTxid() == sha256d(GENESIS_COINBASE)


@pytest.mark.parametrize(
    "tx",
    [
        b"",
        GENESIS_COINBASE[:40],
        GENESIS_COINBASE[:4] + b"\x02" + GENESIS_COINBASE[5:],
        GENESIS_COINBASE[:5] + b"\x01" + GENESIS_COINBASE[6:],
        with_witness(GENESIS_COINBASE),
    ],
    ids=["empty", "cut", "two inputs", "spends an output", "has a witness"],
)
def test_what_is_not_a_plain_coinbase_is_refused(tx: bytes) -> None:
    with pytest.raises(ValueError, match="non-witness serialisation of a coinbase"):
        with_witness(tx)
    with pytest.raises(ValueError, match="non-witness serialisation of a coinbase"):
        assemble_block(bytes(80), tx, b"", 0, witness=True)


@pytest.mark.parametrize("size", [0, 79, 81])
def test_a_header_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="80 bytes"):
        assemble_block(bytes(size), GENESIS_COINBASE, b"", 0, witness=False)
