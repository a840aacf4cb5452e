"""Meters read and written for Prometheus, in C and in Python."""

from math import inf, isnan, nan
from struct import pack, unpack
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver._native import twin

finite = st.floats(0.0, 1e30)
TIMES = st.tuples(finite, finite).map(sorted).map(reversed)  # the last share, the beginning
SUMS = st.lists(finite, min_size=22, max_size=22)
STATE = st.tuples(TIMES, SUMS).map(lambda parts: pack("=24d", *parts[0], *parts[1]))
NUMBER = st.one_of(st.floats(-1e21, 1e21), st.floats(), st.just(nan))
A = twin.metric_labels((("a",),), (b"", b""))
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def packed(*values: float) -> bytes:
    return pack(f"={len(values)}d", *values)


def lines_of(module: ModuleType, *values: float, decimals: int = 0) -> list[bytes]:
    labels = module.metric_labels(tuple((f"{n}",) for n in range(len(values))), (b"", b""))
    written: bytes = module.metric_lines(b"x{", labels, b"} ", packed(*values), decimals)
    return written.splitlines()


def rows_of(numbers: bytes) -> list[tuple[float, ...]]:
    """What ``read_meters`` gave, by meter."""
    values = unpack(f"={len(numbers) // 8}d", numbers)
    count = len(values) // 7
    return [values[meter::count] for meter in range(count)]


@given(st.lists(STATE, max_size=4), finite)
def test_c_and_the_twin_read_the_same(c: ModuleType, states: list[bytes], now_s: float) -> None:
    ours = rows_of(c.read_meters(tuple(states), now_s))
    theirs = rows_of(twin.read_meters(tuple(states), now_s))
    assert len(ours) == len(theirs) == len(states)
    for mine, its in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(its, rel=1e-12, nan_ok=True)


@given(st.lists(NUMBER, max_size=5), st.integers(0, 9))
def test_c_and_the_twin_write_the_same(c: ModuleType, values: list[float], decimals: int) -> None:
    labels = c.metric_labels(tuple((f"{n}",) for n in range(len(values))), (b'worker="', b'"'))
    terms = (b"x{", labels, b',window="1h"} ', packed(*values), decimals)
    assert c.metric_lines(*terms) == twin.metric_lines(*terms)


@given(st.floats(allow_nan=False), st.integers(0, 9))
def test_what_is_written_is_the_number(c: ModuleType, value: float, decimals: int) -> None:
    (line,) = lines_of(c, value, decimals=decimals)
    written = float(line.removeprefix(b"x{0} "))
    assert written == pytest.approx(value, rel=1e-12, abs=0.6 * 10.0**-decimals)
    assert written >= 0 or value < 0  # nothing below zero that is not, and no "-0"


def test_whole_numbers_are_written_whole(native: ModuleType) -> None:
    assert lines_of(native, 0.0, 7.4, 7.6, -7.6, 1e14, 9.9e17) == [
        b"x{0} 0",
        b"x{1} 7",
        b"x{2} 8",
        b"x{3} -8",
        b"x{4} 100000000000000",
        b"x{5} 990000000000000000",
    ]


def test_decimals_are_all_there(native: ModuleType) -> None:
    assert lines_of(native, 0.0, 0.0123456, 1.0, -12.5, -0.0001, 1e14, decimals=3) == [
        b"x{0} 0.000",
        b"x{1} 0.012",
        b"x{2} 1.000",
        b"x{3} -12.500",
        b"x{4} 0.000",
        b"x{5} 100000000000000.000",
    ]


def test_what_has_too_many_digits_is_written_as_python_does(native: ModuleType) -> None:
    assert lines_of(native, 1e18, -1.5e300, inf, -inf) == [
        b"x{0} 1e+18",
        b"x{1} -1.5e+300",
        b"x{2} +Inf",
        b"x{3} -Inf",
    ]
    assert lines_of(native, 1.25e15, decimals=3) == [b"x{0} 1250000000000000.0"]


