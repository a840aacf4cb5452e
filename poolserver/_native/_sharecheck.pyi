"""The share check, the hashes around it and the reading of templates, in C.

Only ``bytes`` are taken where bytes are meant (not ``bytearray``, ``memoryview`` or ``str``) and
only ``int`` where an integer is meant. A wrong type is a ``TypeError``, a wrong size or an integer
out of range a ``ValueError`` that names the argument. Nothing is truncated or wrapped.

``_le``: 32 bytes in digest order, which Bitcoin reads as a little-endian 256-bit integer.
"""

from collections.abc import Sequence
from typing import Self, final

BACKENDS: tuple[str, ...]
"""Names of the SHA-256 backends this CPU can run, best first: the first one is in use."""

def backend() -> str:
    """The name of the backend in use."""

def set_backend(name: str, /) -> None:
    """Use another backend, in the whole process: for tests and benchmarks.

    Raises:
        ValueError: ``name`` is not in ``BACKENDS``.
    """

def sha256d(data: bytes, /) -> bytes:
    """SHA-256 of the SHA-256 of ``data``: 32 bytes in digest order."""

def sha256d_pairs(data: bytes, /) -> bytes:
    """``sha256d`` of each 64-byte pair of ``data``, concatenated: one level of a merkle tree.

    Releases the GIL from 256 pairs on.

    Raises:
        ValueError: the size of ``data`` is not a multiple of 64.
    """

@final
class JobHasher:
    """All of one job that does not change from share to share. Immutable.

    The coinbase transaction (non-witness serialisation) is coinb1 + extranonce + coinb2.

    Args:
        merkle_branch: a tuple or list of the hashes beside the coinbase's path to the merkle root,
            lowest first, at most 32 of 32 bytes each.
        prevhash_le: as it stands in the header.
    """

    def __new__(
        cls,
        coinb1: bytes,
        coinb2: bytes,
        merkle_branch: Sequence[bytes],
        prevhash_le: bytes,
        nbits: int,
        network_target_le: bytes,
    ) -> Self: ...
    def check(
        self, extranonce: bytes, version: int, ntime: int, nonce: int, share_target_le: bytes, /
    ) -> tuple[bytes, bool, bool]:
        """The header hash of one share, and whether it meets its targets.

        Args:
            extranonce: extranonce1 + extranonce2, 1..64 bytes.

        Returns:
            ``(hash_le, meets the share target, meets the network target)``; a target is met by
            each hash that is <= it.
        """

def scan_nonces(header: bytes, nonce_start: int, count: int, target_le: bytes, /) -> list[int]:
    """The nonces of ``count`` from ``nonce_start`` with which the header's hash is <= the target.

    The nonce in the header (80 bytes) is ignored; after 2^32-1 comes 0; ``count`` is at most 2^32.
    Releases the GIL; Ctrl-C interrupts it.
    """

def take_transactions(
    answer: bytes, /
) -> tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]:
    """A node's answer to getblocktemplate without its transactions, and these in columns.

    They are the items of the array ``transactions`` of the object ``result``, each an object with
    ``data``, ``txid``, ``hash``, ``fee``, ``sigops`` and ``weight``; what else it has is ignored.
    An answer without such an array, as one that tells an error, comes back as it is, with empty
    columns. Does its work without the GIL.

    Returns:
        The answer with that array emptied; then of all transactions ``data`` (hex digits) in one;
        and in packed columns, integers little-endian: the size of each in bytes (4 bytes), txid
        (32, as in a merkle tree), wtxid (``hash``; 32), fee in satoshi (8), weight (4), sigops (4).

    Raises:
        ValueError: the answer is not JSON, or a field is missing, there twice or malformed; the
            text says at which byte.
    """
