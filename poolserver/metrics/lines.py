"""Families with very many series: 100,000 workers, 10,000 nodes of the power tree and their meters.

Too many for objects: their lines are written by C, some rows at a time, so that nobody waits long
for Python's lock. A row is what one name has a number of in each family; its labels are packed once
a scrape. Numbers have so many decimals as their reader has use for: to write a double so that it
reads back the same takes four times as long, and they have errors of several percent.

What stands before a family's lines is told by Prometheus' client, whose two formats do not agree on
the names of counters; the lines are the same in both.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator
from math import nan
from typing import TypeVar

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from poolserver._native import metric_labels, metric_lines
from poolserver.metrics.families import ValueFamily

Encoder = Callable[[Collector], bytes]
"""Writes families down in the format that was asked for, without the end of a scrape."""

# C takes a fifth of a millisecond to write a line for each of so many: so long the loop waits.
AT_ONCE = 2048

T = TypeVar("T")


def batches(rows: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    """So many rows as C is given at once; none of no rows."""
    return (rows[i : i + AT_ONCE] for i in range(0, len(rows), AT_ONCE))


def heading(family: ValueFamily, encode: Encoder) -> bytes:
    """What stands before a family's lines."""
    return encode(_Empty(family))


class _Empty(Collector):
    """A family that has nothing yet."""

    def __init__(self, family: ValueFamily) -> None:
        self._family = family

    def collect(self) -> Iterator[Metric]:
        yield self._family.make()


def pack_labels(names: Iterable[tuple[str, ...]], *labels: str) -> bytes:
    """The labels of some rows, for ``lines``; of each name they have the first texts.

    Prometheus' own client writes labels in alphabetical order, and so are they to be given.
    """
    first, *others = labels
    between = (f'{first}="', *(f'",{label}="' for label in others), '"')
    return metric_labels(tuple(names), tuple(map(str.encode, between)))


def pack_numbers(numbers: Iterable[float | None]) -> bytes:
    """A column of doubles, for ``lines``; None has no line."""
    return array("d", [nan if number is None else number for number in numbers]).tobytes()


def lines(
    family: ValueFamily,
    labels: bytes,
    numbers: bytes,
    decimals: int = 0,
    more: bytes = b"",
) -> bytes:
    """A line for each row that has a number. ``more`` labels all of them have: ``,window="1h"``."""
    return metric_lines(f"{family.name}{{".encode(), labels, more + b"} ", numbers, decimals)
