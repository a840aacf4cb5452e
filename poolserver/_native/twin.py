"""The C extension said in Python: to read, to test against, and to run where there is no compiler.

Same names, same results, same exceptions and messages. The comments that matter to C only are
there.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Self, final

BACKENDS: Final = ("python",)

#: The smallest transaction has 60 bytes (240 weight units), so a block of 4,000,000 (BIP141) holds
#: less than 2^15 of them and its branch has at most 15 items.
MERKLE_BRANCH_MAX = 32

#: Consensus gives the coinbase's scriptSig 100 bytes, one direct push takes 75 of them, and the
#: extranonce shares that push with the job's tag.
EXTRANONCE_MAX = 64

_DIGEST_SIZE = 32
_PAIR_SIZE = 2 * _DIGEST_SIZE
_HEADER_SIZE = 80
_UINT32_MAX = 2**32 - 1
_NONCES = 2**32


def backend() -> str:
    """The name of the backend in use."""
    return BACKENDS[0]


def set_backend(name: str, /) -> None:
    """Refuse each backend but the one there is."""
    if not isinstance(name, str):
        raise _wrong_type("name", "str", name)
    if name not in BACKENDS:
        raise ValueError(f"no backend {name!r} on this CPU")


def sha256d(data: bytes, /) -> bytes:
    """SHA-256 of the SHA-256 of ``data``: 32 bytes in digest order."""
    return _sha256d(_bytes(data, "data"))


def sha256d_pairs(data: bytes, /) -> bytes:
    """``sha256d`` of each 64-byte pair of ``data``, concatenated: one level of a merkle tree."""
    size = len(_bytes(data, "data"))
    if size % _PAIR_SIZE:
        raise ValueError(f"data must be a multiple of {_PAIR_SIZE} bytes, is {size}")
    return b"".join(_sha256d(data[i : i + _PAIR_SIZE]) for i in range(0, size, _PAIR_SIZE))


@final
class JobHasher:
    """All of one job that does not change from share to share. Immutable."""

    __slots__ = (
        "_branch",
        "_coinb1",
        "_coinb2",
        "_nbits_le",
        "_network_target",
        "_prevhash_le",
    )

    _coinb1: bytes
    _coinb2: bytes
    _branch: tuple[bytes, ...]
    _prevhash_le: bytes
    _nbits_le: bytes
    _network_target: int

    # In __new__ and not in __init__, so that calling that again changes nothing.
    def __new__(
        cls,
        coinb1: bytes,
        coinb2: bytes,
        merkle_branch: Sequence[bytes],
        prevhash_le: bytes,
        nbits: int,
        network_target_le: bytes,
    ) -> Self:
        self = super().__new__(cls)
        self._coinb1 = _bytes(coinb1, "coinb1")
        self._coinb2 = _bytes(coinb2, "coinb2")
        self._branch = _merkle_branch(merkle_branch)
        self._prevhash_le = _sized(prevhash_le, "prevhash_le", _DIGEST_SIZE)
        self._nbits_le = _uint32_le(nbits, "nbits")
        self._network_target = _target(network_target_le, "network_target_le")
        return self

    def check(
        self, extranonce: bytes, version: int, ntime: int, nonce: int, share_target_le: bytes, /
    ) -> tuple[bytes, bool, bool]:
        """``(hash_le, meets the share target, meets the network target)`` of one share."""
        size = len(_bytes(extranonce, "extranonce"))
        if not 1 <= size <= EXTRANONCE_MAX:
            raise ValueError(f"extranonce must be 1..{EXTRANONCE_MAX} bytes, is {size}")
        version_le = _uint32_le(version, "version")
        ntime_le = _uint32_le(ntime, "ntime")
        nonce_le = _uint32_le(nonce, "nonce")
        share_target = _target(share_target_le, "share_target_le")

        node = _sha256d(self._coinb1 + extranonce + self._coinb2)
        for sibling in self._branch:
            node = _sha256d(node + sibling)
        header = version_le + self._prevhash_le + node + ntime_le + self._nbits_le + nonce_le
        hash_le = _sha256d(header)
        value = int.from_bytes(hash_le, "little")
        return hash_le, value <= share_target, value <= self._network_target


def scan_nonces(header: bytes, nonce_start: int, count: int, target_le: bytes, /) -> list[int]:
    """The nonces of ``count`` from ``nonce_start`` with which the header's hash is <= the target.

    After 2^32-1 comes 0. The header's own nonce is ignored.
    """
    start = _sized(header, "header", _HEADER_SIZE)[:-4]
    first = _uint(nonce_start, "nonce_start", _UINT32_MAX)
    last = first + _uint(count, "count", _NONCES)
    target = _target(target_le, "target_le")
    nonces = (n % _NONCES for n in range(first, last))
    return [
        nonce
        for nonce in nonces
        if int.from_bytes(_sha256d(start + nonce.to_bytes(4, "little")), "little") <= target
    ]


def _sha256d(data: bytes) -> bytes:
    return sha256(sha256(data).digest()).digest()


def _wrong_type(name: str, wanted: str, value: object) -> TypeError:
    return TypeError(f"{name} must be {wanted}, not {type(value).__name__}")


def _bytes(value: object, name: str) -> bytes:
    if not isinstance(value, bytes):
        raise _wrong_type(name, "bytes", value)
    return value


def _sized(value: object, name: str, size: int) -> bytes:
    data = _bytes(value, name)
    if len(data) != size:
        raise ValueError(f"{name} must be {size} bytes, is {len(data)}")
    return data


def _target(value: object, name: str) -> int:
    return int.from_bytes(_sized(value, name, _DIGEST_SIZE), "little")


def _uint(value: object, name: str, maximum: int) -> int:
    if not isinstance(value, int):
        raise _wrong_type(name, "int", value)
    if not 0 <= value <= maximum:
        raise ValueError(f"{name} must be in 0..{maximum}")
    return value


def _uint32_le(value: object, name: str) -> bytes:
    return _uint(value, name, _UINT32_MAX).to_bytes(4, "little")


def _merkle_branch(value: object) -> tuple[bytes, ...]:
    if not isinstance(value, (tuple, list)):
        raise _wrong_type("merkle_branch", "a tuple or list", value)
    items = tuple(value)
    if len(items) > MERKLE_BRANCH_MAX:
        raise ValueError(
            f"merkle_branch must have at most {MERKLE_BRANCH_MAX} items, has {len(items)}"
        )
    return tuple(_sized(item, f"merkle_branch[{i}]", _DIGEST_SIZE) for i, item in enumerate(items))
