"""Headers and the ways to write a hash, on Bitcoin's first blocks."""

from collections.abc import Callable

import pytest
from bitcoin.core import CBlockHeader
from hypothesis import given
from hypothesis import strategies as st

from poolserver._native import sha256d
from poolserver.bitcoin.header import (
    hash_hex_to_le,
    hash_le_to_hex,
    pack_header,
    prevhash_from_stratum_hex,
    prevhash_to_stratum_hex,
)

HASHES = st.binary(min_size=32, max_size=32)
UINT32 = st.integers(0, 0xFFFFFFFF)
GENESIS_HASH = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
GENESIS_MERKLE_ROOT = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"


def test_the_genesis_header_has_the_genesis_hash() -> None:
    root_le = hash_hex_to_le(GENESIS_MERKLE_ROOT)
    header = pack_header(1, bytes(32), root_le, 1231006505, 0x1D00FFFF, 2083236893)
    assert len(header) == 80
    assert hash_le_to_hex(sha256d(header)) == GENESIS_HASH


@given(UINT32, HASHES, HASHES, UINT32, UINT32, UINT32)
def test_a_header_is_read_back_by_python_bitcoinlib(
    version: int, prevhash_le: bytes, root_le: bytes, ntime: int, nbits: int, nonce: int
) -> None:
    header = CBlockHeader.deserialize(
        pack_header(version, prevhash_le, root_le, ntime, nbits, nonce)
    )
    assert header.nVersion & 0xFFFFFFFF == version  # the library reads it signed
    assert (header.hashPrevBlock, header.hashMerkleRoot) == (prevhash_le, root_le)
    assert (header.nTime, header.nBits, header.nNonce) == (ntime, nbits, nonce)


@pytest.mark.parametrize("position", [0, 3, 4, 5])
@pytest.mark.parametrize("number", [-1, 1 << 32])
def test_a_number_outside_32_bits_is_refused(position: int, number: int) -> None:
    fields: list[int | bytes] = [1, bytes(32), bytes(32), 2, 3, 4]
    fields[position] = number
    with pytest.raises(ValueError, match="unsigned 32-bit"):
        pack_header(*fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_hash_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        pack_header(1, bytes(size), bytes(32), 2, 3, 4)
    with pytest.raises(ValueError, match="32 bytes"):
        pack_header(1, bytes(32), bytes(size), 2, 3, 4)
    for write in (prevhash_to_stratum_hex, hash_le_to_hex):
        with pytest.raises(ValueError, match="32 bytes"):
            write(bytes(size))


def test_stratum_reverses_each_word_of_the_prevhash() -> None:
    # The words of the displayed hash, last word first.
    words = [GENESIS_HASH[index : index + 8] for index in range(0, 64, 8)]
    assert prevhash_to_stratum_hex(hash_hex_to_le(GENESIS_HASH)) == "".join(reversed(words))


@given(HASHES)
def test_a_hash_survives_being_written_and_read(hash_le: bytes) -> None:
    assert prevhash_from_stratum_hex(prevhash_to_stratum_hex(hash_le)) == hash_le
    assert hash_hex_to_le(hash_le_to_hex(hash_le)) == hash_le
    assert hash_hex_to_le(hash_le_to_hex(hash_le).upper()) == hash_le


@pytest.mark.parametrize("read", [hash_hex_to_le, prevhash_from_stratum_hex])
@pytest.mark.parametrize(
    "text", ["", "00" * 31, "00" * 33, "0" * 63, "0x" + "0" * 62, "0 " * 32, "g" * 64, "ä" * 64]
)
def test_a_text_that_is_not_64_hex_digits_is_refused(
    read: Callable[[str], bytes], text: str
) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - unhexlify's own text will do
        read(text)
