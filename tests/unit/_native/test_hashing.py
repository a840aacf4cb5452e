"""sha256d and sha256d_pairs against published vectors and hashlib."""

import random
from hashlib import sha256
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

# FIPS 180-4 example values, as in NIST's SHA256.pdf and shabytetest vectors: single SHA-256.
NIST_SHA256 = {
    b"": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    b"abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq": (
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    (
        b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
        b"hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"
    ): "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
    b"a" * 1_000_000: "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
}

SHA256D = {
    b"": "5df6e0e2761359d30a8275058e299fcc0381534545f55cf43e41983f5d4c9456",
    b"abc": "4f8b42c22dd3729b519ba6f68d2da7cc5b2d606d05daed5ad5128cc03e6c6358",
    b"hello": "9595c9df90075148eb06860365df33584b75bff782a510c6cd4883a419833d50",
}

# Block 100,000: four transactions, so a merkle tree of two levels. Display order.
BLOCK_100000_TXIDS = (
    "8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87",
    "fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4",
    "6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4",
    "e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d",
)
BLOCK_100000_MERKLE_ROOT = "f3e94742aca4b5ef85488dc37c06c3282295ffec960994b2c0d5ac2a25a95766"


def hashlib_sha256d(data: bytes) -> bytes:
    return sha256(sha256(data).digest()).digest()


@pytest.mark.parametrize(("data", "digest_hex"), NIST_SHA256.items(), ids=len)
def test_sha256d_is_sha256_of_the_nist_digest(
    native: ModuleType, data: bytes, digest_hex: str
) -> None:
    assert native.sha256d(data) == sha256(bytes.fromhex(digest_hex)).digest()


@pytest.mark.parametrize(("data", "digest_hex"), SHA256D.items(), ids=len)
def test_sha256d_of_known_data(native: ModuleType, data: bytes, digest_hex: str) -> None:
    assert native.sha256d(data).hex() == digest_hex


def test_each_length_around_the_block_edges_is_padded_right(native: ModuleType) -> None:
    data = random.Random(1).randbytes(300)
    for size in range(len(data) + 1):
        assert native.sha256d(data[:size]) == hashlib_sha256d(data[:size]), size


@given(st.binary(max_size=2000))
def test_sha256d_is_that_of_hashlib(native: ModuleType, data: bytes) -> None:
    assert native.sha256d(data) == hashlib_sha256d(data)


@pytest.mark.parametrize("count", [*range(8), 255, 256, 257])  # from 256 on without the GIL
def test_each_pair_is_hashed_by_itself(native: ModuleType, count: int) -> None:
    data = random.Random(count).randbytes(64 * count)
    pairs = (data[i : i + 64] for i in range(0, len(data), 64))
    assert native.sha256d_pairs(data) == b"".join(map(hashlib_sha256d, pairs))


def test_pairs_of_a_real_block_lead_to_its_merkle_root(native: ModuleType) -> None:
    level = b"".join(bytes.fromhex(txid)[::-1] for txid in BLOCK_100000_TXIDS)
    root = native.sha256d_pairs(native.sha256d_pairs(level))
    assert root[::-1].hex() == BLOCK_100000_MERKLE_ROOT


@pytest.mark.parametrize("size", [1, 32, 63, 65, 127])
def test_half_a_pair_is_refused(native: ModuleType, size: int) -> None:
    with pytest.raises(ValueError, match=f"^data must be a multiple of 64 bytes, is {size}$"):
        native.sha256d_pairs(bytes(size))


@pytest.mark.parametrize("data", [bytearray(64), memoryview(bytes(64)), "a" * 64, None, 64, [1]])
def test_only_bytes_are_hashed(native: ModuleType, data: object) -> None:
    message = f"^data must be bytes, not {type(data).__name__}$"
    with pytest.raises(TypeError, match=message):
        native.sha256d(data)
    with pytest.raises(TypeError, match=message):
        native.sha256d_pairs(data)
