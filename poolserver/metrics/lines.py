"""Families with very many series: 100,000 workers, 10,000 nodes of the power tree.

Too many for objects: their lines are written by C, some rows at a time, so that nobody waits long
for Python's lock. A row is what one name has a number of in each family; its labels are packed once
a scrape. Numbers have so many decimals as their reader has use for: to write a double so that it
reads back the same takes four times as long, and they have errors of several percent.

All of them are gauges, which look the same in both of Prometheus' formats.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from math import nan
from typing import TypeVar

from poolserver._native import metric_labels, metric_lines
from poolserver.metrics.families import GaugeFamily

# C takes a fifth of a millisecond to write a line for each of so many: so long the loop waits.
AT_ONCE = 2048

T = TypeVar("T")


def batches(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """So many rows as C is given at once; none of no rows."""
    return (rows[i : i + AT_ONCE] for i in range(0, len(rows), AT_ONCE))


def heading(family: GaugeFamily) -> bytes:
    """What stands before a family's lines."""
    return f"# HELP {family.name} {family.help}\n# TYPE {family.name} gauge\n".encode()


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
    family: GaugeFamily, labels: bytes, numbers: bytes, decimals: int = 0, more: bytes = b""
) -> bytes:
    """A line for each row that has a number. ``more`` labels all of them have: ``,window="1h"``."""
    return metric_lines(f"{family.name}{{".encode(), labels, more + b"} ", numbers, decimals)
