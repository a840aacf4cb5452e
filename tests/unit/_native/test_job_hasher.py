"""JobHasher: real blocks, the edges of the targets, and what stays as it was built."""

from hashlib import sha256
from types import ModuleType
from typing import Any, NamedTuple

import pytest

ANY_TARGET = b"\xff" * 32
NO_TARGET = bytes(32)


def le(display_hex: str) -> bytes:
    return bytes.fromhex(display_hex)[::-1]


def target_le(target: int) -> bytes:
    return target.to_bytes(32, "little")


class RealBlock(NamedTuple):
    """A block of the main chain, its coinbase cut where a pool would cut it."""

    coinb1_hex: str
    extranonce_hex: str
    coinb2_hex: str
    merkle_branch: tuple[bytes, ...]
    prevhash: str
    version: int
    ntime: int
    nbits: int
    nonce: int
    hash: str

    def job(self, native: ModuleType, network_target_le: bytes) -> Any:
        return native.JobHasher(
            bytes.fromhex(self.coinb1_hex),
            bytes.fromhex(self.coinb2_hex),
            self.merkle_branch,
            le(self.prevhash),
            self.nbits,
            network_target_le,
        )

    def share(self) -> tuple[bytes, int, int, int]:
        return bytes.fromhex(self.extranonce_hex), self.version, self.ntime, self.nonce


COINBASE_START = "0100000001" + "00" * 32 + "ffffffff"

# A branch of no items: the genesis block's merkle root is the txid of its coinbase.
GENESIS = RealBlock(
    coinb1_hex=COINBASE_START + "4d04ffff001d",
    extranonce_hex="0104",
    coinb2_hex=(
        "455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66"
        "207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0"
        "fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c"
        "384df7ba0b8d578a4c702b6bf11d5fac00000000"
    ),
    merkle_branch=(),
    prevhash="00" * 32,
    version=1,
    ntime=1231006505,
    nbits=0x1D00FFFF,
    nonce=2083236893,
    hash="000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
)

# Satoshi's payment to Hal Finney: a coinbase and one transaction.
BLOCK_170 = RealBlock(
    coinb1_hex=COINBASE_START + "0704ffff001d",
    extranonce_hex="0102",
    coinb2_hex=(
        "ffffffff0100f2052a01000000434104d46c4968bde02899d2aa0963367c7a6ce34eec332b32e42e5f3407e052"
        "d64ac625da6f0718e7b302140434bd725706957c092db53805b821a85b23a7ac61725bac00000000"
    ),
    merkle_branch=(le("f4184fc596403b9d638783cf57adfe4c75c605f6356fbc91338530e9831e9e16"),),
    prevhash="000000002a22cfee1f2c846adbd12b3e183d4f97683f85dad08a79780a84bd55",
    version=1,
    ntime=1231731025,
    nbits=0x1D00FFFF,
    nonce=1889418792,
    hash="00000000d1145790a8694403d4063f323d499e655c83426834d4ce2f8dd4a2ee",
)

# Four transactions: the second one's txid, then the hash over the third's and fourth's.
BLOCK_100000 = RealBlock(
    coinb1_hex=COINBASE_START + "08044c86041b02",
    extranonce_hex="0602",
    coinb2_hex=(
        "ffffffff0100f2052a010000004341041b0e8c2567c12536aa13357b79a073dc4444acb83c4ec7a0e2f99dd745"
        "7516c5817242da796924ca4e99947d087fedf9ce467cb9f7c6287078f801df276fdf84ac00000000"
    ),
    merkle_branch=(
        le("fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4"),
        sha256(
            sha256(
                le("6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4")
                + le("e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d")
            ).digest()
        ).digest(),
    ),
    prevhash="000000000002d01c1fccc21636b607dfd930d31d01c3a62104612a1719011250",
    version=1,
    ntime=1293623863,
    nbits=0x1B04864C,
    nonce=274148111,
    hash="000000000003ba27aa200b1cecaad478d2b00432346c3f1f3986da1afd33e506",
)

REAL_BLOCKS = [GENESIS, BLOCK_170, BLOCK_100000]
BLOCK_IDS = ["genesis", "170", "100000"]


@pytest.mark.parametrize("block", REAL_BLOCKS, ids=BLOCK_IDS)
def test_the_share_that_solved_a_real_block_has_its_hash(
    native: ModuleType, block: RealBlock
) -> None:
    network_target = (block.nbits & 0xFFFFFF) << 8 * ((block.nbits >> 24) - 3)
    job = block.job(native, target_le(network_target))
    assert job.check(*block.share(), ANY_TARGET) == (le(block.hash), True, True)


