from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.ledger.merkle import (
    EMPTY_ROOT,
    MerkleRoot,
    inclusion_path,
    leaf_hash,
    merkle_root,
    root_of_path,
)

# The entries that implementations of Certificate Transparency test with.
ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def tree_hash(entries: list[bytes]) -> bytes:
    """MTH as RFC 6962, 2.1 defines it, word for word."""
    n = len(entries)
    if n == 0:
        return sha256(b"").digest()
    if n == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < n:
        k *= 2
    return sha256(b"\x01" + tree_hash(entries[:k]) + tree_hash(entries[k:])).digest()


def audit_path(m: int, entries: list[bytes]) -> list[bytes]:
    """PATH as RFC 6962, 2.1.1 defines it."""
    n = len(entries)
    if n == 1:
        return []
    k = 1
    while k * 2 < n:
        k *= 2
    if m < k:
        return [*audit_path(m, entries[:k]), tree_hash(entries[k:])]
    return [*audit_path(m - k, entries[k:]), tree_hash(entries[:k])]


@pytest.mark.parametrize(
    ("size", "root"),
    [
        (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        (7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
        (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
    ],
)
def test_roots_are_those_of_certificate_transparency(size: int, root: str) -> None:
    assert merkle_root(LEAVES[:size]).hex() == root


def test_a_tree_of_nothing_has_the_hash_of_nothing() -> None:
    assert MerkleRoot().root() == EMPTY_ROOT == tree_hash([])


@given(st.lists(st.binary(max_size=40), max_size=70))
def test_a_root_is_the_one_that_the_rfc_defines(entries: list[bytes]) -> None:
    assert merkle_root([leaf_hash(entry) for entry in entries]) == tree_hash(entries)


@pytest.mark.parametrize("size", range(1, 35))
def test_every_path_is_the_one_that_the_rfc_defines_and_leads_to_the_root(size: int) -> None:
    entries = [bytes([number]) for number in range(size)]
    leaves = [leaf_hash(entry) for entry in entries]
    for index in range(size):
        path = inclusion_path(leaves, index)
        assert path == audit_path(index, entries)
        assert root_of_path(leaves[index], index, size, path) == tree_hash(entries)


@given(st.data())
def test_a_path_proves_no_other_leaf_place_or_length(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 200))
    leaves = [leaf_hash(number.to_bytes(2, "big")) for number in range(size)]
    index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(-1, size))
    path, root = inclusion_path(leaves, index), merkle_root(leaves)
    assert root_of_path(leaf_hash(b"another"), index, size, path) != root
    assert root_of_path(leaves[index], index, size, [*path, root]) is None
    if path:
        assert root_of_path(leaves[index], index, size, path[:-1]) is None
    if other != index:
        assert root_of_path(leaves[index], other, size, path) != root


@pytest.mark.parametrize("index", [-1, 3])
def test_there_is_no_path_to_a_leaf_that_is_not_there(index: int) -> None:
    with pytest.raises(IndexError):
        inclusion_path(LEAVES[:3], index)


def test_the_root_may_be_asked_for_while_the_tree_grows() -> None:
    tree = MerkleRoot()
    for size, leaf in enumerate(LEAVES, 1):
        tree.add(leaf)
        assert tree.root() == tree_hash(ENTRIES[:size])
        assert tree.size == size
