"""Bytes of scripts: pushes and the counts that go before things."""

from bitcoin.core.script import CScript

OP_0 = 0x00
OP_PUSHDATA1 = 0x4C
OP_PUSHDATA2 = 0x4D
OP_1 = 0x51
OP_RETURN = 0x6A
OP_DUP = 0x76
OP_EQUAL = 0x87
OP_EQUALVERIFY = 0x88
OP_HASH160 = 0xA9
OP_CHECKSIG = 0xAC

WITNESS_SCALE_FACTOR = 4
"""BIP141: what is not witness counts four times, and so does each sigop outside of one."""
MAX_PUSH_SIZE = 520
"""Consensus: MAX_SCRIPT_ELEMENT_SIZE of Bitcoin Core."""
MAX_HEIGHT = 0x7FFFFFFF
"""Bitcoin Core counts blocks in a signed 32-bit integer."""


def push_data(data: bytes) -> bytes:
    """Push 0..520 bytes by the shortest opcode with a length.

    >>> push_data(b"pool").hex()
    '04706f6f6c'

    One byte of 1..16 is pushed as data too, not as OP_1..OP_16.

    Raises:
        ValueError: ``data`` is longer than 520 bytes.
    """
    size = len(data)
    if size < OP_PUSHDATA1:
        return bytes([size]) + data
    if size <= 0xFF:
        return bytes([OP_PUSHDATA1, size]) + data
    if size <= MAX_PUSH_SIZE:
        return bytes([OP_PUSHDATA2]) + size.to_bytes(2, "little") + data
    raise ValueError(f"a push holds at most {MAX_PUSH_SIZE} bytes, not {size}")


def push_height(height: int) -> bytes:
    """Push a block height as the first item of a coinbase's scriptSig (BIP34).

    >>> push_height(16).hex(), push_height(17).hex(), push_height(128).hex()
    ('60', '0111', '028000')

    Consensus wants exactly the bytes of Bitcoin Core's ``CScript() << height``: OP_0,
    OP_1..OP_16, then the shortest little-endian number whose top bit, the sign, is clear.

    Raises:
        ValueError: ``height`` is not in 0..2^31-1.
    """
    if not 0 <= height <= MAX_HEIGHT:
        raise ValueError(f"a height must be in 0..2^31-1, is {height}")
    if height == 0:
        return bytes([OP_0])
    if height <= 16:
        return bytes([OP_1 + height - 1])
    return push_data(height.to_bytes(height.bit_length() // 8 + 1, "little"))


def output_sigops_cost(script_pubkey: bytes) -> int:
    """Give what an output adds to the sigops cost of the block that it stands in.

    >>> output_sigops_cost(bytes.fromhex("76a914" + "00" * 20 + "88ac"))
    4

    It is 0 for P2SH and for each witness program: theirs are counted where they are spent.
    Source: BIP141, ``GetLegacySigOpCount`` of Bitcoin Core.
    """
    return WITNESS_SCALE_FACTOR * int(CScript(script_pubkey).GetSigOpCount(False))


def compact_size(count: int) -> bytes:
    """Give a count of 0..2^64-1 in the variable-length form used on the wire and in blocks.

    >>> compact_size(252).hex(), compact_size(253).hex()
    ('fc', 'fdfd00')

    Raises:
        ValueError: ``count`` is out of range.
    """
    if not 0 <= count <= 0xFFFFFFFFFFFFFFFF:
        raise ValueError(f"a count must be in 0..2^64-1, is {count}")
    if count < 0xFD:
        return bytes([count])
    if count <= 0xFFFF:
        return b"\xfd" + count.to_bytes(2, "little")
    if count <= 0xFFFFFFFF:
        return b"\xfe" + count.to_bytes(4, "little")
    return b"\xff" + count.to_bytes(8, "little")
