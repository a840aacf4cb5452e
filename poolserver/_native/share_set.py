"""The Python twin of share_set.c."""

from typing import Self, final

from poolserver._native.arguments import as_bytes, as_sized

_HASH_SIZE = 32


@final
class ShareSet:
    """Hashes of shares, each of 32 bytes in digest order, in the order in which they were added."""

    __slots__ = ("_hashes",)

    _hashes: dict[bytes, None]

    def __new__(cls) -> Self:
        self = super().__new__(cls)
        self._hashes = {}
        return self

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, hash_le: object, /) -> bool:
        return isinstance(hash_le, bytes) and hash_le in self._hashes

    def add(self, hash_le: bytes, /) -> bool:
        """Add a hash; False if it was there."""
        count = len(self._hashes)
        self._hashes[as_sized(hash_le, "hash_le", _HASH_SIZE)] = None
        return len(self._hashes) > count

    def to_bytes(self) -> bytes:
        """All hashes, one behind the other."""
        return b"".join(self._hashes)

    def update(self, hashes_le: bytes, /) -> None:
        """Add what ``to_bytes`` gave; those that are there already stay once."""
        size = len(as_bytes(hashes_le, "hashes_le"))
        if size % _HASH_SIZE:
            raise ValueError(f"hashes_le must be a multiple of {_HASH_SIZE} bytes, is {size}")
        for i in range(0, size, _HASH_SIZE):
            self._hashes[hashes_le[i : i + _HASH_SIZE]] = None
