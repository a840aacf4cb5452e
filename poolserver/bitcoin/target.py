"""Targets, difficulties and work: three views of one 256-bit limit on a block hash.

A hash, read as a 256-bit integer, *meets* a target when it is not above it. All of it is
integer or ``Fraction`` arithmetic: what a share is worth is money, so no float is rounded
on the way from a difficulty to its target.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

DIFFICULTY_1_TARGET = 0xFFFF << 208
"""The target of difficulty 1 (nbits 0x1d00ffff), by which all difficulties are measured."""
MAX_TARGET = (1 << 256) - 1
"""The target that every hash meets."""

_CACHED_DIFFICULTIES = 1024
"""Vardiff deals in powers of two, about 100 values; the rest is for difficulties miners ask for."""


def target_from_nbits(nbits: int) -> int:
    """Expand the 32-bit compact form of a header to a target of 1..2^256-1.

    >>> target_from_nbits(0x1D00FFFF) == DIFFICULTY_1_TARGET
    True

    Source: ``arith_uint256::SetCompact`` and ``CheckProofOfWork`` of Bitcoin Core.

    Raises:
        ValueError: ``nbits`` is not a 32-bit integer, or means a number that is negative,
            zero or above 2^256-1: no block can carry it.
    """
    if not 0 <= nbits <= 0xFFFFFFFF:
        raise ValueError(f"nbits must be a 32-bit integer, is {nbits}")
    size, mantissa = nbits >> 24, nbits & 0x007FFFFF
    target = mantissa >> 8 * (3 - size) if size <= 3 else mantissa << 8 * (size - 3)
    if target == 0:
        raise ValueError(f"nbits {nbits:08x} is a target of zero")
    if nbits & 0x00800000:
        raise ValueError(f"nbits {nbits:08x} is a negative target")
    if target > MAX_TARGET:
        raise ValueError(f"nbits {nbits:08x} is a target of more than 256 bits")
    return target


def nbits_from_target(target: int) -> int:
    """Round a target of 1..2^256-1 down to 24 bits at most and give its compact form.

    >>> hex(nbits_from_target(DIFFICULTY_1_TARGET))
    '0x1d00ffff'

    Source: ``arith_uint256::GetCompact`` of Bitcoin Core.

    Raises:
        ValueError: ``target`` is out of range.
    """
    _check_target(target)
    size = (target.bit_length() + 7) // 8
    mantissa = target << 8 * (3 - size) if size <= 3 else target >> 8 * (size - 3)
    if mantissa & 0x00800000:  # that bit is the sign: keep it clear, at the price of a byte
        mantissa >>= 8
        size += 1
    return size << 24 | mantissa


def target_from_difficulty(difficulty: float | Fraction) -> int:
    """Give the highest target that is at least as hard as ``difficulty``, capped at MAX_TARGET.

    Exact: floor(DIFFICULTY_1_TARGET / difficulty), the difficulty taken for the very fraction
    that the int, float or Fraction is.

    Raises:
        ValueError: ``difficulty`` is not a number above 0, or so high that no hash meets it.
    """
    _check_difficulty(difficulty)
    return min(int(DIFFICULTY_1_TARGET / Fraction(difficulty)), MAX_TARGET)


def difficulty_from_target(target: int) -> float:
    """Give the difficulty of a target of 1..2^256-1, as the nearest float.

    >>> difficulty_from_target(DIFFICULTY_1_TARGET)
    1.0

    Raises:
        ValueError: ``target`` is out of range.
    """
    _check_target(target)
    return DIFFICULTY_1_TARGET / target


def work_from_target(target: int) -> int:
    """Give the mean number of hashes it takes to meet a target of 1..2^256-1.

    >>> work_from_target(DIFFICULTY_1_TARGET)
    4295032833

    Source: ``GetBlockProof`` of Bitcoin Core; the sum of it is the chain's ``chainwork``.

    Raises:
        ValueError: ``target`` is out of range.
    """
    _check_target(target)
    return (1 << 256) // (target + 1)


def target_le(target: int) -> bytes:
    """Give a target of 1..2^256-1 as 32 bytes in the byte order of hashes.

    Raises:
        ValueError: ``target`` is out of range.
    """
    _check_target(target)
    return target.to_bytes(32, "little")


@dataclass(frozen=True, slots=True)
class Difficulty:
    """A share difficulty with all that follows from it, worked out once."""

    value: float
    """As ``mining.set_difficulty`` sends it."""
    target: int
    """What a share's hash must not exceed."""
    target_le: bytes
    """The target in the byte order of hashes, 32 bytes."""
    work: int
    """What one share counts for: the mean number of hashes it takes, at least 1."""

    @staticmethod
    def of(value: float) -> "Difficulty":
        """Give the (cached) Difficulty of a value.

        Raises:
            ValueError: ``value`` is not a number above 0, or so high that no hash meets it.
        """
        _check_difficulty(value)
        return _difficulty(float(value))


@lru_cache(maxsize=_CACHED_DIFFICULTIES)
def _difficulty(value: float) -> Difficulty:
    target = target_from_difficulty(value)
    return Difficulty(value, target, target_le(target), work_from_target(target))


def _check_difficulty(difficulty: float | Fraction) -> None:
    # Beyond DIFFICULTY_1_TARGET the target would be zero. One comparison refuses NaN,
    # infinity and integers too large for a float as well.
    if not 0 < difficulty <= DIFFICULTY_1_TARGET:
        raise ValueError("a difficulty must be a number above 0 and at most 2.69e67")


def _check_target(target: int) -> None:
    if not 1 <= target <= MAX_TARGET:
        raise ValueError(f"a target must be in 1..2^256-1, is {target:#x}")
