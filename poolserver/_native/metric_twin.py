"""``metric_glue.h`` said in Python."""

import sys
from math import exp, expm1, inf, isnan, nan, sqrt
from struct import Struct

from poolserver._native.arguments import as_bytes, as_sized, as_uint, wrong_type

_STATE = Struct("=24d")
_NUMBER = Struct("=d")
_SIZE = Struct("=I")
_NUMBERS = 7
_NUMBER_DIGITS = 1e18
_WORK, _SQUARES, _HOUR = 2, 9, 16
_WINDOWS = ((1, 300.0), (3, 3600.0))


def read_meters(states: tuple[bytes, ...], now_s: float, /) -> bytes:
    """Rates, their sigmas, the stale and rejected parts and the silence of the meters."""
    _check_tuple(states, "states")
    rows = [_read(as_sized(state, "state", _STATE.size), float(now_s)) for state in states]
    columns = [number for column in range(_NUMBERS) for number in (row[column] for row in rows)]
    return b"".join(map(_NUMBER.pack, columns))


def _read(state: bytes, now_s: float) -> tuple[float, ...]:
    numbers = _STATE.unpack(state)
    last_s, began_s = numbers[:2]
    silence_s = max(0.0, now_s - last_s)
    age_s = max(now_s, last_s) - began_s
    rates, sigmas = [], []
    for number, tau_s in _WINDOWS:
        work = numbers[_WORK + number]
        observed_s = -tau_s * expm1(-age_s / tau_s)
        rate = work * exp(-silence_s / tau_s) / observed_s if observed_s > 0 else 0.0
        rates.append(rate)
        sigmas.append(rate * (sqrt(numbers[_SQUARES + number]) / work) if work > 0 else nan)
    judged, stale, rejected = numbers[_HOUR : _HOUR + 3]
    parts = (stale / judged, rejected / judged, silence_s) if judged > 0 else (nan,) * 3
    return (*rates, *sigmas, *parts)


def metric_labels(names: tuple[tuple[str, ...], ...], between: tuple[bytes, ...], /) -> bytes:
    """Labels of many names, packed for ``metric_lines``."""
    _check_tuple(names, "names")
    _check_tuple(between, "between", least=1)
    befores = [as_bytes(each, "between") for each in between]
    packed = bytearray()
    for name in names:
        if not _has_texts(name, len(befores) - 1):
            raise wrong_type("name", "tuple of enough texts", name)
        label = befores[0]
        for text, after in zip(name, befores[1:], strict=False):
            escaped = text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
            label += escaped.encode() + after
        packed += _SIZE.pack(len(label)) + label
    return bytes(packed)


def metric_lines(
    head: bytes, labels: bytes, tail: bytes, numbers: bytes, decimals: int, /
) -> bytes:
    """A line for each of the labels whose number is not NaN."""
    head, labels = as_bytes(head, "head"), as_bytes(labels, "labels")
    tail, numbers = as_bytes(tail, "tail"), as_bytes(numbers, "numbers")
    decimals = as_uint(decimals, "decimals", 9)
    lines, at = bytearray(), 0
    for (number,) in _NUMBER.iter_unpack(numbers[: len(numbers) // _NUMBER.size * _NUMBER.size]):
        begin = at + _SIZE.size
        at = begin + int.from_bytes(labels[at:begin], sys.byteorder)
        if not begin <= at <= len(labels):
            raise ValueError("labels must be as many as there are numbers")
        if not isnan(number):
            lines += b"%b%b%b%b\n" % (head, labels[begin:at], tail, _written(number, decimals))
    return bytes(lines)


def _check_tuple(value: object, name: str, least: int = 0) -> None:
    if not isinstance(value, tuple) or len(value) < least:
        raise wrong_type(name, "tuple", value)


def _has_texts(name: object, count: int) -> bool:
    if not isinstance(name, tuple) or len(name) < count:
        return False
    return all(isinstance(text, str) for text in name[:count])


def _written(value: float, decimals: int) -> bytes:
    scaled = value * 10.0**decimals
    if abs(scaled) < _NUMBER_DIGITS:
        rounded = round(scaled)
        digits = f"{abs(rounded):0{decimals + 1}d}"
        point = len(digits) - decimals
        digits = f"{digits[:point]}.{digits[point:]}" if decimals else digits
        return ("-" * (rounded < 0) + digits).encode()
    if abs(value) == inf:
        return b"-Inf" if value < 0 else b"+Inf"
    return repr(value).encode()
