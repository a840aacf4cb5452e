"""What a meter's Modbus registers say: their bits into watts and joules. Pure.

A register has 16 bits; wider values are several in a row. Within a register the high byte comes
first (Modbus Application Protocol V1.1b3, 4.2); which register of a wide value comes first is
the vendor's choice. Values that SunSpec keeps for "not implemented" are refused.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import Literal

POWER_UNITS_W = {"W": 1, "kW": 1_000, "MW": 1_000_000}
ENERGY_UNITS_J = {"Wh": 3_600, "kWh": 3_600_000, "MWh": 3_600_000_000}

RegisterType = Literal["u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64"]

_FORMATS = {
    "u16": ">H",
    "i16": ">h",
    "u32": ">I",
    "i32": ">i",
    "u64": ">Q",
    "i64": ">q",
    "f32": ">f",
    "f64": ">d",
}

# SunSpec's scale factors are powers of ten in this range; 0x8000 is "not implemented".
MOST_EXPONENT = 10


class RegisterError(ValueError):
    """The registers hold no value; the text says why."""


@dataclass(frozen=True, slots=True)
class Register:
    """A value in a meter's registers, and how it becomes watts or joules."""

    address: int
    """As on the wire, from 0: a manual's 30001 or 40001 is 0."""
    function: Literal["holding", "input"] = "holding"
    type: RegisterType = "f32"
    low_word_first: bool = False
    scale: Fraction = Fraction(1)
    """Times this, its unit included: what one of it is in watts or joules."""
    exponent_address: int | None = None
    """Of a register (i16) with a power of ten to multiply by, as SunSpec meters have."""

    @property
    def size(self) -> int:
        """How many registers it takes."""
        return struct.calcsize(_FORMATS[self.type]) // 2

    @property
    def modulus(self) -> int | None:
        """What it counts to, with its scale; None where it is not known or is never reached."""
        if self.exponent_address is not None or self.type not in ("u16", "u32"):
            return None
        return int((1 << 16 * self.size) * self.scale)


def decode(register: Register, words: Sequence[int]) -> int | float:
    """The bare value of the registers.

    Raises:
        RegisterError: there are too few, or they say that there is no value.
    """
    if len(words) != register.size or not all(0 <= word <= 0xFFFF for word in words):
        raise RegisterError(f"got {len(words)} registers for {register.size}")
    ordered = reversed(words) if register.low_word_first else words
    data = b"".join(word.to_bytes(2, "big") for word in ordered)
    value: int | float = struct.unpack(_FORMATS[register.type], data)[0]
    if register.type[0] == "u" and data == b"\xff" * len(data):
        raise RegisterError("not implemented: all bits are set")
    if register.type[0] == "i" and data == b"\x80" + bytes(len(data) - 1):
        raise RegisterError("not implemented: the lowest value")
    return value


def power_of_ten(words: Sequence[int]) -> Fraction:
    """What a scale factor's register says.

    Raises:
        RegisterError: no meter has such a scale factor.
    """
    exponent = int(decode(Register(0, type="i16"), words))
    if abs(exponent) > MOST_EXPONENT:
        raise RegisterError(f"a scale factor of 10^{exponent}")
    return Fraction(10) ** exponent


def in_watts(register: Register, value: int | float, factor: Fraction = Fraction(1)) -> float:
    """Power. What is no number stays so: who judges readings flags it."""
    return float(value) * float(register.scale * factor)


def in_joules(register: Register, value: int | float, factor: Fraction = Fraction(1)) -> int:
    """Energy, exact but for a part of a joule.

    Raises:
        RegisterError: it is no number.
    """
    if not isfinite(value):
        raise RegisterError("its energy counter is no number")
    return int(Fraction(value) * register.scale * factor)
