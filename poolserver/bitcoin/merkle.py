"""Merkle trees over a block's transactions, seen from the coinbase at index 0.

Only the coinbase changes from share to share, so what the other transactions contribute is
worked out once per template: the branch, one sibling hash per level. All hashes are 32 bytes
in internal (little-endian) order; those of a block's transactions come packed, one behind the
other, as ``take_transactions`` gives them.
"""

from collections.abc import Sequence

from poolserver._native import sha256d, sha256d_pairs
from poolserver.bitcoin.header import HASH_SIZE
from poolserver.bitcoin.script import OP_RETURN, push_data

WITNESS_RESERVED_VALUE = bytes(HASH_SIZE)
"""The one item of the coinbase's witness (BIP141); zero, since nothing is committed by it yet."""
WITNESS_COMMITMENT_SIZE = 38
"""Bytes of the scriptPubKey that commits to all witnesses: OP_RETURN and a push of 36 (BIP141)."""
COMMITMENT_HEADER = bytes.fromhex("aa21a9ed")
"""By these bytes nodes find the output with the witness commitment (BIP141)."""

_COINBASE_WTXID = bytes(HASH_SIZE)
"""BIP141: zero, as the coinbase holds the commitment itself."""


def merkle_branch(txids_le: bytes) -> tuple[bytes, ...]:
    """Give the siblings on the coinbase's way to the root, from the leaves up.

    ``txids_le`` are the other transactions, packed in the order of the block, without the
    coinbase: n of them give n.bit_length() siblings.

    Raises:
        ValueError: they are not 32 bytes each.
    """
    if len(txids_le) % HASH_SIZE:
        raise ValueError(f"hashes of {HASH_SIZE} bytes each cannot be {len(txids_le)} bytes")
    branch = []
    # The nodes of one level but for the leftmost, the coinbase's own, which is not known yet.
    level = txids_le
    while level:
        sibling, rest = level[:HASH_SIZE], level[HASH_SIZE:]
        if len(rest) % (2 * HASH_SIZE):  # an odd node out is paired with itself
            rest += rest[-HASH_SIZE:]
        branch.append(sibling)
        level = sha256d_pairs(rest)
    return tuple(branch)


def merkle_root_from_branch(leaf: bytes, branch: Sequence[bytes]) -> bytes:
    """Give the root (32 bytes) over the leaf at index 0 and its branch.

    Raises:
        ValueError: a hash is not 32 bytes.
    """
    for item in (leaf, *branch):
        if len(item) != HASH_SIZE:
            raise ValueError(f"a hash is {HASH_SIZE} bytes, not {len(item)}")
    root = leaf
    for sibling in branch:
        root = sha256d(root + sibling)
    return root


def witness_commitment(wtxids_le: bytes) -> bytes:
    """Give the scriptPubKey (38 bytes) of the coinbase output that commits to all witnesses.

    ``wtxids_le`` are the transactions after the coinbase, packed in the order of the block. The
    form is that of getblocktemplate's ``default_witness_commitment``. Source: BIP141.

    Raises:
        ValueError: they are not 32 bytes each.
    """
    witness_root = merkle_root_from_branch(_COINBASE_WTXID, merkle_branch(wtxids_le))
    commitment = sha256d(witness_root + WITNESS_RESERVED_VALUE)
    return bytes([OP_RETURN]) + push_data(COMMITMENT_HEADER + commitment)
