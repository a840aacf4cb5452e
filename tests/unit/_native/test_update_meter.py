"""A meter in C and in Python; what it means is in tests/unit/stats/test_meter.py."""

from struct import pack, unpack
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver._native import twin

NUMBERS = 24
DECAYS = 14

finite = st.floats(0.0, 1e30)
states = st.lists(finite, min_size=NUMBERS, max_size=NUMBERS).map(lambda all: pack("<24d", *all))
decays = st.lists(st.floats(0.0, 1.0), min_size=DECAYS, max_size=DECAYS).map(
    lambda all: pack("<14d", *all)
)
counts = st.integers(0, 1000)


@given(st.tuples(states, decays, *[finite] * 3, *[counts] * 3, finite, counts))
def test_c_and_the_twin_give_the_same_meter(c: ModuleType, news: tuple[Any, ...]) -> None:
    ours, theirs = c.update_meter(*news), twin.update_meter(*news)
    # To the last bit but where a compiler joins a product and a sum.
    assert unpack("<24d", ours) == pytest.approx(unpack("<24d", theirs), rel=1e-14)


def test_the_best_share_of_another_round_is_forgotten(native: ModuleType) -> None:
    state = pack("<24d", *[0.0] * 22, 500.0, 1.0)
    same = native.update_meter(state, bytes(112), 1.0, 0.0, 0.0, 0, 0, 0, 9.0, 1)
    assert unpack("<24d", same)[22:] == (500.0, 1.0)
    other = native.update_meter(state, bytes(112), 1.0, 0.0, 0.0, 0, 0, 0, 9.0, 2)
    assert unpack("<24d", other)[22:] == (9.0, 2.0)


@pytest.mark.parametrize(("state", "left"), [(bytes(191), bytes(112)), (bytes(192), bytes(111))])
def test_a_meter_of_another_size_is_refused(native: ModuleType, state: bytes, left: bytes) -> None:
    with pytest.raises(ValueError, match=r"must be 1[19]2 bytes, is 1[19]1"):
        native.update_meter(state, left, 1.0, 0.0, 0.0, 0, 0, 0, 0.0, 0)


def test_what_is_no_number_is_refused(c: ModuleType) -> None:
    with pytest.raises(TypeError):
        c.update_meter(bytes(192), bytes(112), "now", 0.0, 0.0, 0, 0, 0, 0.0, 0)
