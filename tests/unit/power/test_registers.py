"""The bits of a meter's registers into watts and joules."""

import struct
from fractions import Fraction
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.power.registers import (
    ENERGY_UNITS_J,
    Register,
    RegisterError,
    RegisterType,
    decode,
    in_joules,
    in_watts,
    power_of_ten,
)


@pytest.mark.parametrize(
    ("type_", "words", "value"),
    [
        ("u16", [0x0102], 0x0102),
        ("i16", [0xFFFE], -2),
        ("u32", [0x0001, 0x0002], 65538),
        ("i32", [0xFFFF, 0xFFFF], -1),
        ("u64", [0, 0, 1, 0], 65536),
        ("i64", [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE], -2),
        ("f32", [0x42F6, 0xE979], pytest.approx(123.456)),
        ("f64", [0x405E, 0xDD2F, 0x1A9F, 0xBE77], 123.456),
    ],
)
def test_each_type_is_read_high_word_first_and_low_word_first(
    type_: RegisterType, words: list[int], value: float
) -> None:
    assert decode(Register(0, type=type_), words) == value
    assert decode(Register(0, type=type_, low_word_first=True), words[::-1]) == value


@pytest.mark.parametrize(
    ("type_", "words"),
    [
        ("u16", [0xFFFF]),
        ("i16", [0x8000]),
        ("u32", [0xFFFF, 0xFFFF]),
        ("i32", [0x8000, 0]),
        ("u64", [0xFFFF] * 4),
        ("i64", [0x8000, 0, 0, 0]),
        ("u32", [1]),
        ("u32", [1, 2, 3]),
        ("u16", [0x10000]),
        ("u16", [-1]),
        ("f32", []),
    ],
)
def test_what_is_no_value_is_refused(type_: RegisterType, words: list[int]) -> None:
    with pytest.raises(RegisterError):
        decode(Register(0, type=type_), words)


def test_a_power_that_is_no_number_stays_so_for_whoever_judges_it() -> None:
    register = Register(0)
    assert isnan(in_watts(register, decode(register, [0x7FC0, 0])))


def test_an_energy_that_is_no_number_is_refused() -> None:
    with pytest.raises(RegisterError, match="no number"):
        in_joules(Register(0), float("nan"))


def test_energy_is_exact_whatever_its_scale() -> None:
    register = Register(0, type="u64", scale=Fraction(1, 10) * ENERGY_UNITS_J["kWh"])
    assert in_joules(register, 2**63 - 1) == (2**63 - 1) * 360_000


def test_a_sunspec_meter_has_a_scale_factor() -> None:
    """Model 203: W as i16 with W_SF, a power of ten."""
    register = Register(40087, type="i16", exponent_address=40091)
    assert in_watts(register, 1234, power_of_ten([2])) == 123_400
    assert in_watts(register, 1234, power_of_ten([0xFFFF])) == pytest.approx(123.4)


@pytest.mark.parametrize("word", [0x8000, 11, 0xFFF5])
def test_a_scale_factor_that_no_meter_has_is_refused(word: int) -> None:
    with pytest.raises(RegisterError):
        power_of_ten([word])


def test_what_a_counter_counts_to_is_known_where_it_is_reached() -> None:
    assert Register(0, type="u32", scale=Fraction(3_600_000)).modulus == 2**32 * 3_600_000
    assert Register(0, type="u16", scale=Fraction(360)).modulus == 65536 * 360
    assert Register(0, type="u64").modulus is None
    assert Register(0, type="f32").modulus is None
    assert Register(0, type="u32", exponent_address=1).modulus is None


@given(value=st.floats(width=32), low_word_first=st.booleans())
def test_every_float_comes_through(value: float, low_word_first: bool) -> None:
    words = list(struct.unpack(">HH", struct.pack(">f", value)))
    register = Register(0, low_word_first=low_word_first)
    read = decode(register, words[::-1] if low_word_first else words)
    assert read == value or isnan(value)


@given(
    type_=st.sampled_from(["u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64"]),
    words=st.lists(st.integers(0, 0xFFFF), max_size=5),
)
def test_any_bits_are_a_value_or_refused(type_: RegisterType, words: list[int]) -> None:
    register = Register(0, type=type_)
    try:
        value = decode(register, words)
        in_watts(register, value)
        in_joules(register, value)
    except RegisterError:
        pass
