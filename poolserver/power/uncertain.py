"""A quantity with its error, and how errors add up.

Chance in shares, and in one meter's or one rig's make, is independent of all else: variances
add. The error of a nameplate is not: a thousand rigs of one model are off together, and it does
not average out. So the part that quantities have in common is kept by where it comes from:
within one source it adds up linearly, and sources are independent of each other.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import NamedTuple

Z95 = 1.959964
"""Half the width of a normal 95% interval, in sigmas."""


class Interval(NamedTuple):
    """From ``low`` to ``high``, both in the unit of the quantity."""

    low: float
    high: float

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Uncertain:
    """A value with its error, in any unit."""

    value: float = 0.0
    variance: float = 0.0
    """Of its own, independent of every other quantity; in the unit squared."""
    common: Mapping[str, float] = field(default_factory=dict)
    """By source, as in ``model:Antminer S21``: one sigma of what this source does to the value."""

    @property
    def sigma(self) -> float:
        """One standard error, of all that it comes from."""
        return sqrt(self.variance + sum(each * each for each in self.common.values()))

    def interval(self, z: float = Z95) -> Interval:
        """The normal interval. Of few shares take poisson.py's."""
        half = z * self.sigma
        return Interval(self.value - half, self.value + half)

    def __add__(self, other: "Uncertain") -> "Uncertain":
        return total((self, other))

    def __sub__(self, other: "Uncertain") -> "Uncertain":
        return total((self, other.scaled(-1.0)))

    def scaled(self, factor: float) -> "Uncertain":
        """Times an exact number."""
        return Uncertain(
            self.value * factor,
            self.variance * factor * factor,
            {source: sigma * factor for source, sigma in self.common.items()},
        )


NOTHING = Uncertain()


def total(parts: Iterable[Uncertain]) -> Uncertain:
    """The sum."""
    value = variance = 0.0
    common: dict[str, float] = {}
    for part in parts:
        value += part.value
        variance += part.variance
        for source, sigma in part.common.items():
            common[source] = common.get(source, 0.0) + sigma
    return Uncertain(value, variance, common)
