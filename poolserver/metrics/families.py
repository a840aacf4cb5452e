"""Each family of metrics is declared once, as a constant of the module that fills it.

The declaration makes the family that is filled at a scrape, its row in docs/metrics.md, and what
the tests hold a scrape to. The names are a contract with the operators: they do not change.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar, cast

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.samples import Sample

from poolserver.histogram import Histogram as Observed

Rows = Iterable[tuple[Sequence[str], float]]
"""Texts of a family's labels, and the value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """What is declared. ``name`` as it is queried, ``help`` as a scrape tells it.

    ``meaning`` is for operators, in Markdown, where ``help`` does not say all. ``left_out`` says
    when a scrape has nothing of it: "before the first template".
    """

    kind: ClassVar[str]
    name: str
    labels: tuple[str, ...]
    help: str
    meaning: str = ""
    left_out: str = ""


class ValueFamily(Family):
    """Series that are one number each."""

    __slots__ = ()

    def make(self) -> GaugeMetricFamily | CounterMetricFamily:
        """To be filled."""
        raise NotImplementedError

    def later(self, rows: Callable[[], Rows]) -> Metric:
        """To be filled where it is read: in a thread, so ``rows`` is of what does not change."""
        family: Metric = self.make()
        family.samples = cast(list[Sample], _Later(self, rows))
        return family


class GaugeFamily(ValueFamily):
    """What goes up and down."""

    __slots__ = ()
    kind = "gauge"

    def make(self) -> GaugeMetricFamily:
        """To be filled."""
        return GaugeMetricFamily(self.name, self.help, labels=self.labels)

    def of(self, value: float) -> GaugeMetricFamily:
        """Without labels, and filled."""
        return GaugeMetricFamily(self.name, self.help, value=value)


class CounterFamily(ValueFamily):
    """What only grows, but for a restart."""

    __slots__ = ()
    kind = "counter"

    def make(self) -> CounterMetricFamily:
        """To be filled."""
        return CounterMetricFamily(self.name, self.help, labels=self.labels)

    def of(self, value: float) -> CounterMetricFamily:
        """Without labels, and filled."""
        return CounterMetricFamily(self.name, self.help, value=value)


class HistogramFamily(Family):
    """How often something took how long."""

    __slots__ = ()
    kind = "histogram"

    def make(self) -> HistogramMetricFamily:
        """To be filled, with ``buckets()``."""
        return HistogramMetricFamily(self.name, self.help, labels=self.labels)

    def of(self, observed: Observed) -> HistogramMetricFamily:
        """Without labels, and filled."""
        family = self.make()
        family.add_metric([], buckets(observed), observed.seconds)
        return family


class InfoFamily(Family):
    """A 1 with labels that say something."""

    __slots__ = ()
    kind = "info"

    def of(self, told: Mapping[str, str]) -> InfoMetricFamily:
        """Filled; ``told`` has a text for each label."""
        return InfoMetricFamily(self.name.removesuffix("_info"), self.help, value=dict(told))


def gauge(name: str, *labels: str, help: str, meaning: str = "", left_out: str = "") -> GaugeFamily:
    """Declare a gauge, as ``poolserver_NAME``."""
    return GaugeFamily(
        name=f"poolserver_{name}", labels=labels, help=help, meaning=meaning, left_out=left_out
    )


def counter(
    name: str, *labels: str, help: str, meaning: str = "", left_out: str = ""
) -> CounterFamily:
    """Declare a counter, as ``poolserver_NAME_total``."""
    return CounterFamily(
        name=f"poolserver_{name}_total",
        labels=labels,
        help=help,
        meaning=meaning,
        left_out=left_out,
    )


def histogram(
    name: str, *labels: str, help: str, meaning: str = "", left_out: str = ""
) -> HistogramFamily:
    """Declare a histogram, as ``poolserver_NAME``."""
    return HistogramFamily(
        name=f"poolserver_{name}", labels=labels, help=help, meaning=meaning, left_out=left_out
    )


def info(name: str, *labels: str, help: str, meaning: str = "", left_out: str = "") -> InfoFamily:
    """Declare texts, as ``poolserver_NAME_info``; of the pool itself as ``poolserver_info``."""
    full = f"poolserver_{name}_info" if name else "poolserver_info"
    return InfoFamily(name=full, labels=labels, help=help, meaning=meaning, left_out=left_out)


def buckets(observed: Observed) -> list[tuple[str, float]]:
    """Cumulative counts by upper bound, as a histogram's family takes them."""
    bounds = (*map(str, observed.bounds_s), "+Inf")
    return list(zip(bounds, map(float, accumulate(observed.counts)), strict=True))


class _Later:
    """The samples of a family, made each time that they are looked at."""

    def __init__(self, declared: ValueFamily, rows: Callable[[], Rows]) -> None:
        self._declared, self._rows = declared, rows

    def __iter__(self) -> Iterator[Sample]:
        family = self._declared.make()
        for labels, value in self._rows():
            family.add_metric(labels, value)
        return iter(family.samples)
