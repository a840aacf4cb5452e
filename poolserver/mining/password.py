"""What a rig's password asks for: pools read options from it, as most firmware has no other field.

A password is anything (``x``, ``123``); of ``anything,d=1024`` the option counts. What cannot be
read is passed over: a typing error must not keep a rig from mining.
"""

import math
import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

_LOOKED_AT = 256  # All options at their longest have under 100 characters; a line may bring 16 KiB.
_WATTS_MAX = 1_000_000_000  # 1 GW, as one connection may be a proxy for a whole site.
_J_PER_TH_MAX = 10**9  # The first processors drew some 10^7 J/TH.

_SEPARATOR = re.compile(r"[,;\s]", re.ASCII)
# What float(), int() and Fraction() take besides these is not meant: nan, 1_000, digits of other
# scripts; and Fraction("1e999999999") would fill the memory.
_NUMBER = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"[0-9]+")
_DECIMAL = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+")


class PasswordOptions(NamedTuple):
    """What a password asks for; None is what it does not mention."""

    start_difficulty: float | None = None
    """``d=`` or ``diff=``: finite, above 0."""
    min_difficulty: float | None = None
    """``md=``, a floor: finite, above 0."""
    watts: int | None = None
    """``w=``, what the rig draws: 1..1,000,000,000."""
    j_per_th: Fraction | None = None
    """``jth=``, its efficiency in J/TH, exact: above 0, 10^9 at most."""


@lru_cache(maxsize=256)  # a hall's rigs mostly have one; of 16 KiB each that is 4 MB
def parse_password(password: str) -> PasswordOptions:
    """Read the options of ``password``; it never raises.

    They are separated by commas, semicolons or blanks; case does not matter; the last one of a
    kind that can be read counts. Only the first 256 characters are looked at, and an option that
    is cut there is none.

    >>> parse_password("x,d=1000000;W=3500")
    PasswordOptions(start_difficulty=1000000.0, min_difficulty=None, watts=3500, j_per_th=None)
    """
    options = _SEPARATOR.split(password[:_LOOKED_AT])
    if len(password) > _LOOKED_AT and not _SEPARATOR.match(password, _LOOKED_AT):
        options.pop()
    start = floor = watts = j_per_th = None
    for option in options:
        key, _, value = option.partition("=")
        match key.lower():
            case "d" | "diff":
                start = _difficulty(value) or start
            case "md":
                floor = _difficulty(value) or floor
            case "w":
                watts = _watts(value) or watts
            case "jth":
                j_per_th = _j_per_th(value) or j_per_th
    return PasswordOptions(start, floor, watts, j_per_th)


def _difficulty(value: str) -> float | None:
    if not _NUMBER.fullmatch(value):
        return None
    difficulty = float(value)  # inf from 1e999, 0.0 from 1e-999
    return difficulty if 0 < difficulty < math.inf else None


def _watts(value: str) -> int | None:
    if not _INTEGER.fullmatch(value):
        return None
    watts = int(value)
    return watts if 1 <= watts <= _WATTS_MAX else None


def _j_per_th(value: str) -> Fraction | None:
    if not _DECIMAL.fullmatch(value):
        return None
    j_per_th = Fraction(value)
    return j_per_th if 0 < j_per_th <= _J_PER_TH_MAX else None
