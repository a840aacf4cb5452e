"""How plain values are read."""

from contextlib import suppress
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.config.kinds import Bounds, exact, figure, number, quoted, shown, text, truth, whole

anything = st.one_of(
    st.integers(),
    st.decimals(),
    st.booleans(),
    st.text(),
    st.just([]),
    st.just({}),
    st.just(date(2026, 1, 3)),
)


@pytest.mark.parametrize(
    ("reader", "raw", "trouble"),
    [
        (text, 7, "must be text in quotes, is 7"),
        (text, "", 'must be text without control characters, is ""'),
        (text, "a\nb", 'must be text without control characters, is "a\\u000ab"'),
        (truth, 1, "must be true or false, is 1"),
        (truth, "true", 'must be true or false, is "true"'),
        (whole, True, "must be a whole number, is true"),
        (whole, Decimal("2.0"), "must be a whole number, is 2.0"),
        (whole, 2**63, "must be a whole number, is beyond 64 bits"),
        (number, True, "must be a number, is true"),
        (number, Decimal("NaN"), "must be a number, is NaN"),
        (number, Decimal("-Infinity"), "must be a number, is -Infinity"),
        (number, date(2026, 1, 3), "must be a number, is a date or time"),
        (number, [], "must be a number, is a list"),
        (number, {}, "must be a number, is a table"),
    ],
)
def test_what_is_not_of_a_kind_is_named(reader: Any, raw: object, trouble: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the whole text is compared
        reader(raw)
    assert str(error.value) == trouble


@pytest.mark.parametrize(
    ("bounds", "value", "trouble"),
    [
        (Bounds(ge=1), 0, "must be at least 1, is 0"),
        (Bounds(gt=0), 0, "must be above 0, is 0"),
        (Bounds(ge=1, le=9), 10, "must be at most 9, is 10"),
        (Bounds(ge=2.0**-32), 0, "must be at least 2^-32, is 0"),
    ],
)
def test_a_number_out_of_its_bounds_is_told_the_bound(
    bounds: Bounds, value: int, trouble: str
) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the whole text is compared
        bounds.hold(value, value)
    assert str(error.value) == trouble


def test_bounds_include_their_ends() -> None:
    assert [Bounds(ge=1, le=9).hold(value, value) for value in (1, 9)] == [1, 9]


def test_bounds_in_words() -> None:
    assert str(Bounds(ge=1, le=9)) == ", 1 to 9"
    assert str(Bounds(gt=0, le=9)) == ", above 0, at most 9"
    assert str(Bounds()) == ""


def test_an_exact_number_is_not_rounded_to_binary() -> None:
    kind = (exact().extra or {})["kind"]
    assert kind.read(Decimal("1.05")) == Fraction(21, 20)
    assert kind.read(1) == 1


@pytest.mark.parametrize(
    ("value", "written"),
    [(16384, "16384"), (0.05, "0.05"), (2.0**-32, "2^-32"), (2**64, "2^64"), (12.0, "12")],
)
def test_figures_are_as_a_person_writes_them(value: float, written: str) -> None:
    assert figure(value) == written


def test_long_text_is_cut() -> None:
    assert quoted("x" * 81) == '"' + "x" * 80 + '…"'
    assert quoted("x" * 80) == '"' + "x" * 80 + '"'


@given(anything)
def test_whatever_was_written_is_shown_in_one_short_line(raw: object) -> None:
    assert shown(raw).isprintable()
    assert len(shown(raw)) < 600


@given(anything)
def test_readers_refuse_with_a_value_error_only(raw: object) -> None:
    for reader in (text, truth, whole, number):
        with suppress(ValueError):
            assert reader(raw) == raw
