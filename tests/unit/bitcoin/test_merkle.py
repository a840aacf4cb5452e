"""Merkle branches and witness commitments, against python-bitcoinlib's trees."""

import pytest
from bitcoin.core import CBlock
from hypothesis import given
from hypothesis import strategies as st

from poolserver._native import sha256d
from poolserver.bitcoin.header import hash_hex_to_le
from poolserver.bitcoin.merkle import (
    merkle_branch,
    merkle_root_from_branch,
    witness_commitment,
)

HASHES = st.binary(min_size=32, max_size=32)
# The commitment of a block without transactions, as any node's getblocktemplate gives it.
EMPTY_BLOCK_COMMITMENT_HEX = (
    "6a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9"
)


@given(HASHES, st.lists(HASHES, max_size=70))
def test_leaf_and_branch_give_the_root_of_the_whole_tree(leaf: bytes, others: list[bytes]) -> None:
    tree = CBlock.build_merkle_tree_from_txids([leaf, *others])
    assert merkle_root_from_branch(leaf, merkle_branch(b"".join(others))) == tree[-1]


@pytest.mark.parametrize("count", range(40))
def test_a_branch_has_one_sibling_per_level(count: int) -> None:
    assert len(merkle_branch(bytes(32 * count))) == count.bit_length()


def test_a_block_of_its_coinbase_alone_has_an_empty_branch() -> None:
    assert merkle_branch(b"") == ()
    assert merkle_root_from_branch(b"\x07" * 32, ()) == b"\x07" * 32


def test_the_first_block_with_a_payment_has_its_root() -> None:
    # Block 170 of Bitcoin: the coinbase and the first transaction from one person to another.
    coinbase = hash_hex_to_le("b1fea52486ce0c62bb442b530a3f0132b826c74e473d1f2c220bfa78111c5082")
    payment = hash_hex_to_le("f4184fc596403b9d638783cf57adfe4c75c605f6356fbc91338530e9831e9e16")
    root = hash_hex_to_le("7dac2c5666815c17a3b36427de37bb9d2e2c5ccec3f8633eb91a4205cb4c10ff")
    assert merkle_root_from_branch(coinbase, merkle_branch(payment)) == root


def test_an_empty_block_has_the_well_known_commitment() -> None:
    assert witness_commitment(b"").hex() == EMPTY_BLOCK_COMMITMENT_HEX


@given(st.lists(HASHES, max_size=40))
def test_a_commitment_is_over_the_witness_tree_and_the_reserved_value(
    wtxids_le: list[bytes],
) -> None:
    witness_root = CBlock.build_merkle_tree_from_txids([bytes(32), *wtxids_le])[-1]
    script = witness_commitment(b"".join(wtxids_le))
    assert script == bytes.fromhex("6a24aa21a9ed") + sha256d(witness_root + bytes(32))


@pytest.mark.parametrize("size", [1, 31, 33, 63, 65])
def test_hashes_that_are_not_32_bytes_each_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"32 bytes each cannot be {size} bytes"):
        merkle_branch(bytes(size))
    with pytest.raises(ValueError, match=f"32 bytes each cannot be {size} bytes"):
        witness_commitment(bytes(size))


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_hash_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        merkle_root_from_branch(bytes(size), ())
    with pytest.raises(ValueError, match="32 bytes"):
        merkle_root_from_branch(bytes(32), (bytes(size),))