def test_what_is_no_number_has_no_line(native: ModuleType) -> None:
    assert lines_of(native, nan, 5.0, nan) == [b"x{1} 5"]


def test_a_meter_is_read(native: ModuleType) -> None:
    # Two shares of 600 at the end of an hour: one of the three judged was stale.
    work, squares = [1200.0] * 7, [720_000.0] * 7
    state = pack("=24d", 3600.0, 0.0, *work, *squares, 3.0, 1.0, 0.0, *[0.0] * 3, *[0.0] * 2)
    (read,) = rows_of(native.read_meters((state,), 3600.0 + 30.0))
    m5, h1, sigma_m5, sigma_h1, stale, rejected, silence_s = read
    assert m5 == pytest.approx(4.0 * 0.904837, rel=1e-4)  # nearly all of its time is seen
    assert h1 == pytest.approx(1200 / 3600 / 0.6352 * 0.99170, rel=1e-3)
    assert (sigma_m5 / m5, sigma_h1 / h1) == pytest.approx((0.7071, 0.7071), rel=1e-4)
    assert (stale, rejected, silence_s) == (pytest.approx(1 / 3), 0.0, 30.0)


def test_before_the_first_share_only_rates_are_known(native: ModuleType) -> None:
    state = pack("=24d", 5.0, 5.0, *[0.0] * 22)
    (read,) = rows_of(native.read_meters((state,), 5.0))
    assert read[:2] == (0.0, 0.0)
    assert all(map(isnan, read[2:]))


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        (("x{", A, b"} ", bytes(8), 0), "head must be bytes, not str"),
        ((b"x{", "a", b"} ", bytes(8), 0), "labels must be bytes, not str"),
        ((b"x{", A, "} ", bytes(8), 0), "tail must be bytes, not str"),
        ((b"x{", A, b"} ", 7, 0), "numbers must be bytes, not int"),
        ((b"x{", A, b"} ", bytes(16), 0), "as many as there are numbers"),
        ((b"x{", A[:-1], b"} ", bytes(8), 0), "as many as there are numbers"),
        ((b"x{", A, b"} ", bytes(8), 10), r"decimals must be in 0\.\.9"),
    ],
)
def test_what_cannot_be_written_is_refused(
    native: ModuleType, terms: tuple[object, ...], error: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        native.metric_lines(*terms)


def test_what_is_no_meter_is_refused(native: ModuleType) -> None:
    with pytest.raises(ValueError, match="state must be 192 bytes, is 191"):
        native.read_meters((bytes(191),), 0.0)
    with pytest.raises(TypeError, match="states must be tuple, not list"):
        native.read_meters([], 0.0)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=5))
def test_c_and_the_twin_label_the_same(c: ModuleType, names: list[tuple[str, str]]) -> None:
    for between in ((b'account="', b'",worker="', b'"'), (b'account="', b'"'), (b"x",)):
        assert c.metric_labels(tuple(names), between) == twin.metric_labels(tuple(names), between)


def test_what_would_end_a_label_is_escaped(native: ModuleType) -> None:
    labels = native.metric_labels((('a"} 1\nx\\', "left out"),), (b'a="', b'"'))
    assert labels[4:] == b'a="a\\"} 1\\nx\\\\"'


@pytest.mark.parametrize(
    ("names", "between", "error"),
    [
        ([], (b"",), "names must be tuple, not list"),
        ((), [], "between must be tuple, not list"),
        ((("a",),), ("x", b""), "between must be bytes, not str"),
        ((("a",),), (b"", b"", b""), "name must be tuple of enough texts, not tuple"),
        (((b"a",),), (b"", b""), "name must be tuple of enough texts, not tuple"),
        (("a",), (b"", b""), "name must be tuple of enough texts, not str"),
    ],
)
def test_what_is_no_name_is_refused(
    native: ModuleType, names: object, between: object, error: str
) -> None:
    with pytest.raises(TypeError, match=error):
        native.metric_labels(names, between)
