"""Merkle trees as of RFC 6962, section 2.1: one hash that stands for a list of entries.

A leaf is SHA-256 of a zero byte and the entry, a node SHA-256 of a one byte and its two
children: no node can be passed off as an entry. The left side of a node is the largest full
tree that leaves something for the right one. Pure.
"""

from collections.abc import Sequence
from hashlib import sha256

HASH_SIZE = 32
EMPTY_ROOT = sha256().digest()
"""Of a tree without entries."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two hashes."""
    return sha256(b"\x01" + left + right).digest()


class MerkleRoot:
    """A tree that grows to the right; it holds a hash a level, whatever its size."""

    def __init__(self) -> None:
        self.size = 0
        """How many leaves it has."""
        self._full: list[bytes] = []  # the roots of full trees, the largest one first

    def add(self, leaf: bytes) -> None:
        """Add the next leaf (see leaf_hash())."""
        self.size = size = self.size + 1
        while not size & 1:
            leaf = node_hash(self._full.pop(), leaf)
            size >>= 1
        self._full.append(leaf)

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._full:
            return EMPTY_ROOT
        *lefts, root = self._full
        for left in reversed(lefts):
            root = node_hash(left, root)
        return root


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaves (see leaf_hash())."""
    tree = MerkleRoot()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """What together with the leaf at ``index`` makes the root: the audit path, lowest first.

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of a tree of {len(leaves)}")
    level, path = list(leaves), []
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        odd = level[-1:] if len(level) % 2 else []
        level = [node_hash(*pair) for pair in zip(level[::2], level[1::2], strict=False)] + odd
        index //= 2
    return path


def root_of_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root of the tree of ``size`` leaves that has ``leaf`` at ``index``, by its path.

    None where no tree of that size has a path of that length there.
    """
    if not 0 <= index < size:
        return None
    root, rest, last = leaf, list(path), size - 1
    while last:
        if index & 1 or index < last:  # else it is the odd one, which goes up as it is
            if not rest:
                return None
            sibling = rest.pop(0)
            root = node_hash(sibling, root) if index & 1 else node_hash(root, sibling)
        index, last = index >> 1, last >> 1
    return None if rest else root