@pytest.mark.parametrize("field", range(4), ids=["extranonce", "version", "ntime", "nonce"])
def test_each_field_of_the_share_is_in_the_hash(native: ModuleType, field: int) -> None:
    job = GENESIS.job(native, NO_TARGET)
    share: list[Any] = list(GENESIS.share())
    share[field] = share[field] + b"\x00" if field == 0 else share[field] ^ 1
    assert job.check(*share, ANY_TARGET)[0] != le(GENESIS.hash)


@pytest.mark.parametrize(
    ("distance", "meets"), [(0, True), (-1, False), (1, True), (-(2**224), False), (2**224, True)]
)
def test_a_hash_meets_the_target_that_is_not_below_it(
    native: ModuleType, distance: int, meets: bool
) -> None:
    target = int.from_bytes(le(GENESIS.hash), "little") + distance
    if target < 0:
        target = 0
    as_share = GENESIS.job(native, NO_TARGET).check(*GENESIS.share(), target_le(target))
    as_block = GENESIS.job(native, target_le(target)).check(*GENESIS.share(), NO_TARGET)
    assert as_share == (le(GENESIS.hash), meets, False)
    assert as_block == (le(GENESIS.hash), False, meets)


@pytest.mark.parametrize("bit", range(0, 256, 5))
def test_each_bit_of_the_target_is_compared(native: ModuleType, bit: int) -> None:
    value = int.from_bytes(le(GENESIS.hash), "little")
    share_target = value ^ 1 << bit
    outcome = GENESIS.job(native, NO_TARGET).check(*GENESIS.share(), target_le(share_target))
    assert outcome[1] is (value <= share_target)


def test_the_greatest_target_is_always_met_and_zero_never(native: ModuleType) -> None:
    job = GENESIS.job(native, ANY_TARGET)
    assert job.check(*GENESIS.share(), NO_TARGET)[1:] == (False, True)
    assert job.check(*GENESIS.share(), ANY_TARGET)[1:] == (True, True)


def test_the_coinbase_may_be_cut_anywhere(native: ModuleType) -> None:
    coinb1, extranonce = bytes.fromhex(GENESIS.coinb1_hex), bytes.fromhex(GENESIS.extranonce_hex)
    coinbase = coinb1 + extranonce + bytes.fromhex(GENESIS.coinb2_hex)
    for size in (1, 12, 63, 64):
        for start in range(len(coinbase) - size + 1):
            job = native.JobHasher(
                coinbase[:start], coinbase[start + size :], (), bytes(32), GENESIS.nbits, NO_TARGET
            )
            share = (coinbase[start : start + size], *GENESIS.share()[1:])
            assert job.check(*share, NO_TARGET)[0] == le(GENESIS.hash)


def test_a_branch_of_32_levels_is_folded_level_by_level(native: ModuleType) -> None:
    branch = [bytes([level]) * 32 for level in range(32)]
    job = native.JobHasher(b"head", b"tail", branch, b"p" * 32, 7, NO_TARGET)
    root = native.sha256d(b"head" + b"nonce" + b"tail")
    for sibling in branch:
        root = native.sha256d(root + sibling)
    header = b"".join((b"\1\0\0\0", b"p" * 32, root, b"\2\0\0\0", b"\7\0\0\0", b"\xff" * 4))
    assert job.check(b"nonce", 1, 2, 2**32 - 1, NO_TARGET)[0] == native.sha256d(header)


def test_a_job_does_not_follow_the_list_it_was_built_from(native: ModuleType) -> None:
    branch = list(BLOCK_100000.merkle_branch)
    job = BLOCK_100000._replace(merkle_branch=branch).job(native, NO_TARGET)  # type: ignore[arg-type]
    branch[:] = [bytes(32)] * 5
    assert job.check(*BLOCK_100000.share(), NO_TARGET)[0] == le(BLOCK_100000.hash)


def test_calling_init_again_changes_nothing(native: ModuleType) -> None:
    job = GENESIS.job(native, NO_TARGET)
    job.__init__()
    job.__init__(b"", b"", (), b"1" * 32, 0, ANY_TARGET)
    assert job.check(*GENESIS.share(), NO_TARGET) == (le(GENESIS.hash), False, False)


def test_a_job_takes_its_parts_by_name(native: ModuleType) -> None:
    job = native.JobHasher(
        network_target_le=NO_TARGET,
        nbits=GENESIS.nbits,
        prevhash_le=bytes(32),
        merkle_branch=(),
        coinb2=bytes.fromhex(GENESIS.coinb2_hex),
        coinb1=bytes.fromhex(GENESIS.coinb1_hex),
    )
    assert job.check(*GENESIS.share(), NO_TARGET)[0] == le(GENESIS.hash)


def test_a_job_has_no_attributes_to_set(native: ModuleType) -> None:
    with pytest.raises(AttributeError):
        GENESIS.job(native, NO_TARGET).network_target_le = ANY_TARGET
