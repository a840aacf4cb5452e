"""Solutions, judged by the share check and by its Python twin."""

from random import Random

import pytest

from poolserver._native import JobHasher, sha256d, twin
from poolserver._vendor.asyncio_stratum import Notify
from poolserver.bitcoin.target import Difficulty, target_from_nbits, target_le
from poolserver.sim.search import Attempt, Work

EXTRANONCE1 = bytes.fromhex("a1b2c3d4")
DIFFICULTY = Difficulty.of(2.0**-24)  # 256 hashes
JOB = Notify(
    job_id="1",
    prevhash_le=bytes(range(32)),
    coinb1=b"coinb1",
    coinb2=b"coinb2",
    merkle_branch=(b"\x11" * 32, b"\x22" * 32),
    version=0x20000000,
    nbits=0x1E0377AE,
    ntime=1_763_942_400,
    clean_jobs=True,
)


def work(job: Notify = JOB, difficulty: Difficulty = DIFFICULTY) -> Work:
    return Work(job, EXTRANONCE1, 8, 0x1FFFE000, difficulty)


@pytest.mark.parametrize("hasher_type", [JobHasher, twin.JobHasher])
@pytest.mark.parametrize("version_bits", [None, 0x0ABCE000])
def test_a_solution_meets_the_share_target_as_a_pool_hashes_it(
    hasher_type: type[JobHasher], version_bits: int | None
) -> None:
    network_target_le = target_le(target_from_nbits(JOB.nbits))
    hasher = hasher_type(
        JOB.coinb1, JOB.coinb2, JOB.merkle_branch, JOB.prevhash_le, JOB.nbits, network_target_le
    )
    for number in range(10):
        attempt = Attempt(work(), number.to_bytes(8, "big"), version_bits, 0xFFFFFF00)
        nonce = attempt.run(1 << 16)
        assert nonce is not None
        version = JOB.version | (version_bits or 0)
        _, meets_share_target, _ = hasher.check(
            EXTRANONCE1 + attempt.extranonce2, version, JOB.ntime, nonce, DIFFICULTY.target_le
        )
        assert meets_share_target


def test_rolled_bits_replace_those_of_the_job_inside_the_mask_only() -> None:
    job = JOB._replace(version=0x20006004)
    header = Attempt(work(job), bytes(8), 0x00008000, 0).header()
    assert int.from_bytes(header[:4], "little") == 0x20008004


def test_the_first_solution_from_the_start_nonce_is_given() -> None:
    attempt = Attempt(work(), bytes(8), None, 1000)
    nonce = attempt.run(1 << 16)
    assert nonce is not None
    found = twin.scan_nonces(attempt.header(), 1000, nonce - 1000 + 1, DIFFICULTY.target_le)
    assert found == [nonce]


def test_no_more_is_tried_than_allowed() -> None:
    attempt = Attempt(work(), bytes(8), None, 1000)
    nonce = attempt.run(1 << 16)
    assert nonce is not None
    assert attempt.run(nonce - 1000) is None
    assert attempt.run(nonce - 1000 + 1) == nonce


def test_the_hashes_that_a_share_takes_are_those_it_stands_for() -> None:
    random, tried = Random(1), 0
    shares = 2000
    for number in range(shares):
        attempt = Attempt(work(), number.to_bytes(8, "big"), None, random.getrandbits(32))
        nonce = attempt.run(1 << 20)
        assert nonce is not None
        tried += (nonce - attempt.nonce_start) % 2**32 + 1
    # Geometric: the mean of n is good to 1 / sqrt(n).
    assert tried / shares == pytest.approx(DIFFICULTY.work, rel=4 / shares**0.5)


def test_a_share_is_a_block_with_the_chance_of_its_targets() -> None:
    """Shares are uniform below their target: a quarter is below a quarter of it."""
    quarter, shares = DIFFICULTY.target // 4, 2000
    hits = 0
    for number in range(shares):
        attempt = Attempt(work(), number.to_bytes(8, "big"), None, 0)
        nonce = attempt.run(1 << 20)
        assert nonce is not None
        header = attempt.header()[:76] + nonce.to_bytes(4, "little")
        hits += int.from_bytes(sha256d(header), "little") <= quarter
    assert hits / shares == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / shares) ** 0.5)


def test_the_easiest_difficulty_of_all_is_found_at_once() -> None:
    easiest = Difficulty.of(2.0**-32)
    assert Attempt(work(difficulty=easiest), bytes(8), None, 5).run(1 << 10) is not None
