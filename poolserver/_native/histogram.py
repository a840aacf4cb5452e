"""``histogram_glue.h`` said in Python."""

from bisect import bisect_left
from typing import final

from poolserver._native.arguments import as_uint, wrong_type

BOUNDS_MAX = 16
_UINT32_MAX, _UINT64_MAX = 2**32 - 1, 2**64 - 1


@final
class Histogram:
    """How often something took how long, by upper bounds that never change."""

    __slots__ = ("_counts", "bounds_s", "seconds")

    def __init__(self, bounds_s: tuple[float, ...]) -> None:
        if not isinstance(bounds_s, tuple):
            raise wrong_type("bounds_s", "tuple", bounds_s)
        if len(bounds_s) > BOUNDS_MAX:
            raise ValueError(f"bounds_s may have {BOUNDS_MAX} items")
        self.bounds_s = tuple(map(float, bounds_s))
        self.seconds = 0.0
        self._counts = [0] * (len(bounds_s) + 1)

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple(self._counts)

    def note(self, seconds: float, count: int = 1, /) -> None:
        self._counts[bisect_left(self.bounds_s, seconds)] += as_uint(count, "count", _UINT32_MAX)
        self.seconds += seconds * count

    def add(self, counts: tuple[int, ...], seconds: float, /) -> None:
        if not isinstance(counts, tuple):
            raise wrong_type("counts", "tuple", counts)
        if len(counts) == len(self._counts):
            more = [as_uint(count, "a count", _UINT64_MAX) for count in counts]
            self._counts = [mine + its for mine, its in zip(self._counts, more, strict=True)]
            self.seconds += seconds
