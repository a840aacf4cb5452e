"""The 80-byte block header, and the ways hashes are written.

A hash has one internal byte order, as sha256d gives it and as headers hold it (``_le``: read
as an integer it is little-endian), and is shown to people in reverse (``_hex``). Stratum has
a third way for the prevhash alone: the internal order with each 4-byte word reversed.
"""

import struct
from binascii import unhexlify

HEADER_SIZE = 80
HASH_SIZE = 32

_HEADER = struct.Struct("<I32s32sIII")
_WORDS_BE = struct.Struct(">8I")
_WORDS_LE = struct.Struct("<8I")


def pack_header(
    version: int, prevhash_le: bytes, merkle_root_le: bytes, ntime: int, nbits: int, nonce: int
) -> bytes:
    """Give the 80 bytes whose sha256d is the block's hash.

    Raises:
        ValueError: a hash is not 32 bytes, or a number is not an unsigned 32-bit integer.
    """
    _check_hash(prevhash_le)
    _check_hash(merkle_root_le)
    try:
        return _HEADER.pack(version, prevhash_le, merkle_root_le, ntime, nbits, nonce)
    except struct.error as error:
        raise ValueError(f"a header's numbers are unsigned 32-bit integers: {error}") from error


def prevhash_to_stratum_hex(prevhash_le: bytes) -> str:
    """Write 32 bytes as the prevhash of ``mining.notify``: each 4-byte word reversed.

    Raises:
        ValueError: the hash is not 32 bytes.
    """
    return _reverse_words(prevhash_le).hex()


def prevhash_from_stratum_hex(prevhash_hex: str) -> bytes:
    """Read the prevhash of ``mining.notify`` into the 32 bytes of a header.

    Raises:
        ValueError: the text is not 64 hex digits.
    """
    return _reverse_words(_unhex(prevhash_hex))


def hash_le_to_hex(hash_le: bytes) -> str:
    """Write 32 bytes as people and the node's RPC write a hash: in reverse.

    Raises:
        ValueError: the hash is not 32 bytes.
    """
    _check_hash(hash_le)
    return hash_le[::-1].hex()


def hash_hex_to_le(hash_hex: str) -> bytes:
    """Read a hash as people and the node's RPC write it.

    Raises:
        ValueError: the text is not 64 hex digits.
    """
    return _unhex(hash_hex)[::-1]


def _reverse_words(data: bytes) -> bytes:
    _check_hash(data)
    return _WORDS_BE.pack(*_WORDS_LE.unpack(data))


def _unhex(text: str) -> bytes:
    # unhexlify, unlike bytes.fromhex, does not skip white space.
    if len(text) != 2 * HASH_SIZE:
        raise ValueError(f"a hash is {2 * HASH_SIZE} hex digits, not {len(text)} characters")
    return unhexlify(text)


def _check_hash(data: bytes) -> None:
    if len(data) != HASH_SIZE:
        raise ValueError(f"a hash is {HASH_SIZE} bytes, not {len(data)}")
