"""Targets, difficulties and work, against exact fractions and Bitcoin Core's arith_uint256."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.bitcoin.target import (
    DIFFICULTY_1_TARGET,
    MAX_TARGET,
    Difficulty,
    difficulty_from_target,
    nbits_from_target,
    target_from_difficulty,
    target_from_nbits,
    target_le,
    work_from_target,
)

TARGETS = st.integers(1, MAX_TARGET) | st.integers(0, 255).map(lambda bit: 1 << bit)
DIFFICULTIES = st.floats(
    min_value=0, max_value=float(DIFFICULTY_1_TARGET), exclude_min=True, allow_subnormal=True
) | st.fractions(min_value=Fraction(1, 10**20), max_value=10**20)


# The proof-of-work limits of Bitcoin Core's kernel/chainparams.cpp and their compact forms.
@pytest.mark.parametrize(
    ("network", "nbits", "pow_limit_hex"),
    [
        ("main", 0x1D00FFFF, "00000000ffff" + "0" * 52),
        ("testnet4", 0x1D00FFFF, "00000000ffff" + "0" * 52),
        ("signet", 0x1E0377AE, "00000377ae" + "0" * 54),
        ("regtest", 0x207FFFFF, "7fffff" + "0" * 58),
    ],
)
def test_the_limit_of_each_network_expands_and_compacts(
    network: str, nbits: int, pow_limit_hex: str
) -> None:
    assert target_from_nbits(nbits) == int(pow_limit_hex, 16)
    assert nbits_from_target(int(pow_limit_hex, 16)) == nbits


# From Bitcoin Core's arith_uint256_tests.cpp, case bignum_SetCompact.
@pytest.mark.parametrize(
    ("nbits", "target", "compacted"),
    [
        (0x01123456, 0x12, 0x01120000),
        (0x02123456, 0x1234, 0x02123400),
        (0x03123456, 0x123456, 0x03123456),
        (0x04123456, 0x12345600, 0x04123456),
        (0x05009234, 0x92340000, 0x05009234),
        (0x20123456, 0x123456 << 232, 0x20123456),
        (0x02008000, 0x80, 0x02008000),
    ],
)
def test_nbits_expand_as_in_bitcoin_core(nbits: int, target: int, compacted: int) -> None:
    assert target_from_nbits(nbits) == target
    assert nbits_from_target(target) == compacted


@pytest.mark.parametrize(
    "nbits", [0, 0x00123456, 0x01003456, 0x02000056, 0x03000000, 0x04000000, 0x00923456, 0x01803456]
)
def test_nbits_of_zero_are_refused(nbits: int) -> None:
    with pytest.raises(ValueError, match="target of zero"):
        target_from_nbits(nbits)


@pytest.mark.parametrize("nbits", [0x01FEDCBA, 0x04923456, 0x1D80FFFF])
def test_negative_nbits_are_refused(nbits: int) -> None:
    with pytest.raises(ValueError, match="negative"):
        target_from_nbits(nbits)


@pytest.mark.parametrize("nbits", [0xFF123456, 0x23000001, 0x22000100, 0x21010000])
def test_nbits_of_more_than_256_bits_are_refused(nbits: int) -> None:
    with pytest.raises(ValueError, match="more than 256 bits"):
        target_from_nbits(nbits)


@pytest.mark.parametrize(
    ("nbits", "target"),
    [(0x22000001, 1 << 248), (0x210000FF, 0xFF << 240), (0x2100FFFF, 0xFFFF << 240)],
)
def test_the_largest_nbits_that_fit_are_taken(nbits: int, target: int) -> None:
    assert target_from_nbits(nbits) == target


@pytest.mark.parametrize("nbits", [-1, 1 << 32])
def test_nbits_outside_32_bits_are_refused(nbits: int) -> None:
    with pytest.raises(ValueError, match="32-bit"):
        target_from_nbits(nbits)


@given(st.integers(0, 0xFFFFFFFF))
def test_nbits_follow_set_compact_for_every_input(nbits: int) -> None:
    # The rule as the mathematics of it: a sign bit, a 23-bit mantissa, a power of 256.
    mantissa, exponent = nbits & 0x7FFFFF, (nbits >> 24) - 3
    value = math.floor(mantissa * Fraction(256) ** exponent)
    if value == 0 or nbits & 0x800000 or value > MAX_TARGET:
        with pytest.raises(ValueError, match=f"{nbits:08x}"):
            target_from_nbits(nbits)
    else:
        assert target_from_nbits(nbits) == value


@given(TARGETS)
def test_compacting_rounds_down_and_is_stable(target: int) -> None:
    nbits = nbits_from_target(target)
    expanded = target_from_nbits(nbits)
    assert expanded <= target < expanded + max(1, expanded >> 15)
    assert nbits_from_target(expanded) == nbits


@given(DIFFICULTIES)
def test_a_target_is_exactly_the_floor_of_the_fraction(difficulty: float | Fraction) -> None:
    exact = DIFFICULTY_1_TARGET / Fraction(difficulty)
    target = target_from_difficulty(difficulty)
    assert target == MAX_TARGET or target <= exact < target + 1
    assert target < MAX_TARGET or exact >= MAX_TARGET


@given(st.floats(min_value=2**-31, max_value=2**40))
def test_a_difficulty_survives_the_way_to_its_target_and_back(difficulty: float) -> None:
    assert difficulty_from_target(target_from_difficulty(difficulty)) == pytest.approx(
        difficulty, rel=1e-15
    )


@given(DIFFICULTIES, DIFFICULTIES)
def test_a_higher_difficulty_never_has_a_higher_target(
    one: float | Fraction, other: float | Fraction
) -> None:
    low, high = sorted((one, other))
    assert target_from_difficulty(high) <= target_from_difficulty(low)


@pytest.mark.parametrize(
    "difficulty",
    [0, -1, -0.0, math.nan, math.inf, -math.inf, 1e68, 10**400, Fraction(-1, 3), Fraction(10**400)],
)
def test_a_difficulty_that_is_no_number_above_zero_is_refused(difficulty: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        target_from_difficulty(difficulty)
    with pytest.raises(ValueError, match="above 0"):
        Difficulty.of(difficulty)


def test_the_highest_difficulty_has_a_target_of_one() -> None:
    assert target_from_difficulty(DIFFICULTY_1_TARGET) == 1


@pytest.mark.parametrize("target", [-1, 0, MAX_TARGET + 1])
def test_a_target_out_of_range_is_refused(target: int) -> None:
    for function in (nbits_from_target, difficulty_from_target, work_from_target, target_le):
        with pytest.raises(ValueError, match="a target must be"):
            function(target)


def test_difficulty_1_is_4295032833_hashes_of_work() -> None:
    assert work_from_target(DIFFICULTY_1_TARGET) == 4_295_032_833


@given(TARGETS)
def test_work_is_the_mean_number_of_hashes(target: int) -> None:
    # Of 2^256 hashes target + 1 meet the target.
    assert work_from_target(target) == math.floor(Fraction(2**256, target + 1))


@given(TARGETS)
def test_target_bytes_are_little_endian(target: int) -> None:
    assert int.from_bytes(target_le(target), "little") == target
    assert len(target_le(target)) == 32


def test_a_difficulty_knows_its_target_and_work() -> None:
    difficulty = Difficulty.of(65536)
    assert difficulty.value == 65536.0
    assert difficulty.target == DIFFICULTY_1_TARGET >> 16
    assert difficulty.target_le == bytes(24) + b"\xff\xff" + bytes(6)
    assert difficulty.work == 281_479_271_743_489


@pytest.mark.parametrize(
    ("value", "target", "work"),
    [
        (2**-31, 0xFFFF << 239, 2),
        (2**-32, 0xFFFF << 240, 1),
        (2**-33, MAX_TARGET, 1),
        (5e-324, MAX_TARGET, 1),
    ],
)
def test_a_tiny_difficulty_counts_one_hash_at_least(value: float, target: int, work: int) -> None:
    difficulty = Difficulty.of(value)
    assert (difficulty.target, difficulty.work) == (target, work)


def test_a_decimal_difficulty_is_taken_for_the_float_that_it_is() -> None:
    difficulty = Difficulty.of(1e-9)
    assert difficulty.target == math.floor(DIFFICULTY_1_TARGET / Fraction(1e-9))
    assert difficulty.work == 4


def test_the_same_difficulty_is_worked_out_once() -> None:
    assert Difficulty.of(1024) is Difficulty.of(1024.0)
