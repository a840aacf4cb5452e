"""The share check, the hashes around it, the reading of templates and journal records, in C.

Only ``bytes`` are taken where bytes are meant (not ``bytearray``, ``memoryview`` or ``str``) and
only ``int`` where an integer is meant. A wrong type is a ``TypeError``, a wrong size or an integer
out of range a ``ValueError`` that names the argument. Nothing is truncated or wrapped.

``_le``: 32 bytes in digest order, which Bitcoin reads as a little-endian 256-bit integer.
"""

from collections.abc import Sequence
from typing import Self, final

from poolserver._native.share_sum import ShareSum as ShareSum

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

def pack_share(
    buffer: bytearray | memoryview,
    offset: int,
    sequence: int,
    worker_ref: int,
    outcome: int,
    proven: bool,
    work: int,
    job_number: int,
    unix_ms: int,
    hash_le: bytes,
    /,
) -> None:
    """Write a share's record into ``buffer``, 85 bytes from ``offset`` on (see ledger/records.py).

    Args:
        work: in hashes, up to 2^128 - 1; the rest are integers of the record's sizes.
        hash_le: 32 bytes.

    Raises:
        BufferError: ``buffer`` cannot be written to, or is not in one piece.
        ValueError: something is out of range, or the record does not fit; nothing is written.
    """

def skip_records(records: bytes, offset: int, sequence: int, enough: int, /) -> tuple[int, int]:
    """Step over whole journal records of known kinds, from ``offset`` on.

    Ends before one that is damaged, cut short or has not its number (the first one's is
    ``sequence``), or behind the one with which ``enough`` bytes are reached. What is in a record
    is not looked at. Releases the GIL where there are 64 KiB or more.

    Returns:
        The offset at which it ended, and the number of records.
    """

def sum_shares(
    records: bytes, offset: int, sequence: int, interval_ms: int, open_from_ms: int, /
) -> tuple[int, int, list[ShareSum]]:
    """Add up the shares that begin at ``offset``, up to the first record that is no good share.

    That may be one of another kind, a damaged one, one that is cut short or has not the number
    that is due (``sequence`` is the first one's), or the end. A share is booked in the interval
    of ``interval_ms`` (which divides a day) that it was made in, or that begins at
    ``open_from_ms`` if that is later. Releases the GIL where there are 64 KiB or more.

    Returns:
        The offset at which it stopped, the number of shares, and their sums in the order in which
        each came up first.
    """
