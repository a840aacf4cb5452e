"""A set of hashes, in C and in its twin."""

from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

# Few first bytes, so that many fall in one place.
HASHES = st.builds(
    lambda head, tail: bytes([head]) * 8 + tail,
    st.sampled_from((0, 1, 255)),
    st.binary(min_size=24, max_size=24),
)


def hash_number(number: int) -> bytes:
    return number.to_bytes(32, "little")


def test_a_new_set_is_empty(native: ModuleType) -> None:
    seen = native.ShareSet()
    assert len(seen) == 0
    assert hash_number(1) not in seen
    assert seen.to_bytes() == b""


def test_a_hash_is_added_once(native: ModuleType) -> None:
    seen = native.ShareSet()
    assert seen.add(hash_number(1)) is True
    assert seen.add(hash_number(1)) is False
    assert len(seen) == 1
    assert hash_number(1) in seen
    assert hash_number(2) not in seen


@given(st.lists(HASHES | st.sampled_from([hash_number(n) for n in range(8)]), max_size=300))
def test_it_is_what_a_set_of_bytes_is_in_order(native: ModuleType, hashes: list[bytes]) -> None:
    seen, model = native.ShareSet(), dict[bytes, None]()
    for each in hashes:
        assert seen.add(each) is (each not in model)
        model[each] = None
    assert len(seen) == len(model)
    assert seen.to_bytes() == b"".join(model)
    assert all(each in seen for each in model)


def test_many_hashes_are_all_found(native: ModuleType) -> None:
    seen = native.ShareSet()
    for number in range(20_000):
        assert seen.add(hash_number(number))
    assert all(hash_number(number) in seen for number in range(20_000))
    assert hash_number(20_000) not in seen


def test_update_adds_what_to_bytes_gave(native: ModuleType) -> None:
    seen, other = native.ShareSet(), native.ShareSet()
    for number in range(100):
        seen.add(hash_number(number))
    other.add(hash_number(50))
    other.update(seen.to_bytes())
    other.update(b"")
    assert len(other) == 100
    assert other.to_bytes()[:64] == hash_number(50) + hash_number(0)


@pytest.mark.parametrize("item", [None, 1, "", b"", bytes(31), bytes(33), bytearray(32)])
def test_what_is_no_hash_is_in_no_set(native: ModuleType, item: object) -> None:
    seen = native.ShareSet()
    seen.add(bytes(32))
    assert item not in seen


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        ("add", TypeError, "hash_le must be bytes, not int"),
        ("update", TypeError, "hashes_le must be bytes, not int"),
    ],
)
def test_what_is_not_bytes_is_refused(
    native: ModuleType, call: str, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        getattr(native.ShareSet(), call)(1)


def test_a_wrong_size_is_refused_and_nothing_added(native: ModuleType) -> None:
    seen = native.ShareSet()
    with pytest.raises(ValueError, match="hash_le must be 32 bytes, is 31"):
        seen.add(bytes(31))
    with pytest.raises(ValueError, match="hashes_le must be a multiple of 32 bytes, is 65"):
        seen.update(bytes(65))
    assert len(seen) == 0


def test_it_takes_no_arguments(native: ModuleType) -> None:
    with pytest.raises(TypeError):
        native.ShareSet(b"")
