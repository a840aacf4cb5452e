"""The odd byte order of ``prevhash`` in mining.notify."""

from struct import Struct

_be = Struct(">8I")
_le = Struct("<8I")


def swap_words(data: bytes) -> bytes:
    """Reverse the bytes of each of the eight 32-bit words of a hash: its own inverse.

    The first miners read the hash of the previous block as eight big-endian words, and so it is
    sent to this day: neither the byte order of the header nor the one that explorers show.

    Raises:
        ValueError: ``data`` is not 32 bytes.
    """
    if len(data) != 32:
        raise ValueError(f"a hash has 32 bytes, not {len(data)}")
    return _be.pack(*_le.unpack(data))


def prevhash_to_stratum_hex(prevhash_le: bytes) -> str:
    """``prevhash`` as mining.notify has it, from the byte order of the header.

    Raises:
        ValueError: ``prevhash_le`` is not 32 bytes.
    """
    return swap_words(prevhash_le).hex()
