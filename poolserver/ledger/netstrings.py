"""Netstrings: bytes with their length before them, so that any two lists of texts differ.

What is hashed is written in them (https://cr.yp.to/proto/netstrings.txt).
"""

from collections.abc import Iterator


def netstring(data: bytes) -> bytes:
    """
    >>> netstring(b"rig")
    b'3:rig,'
    """
    return b"%d:%s," % (len(data), data)


def netstrings(data: bytes) -> Iterator[str]:
    """The texts of netstrings one after the other.

    Raises:
        ValueError: these are none.
    """
    offset = 0
    while offset < len(data):
        colon = data.index(b":", offset)
        digits = data[offset:colon]
        end = colon + 1 + int(digits)
        if data[end : end + 1] != b"," or digits != b"%d" % int(digits):
            raise ValueError(f"no netstring at byte {offset}")
        yield data[colon + 1 : end].decode()
        offset = end + 1
