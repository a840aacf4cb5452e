from typing import Any

import pytest

from .. import ParamsError, StratumError
from ..fields import difficulty, hex_bytes, hex_word, is_hex, optional_text, parse_error

NO_HEX: list[Any] = ["0x", "+1", "1_", " 1", "1 ", "-1", "gg", "١٢", "\n1", 11, None, True, [1, 2]]


@pytest.mark.parametrize("value", [*NO_HEX, "abc"])
def test_hex_is_a_string_of_an_even_number_of_hex_digits_and_nothing_else(value: Any) -> None:
    with pytest.raises(ParamsError):
        hex_bytes(value)
    assert not is_hex(value, 2)


def test_hex_is_taken_in_either_case() -> None:
    assert hex_bytes("aBcD") == b"\xab\xcd"
    assert hex_bytes("") == b""
    assert is_hex("aBcD", 4)
    assert not is_hex("aBcD", 8)


@pytest.mark.parametrize("value", [*NO_HEX, "", "123456789"])
def test_a_word_has_1_to_8_hex_digits(value: Any) -> None:
    with pytest.raises(ParamsError):
        hex_word(value)


def test_a_word_may_lack_leading_zeros() -> None:
    assert hex_word("1") == 1
    assert hex_word("FFFFFFFF") == 0xFFFFFFFF


@pytest.mark.parametrize("value", [0, -1, 0.0, "1", None, True, [1], 10**400, float("inf")])
def test_a_difficulty_is_a_finite_number_above_0(value: Any) -> None:
    with pytest.raises(ParamsError):
        difficulty(value)


def test_a_difficulty_is_a_float_however_it_is_written() -> None:
    assert repr(difficulty(1024)) == "1024.0"
    assert difficulty(1e-9) == 1e-9


def test_a_missing_or_null_text_is_empty() -> None:
    assert optional_text([], 0, "name") == optional_text([None], 0, "name") == ""
    assert optional_text(["a"], 0, "name") == "a"
    with pytest.raises(ParamsError, match="the name is not a string"):
        optional_text([1], 0, "name")


@pytest.mark.parametrize(
    ("error", "parsed"),
    [
        (None, None),
        (False, None),
        ([], None),
        ([21, "stale", None], StratumError(21, "stale")),
        ([21], StratumError(21, "no reason given")),
        (["stale"], StratumError(20, "no reason given")),
        ({"code": 23, "message": "low"}, StratumError(23, "low")),
        ({"message": "low"}, StratumError(20, "low")),
        ("low", StratumError(20, "low")),
        (True, StratumError(20, "no reason given")),
        ([True, 5], StratumError(20, "no reason given")),
    ],
)
def test_an_error_is_understood_in_every_shape(error: Any, parsed: StratumError | None) -> None:
    assert parse_error(error) == parsed
