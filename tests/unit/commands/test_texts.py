"""Figures as people read them."""

import doctest

from hypothesis import given
from hypothesis import strategies as st

from poolserver.commands import sites, terminal, texts


def test_the_examples_are_true() -> None:
    for module in (texts, terminal, sites):
        done = doctest.testmod(module)
        assert (done.failed, done.attempted > 0) == (0, True), module


@given(st.text())
def test_what_is_clean_is_printable_and_no_longer(text: str) -> None:
    assert texts.clean(text).isprintable()
    assert len(texts.clean(text)) == len(text)


@given(st.text(), st.integers(1, 50))
def test_what_is_shortened_is_not_wider(text: str, width: int) -> None:
    assert len(texts.shortened(text, width)) <= max(width, 1)


@given(st.integers(-(10**16), 10**16))
def test_an_amount_keeps_each_satoshi(sat: int) -> None:
    assert int(texts.btc(sat).replace(".", "")) == sat


@given(st.floats(0, 1e23))
def test_a_hashrate_has_at_most_three_digits_and_no_exponent(hashrate_h_s: float) -> None:
    number, _ = texts.hashrate_text(hashrate_h_s).split()
    assert "e" not in number
    assert len(number.replace(".", "").lstrip("0")) <= 3
