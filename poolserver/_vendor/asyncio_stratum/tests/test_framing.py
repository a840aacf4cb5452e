import doctest
import time

import pytest

from .. import LineBuffer, LineTooLong, framing
from .helpers import in_pieces


def lines_of(buffer: LineBuffer) -> list[bytes | None]:
    """All lines that are there; None for one that was too long."""
    lines: list[bytes | None] = []
    while True:
        try:
            line = buffer.next_line()
        except LineTooLong:
            lines.append(None)
            continue
        if line is None:
            return lines
        lines.append(line)


def cut(data: bytes, size: int, limit: int = 16) -> list[bytes | None]:
    buffer = LineBuffer(limit)
    for piece in in_pieces(data, size):
        buffer.feed(piece)
    return lines_of(buffer)


PIECES = pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])


def test_the_example_in_the_docstring_holds() -> None:
    assert doctest.testmod(framing).failed == 0


@PIECES
def test_lines_end_with_lf(size: int) -> None:
    assert cut(b"one\ntwo\nthr", size) == [b"one", b"two"]


@PIECES
def test_crlf_is_taken_and_only_one_cr_is_cut(size: int) -> None:
    assert cut(b"one\r\ntwo\r\r\nth\rree\n", size) == [b"one", b"two\r", b"th\rree"]


@PIECES
def test_empty_lines_are_skipped(size: int) -> None:
    assert cut(b"\n\r\n\none\n\n\r\ntwo\n", size) == [b"one", b"two"]


@PIECES
def test_a_line_of_just_the_limit_is_whole(size: int) -> None:
    assert cut(b"x" * 16 + b"\n", size) == [b"x" * 16]


@PIECES
def test_an_oversized_line_is_reported_once_in_its_place_and_the_stream_goes_on(size: int) -> None:
    data = b"one\n" + b"x" * 17 + b"\ntwo\n" + b"y" * 100 + b"\r\n\nthree\n"
    assert cut(data, size) == [b"one", None, b"two", None, b"three"]


def test_an_oversized_line_is_reported_before_its_end_is_there() -> None:
    buffer = LineBuffer(16)
    buffer.feed(b"x" * 17)
    assert lines_of(buffer) == [None]
    buffer.feed(b"x" * 1000)
    assert lines_of(buffer) == []
    buffer.feed(b"\none\n")
    assert lines_of(buffer) == [b"one"]


def test_the_rest_of_an_oversized_line_is_not_kept() -> None:
    buffer = LineBuffer(16)
    for _ in range(1000):
        buffer.feed(b"x" * 100)
    assert not buffer._tail


def test_lines_that_are_not_asked_for_are_kept() -> None:
    buffer = LineBuffer()
    buffer.feed(b"one\ntwo\n")
    assert buffer.next_line() == b"one"
    buffer.feed(b"three\n")
    assert lines_of(buffer) == [b"two", b"three"]


@pytest.mark.parametrize(
    ("data", "is_within_line"),
    [
        (b"", False),
        (b"one\n", False),
        (b"one\r\n\r\n", False),
        (b"one\ntwo", True),
        (b"x" * 17, True),  # too long, and its rest is still to come
        (b"x" * 100 + b"\n", False),
    ],
)
@PIECES
def test_it_is_known_whether_a_line_was_begun(data: bytes, is_within_line: bool, size: int) -> None:
    buffer = LineBuffer(16)
    for piece in in_pieces(data, size):
        buffer.feed(piece)
    assert buffer.is_within_line == is_within_line


def test_a_long_line_costs_as_much_per_byte_as_a_short_one_when_it_comes_byte_by_byte() -> None:
    def cost_per_byte(length: int) -> float:
        buffer = LineBuffer(length)
        line = [b"x"] * length
        start = time.perf_counter()
        for piece in line:
            buffer.feed(piece)
        return (time.perf_counter() - start) / length

    # Rescanning from the start would make it a hundred times as much.
    short = min(cost_per_byte(2_000) for _ in range(5))
    assert min(cost_per_byte(200_000) for _ in range(2)) < 10 * short


@PIECES
@pytest.mark.parametrize("cut_at", range(40))
def test_another_buffer_goes_on_where_one_left_off(cut_at: int, size: int) -> None:
    data = b"one\n" + b"x" * 18 + b"\ntwo\r\nthree\nfo"
    first, second = LineBuffer(16), LineBuffer(16)
    for piece in in_pieces(data[:cut_at], size):
        first.feed(piece)
    lines = lines_of(first)
    rest, discarding = first.rest()
    second.restore(rest, discarding=discarding)
    assert second.is_within_line == first.is_within_line
    second.feed(data[cut_at:] + b"ur\n")
    assert lines + lines_of(second) == [b"one", None, b"two", b"three", b"four"]


def test_lines_that_were_not_asked_for_go_along() -> None:
    first, second = LineBuffer(16), LineBuffer(16)
    first.feed(b"one\ntwo\r\nthr")
    rest, discarding = first.rest()
    second.restore(rest, discarding=discarding)
    assert lines_of(second) == [b"one", b"two"]
    assert second.is_within_line
