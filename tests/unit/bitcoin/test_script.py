"""Pushes and counts, against python-bitcoinlib and the rules of Bitcoin Core."""

from io import BytesIO

import pytest
from bitcoin.core.script import CScript
from bitcoin.core.serialize import VarIntSerializer
from hypothesis import given
from hypothesis import strategies as st

from poolserver.bitcoin.script import compact_size, push_data, push_height


@pytest.mark.parametrize("size", [0, 1, 75, 76, 255, 256, 520])
def test_a_push_has_the_shortest_opcode_with_a_length(size: int) -> None:
    data = bytes(size)
    push = push_data(data)
    assert push == bytes(CScript([data])) or size == 0
    assert push.endswith(data)
    assert len(push) - size == 1 + (size > 75) + (size > 255)


@given(st.binary(max_size=520))
def test_a_push_is_read_back(data: bytes) -> None:
    ((_, read, _),) = CScript(push_data(data)).raw_iter()
    assert (read or b"") == data


def test_a_push_of_more_than_520_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="520"):
        push_data(bytes(521))


@pytest.mark.parametrize(
    ("height", "push_hex"),
    [
        (0, "00"),
        (1, "51"),
        (16, "60"),
        (17, "0111"),
        (127, "017f"),
        (128, "028000"),  # a second byte keeps the sign bit clear
        (255, "02ff00"),
        (256, "020001"),
        (32767, "02ff7f"),
        (32768, "03008000"),
        (227_931, "035b7a03"),  # from here on main enforces BIP34
        (900_000, "03a0bb0d"),
        (8_388_607, "03ffff7f"),
        (8_388_608, "0400008000"),
        (0x7FFFFFFF, "04ffffff7f"),
    ],
)
def test_a_height_is_pushed_as_bitcoin_core_pushes_it(height: int, push_hex: str) -> None:
    assert push_height(height).hex() == push_hex


@given(st.integers(17, 0x7FFFFFFF))
def test_a_height_is_the_shortest_positive_script_number(height: int) -> None:
    size, number = push_height(height)[0], push_height(height)[1:]
    assert size == len(number)
    assert int.from_bytes(number, "little", signed=True) == height
    assert size == 1 or number[-1] != 0 or number[-2] >= 0x80


@pytest.mark.parametrize("height", [-1, 0x80000000])
def test_a_height_outside_31_bits_is_refused(height: int) -> None:
    with pytest.raises(ValueError, match="height"):
        push_height(height)


@pytest.mark.parametrize(
    ("count", "size_hex"),
    [
        (0, "00"),
        (252, "fc"),
        (253, "fdfd00"),
        (0xFFFF, "fdffff"),
        (0x10000, "fe00000100"),
        (0xFFFFFFFF, "feffffffff"),
        (0x100000000, "ff0000000001000000"),
    ],
)
def test_a_count_takes_1_3_5_or_9_bytes(count: int, size_hex: str) -> None:
    assert compact_size(count).hex() == size_hex


@given(st.integers(0, 2**64 - 1))
def test_a_count_is_read_back(count: int) -> None:
    assert VarIntSerializer.stream_deserialize(BytesIO(compact_size(count))) == count


@pytest.mark.parametrize("count", [-1, 1 << 64])
def test_a_count_outside_64_bits_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="count"):
        compact_size(count)
