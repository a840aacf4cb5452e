"""What Prometheus is told of the garbage collector's runs."""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector as MetricCollector

from poolserver.collector import BUCKETS_S, Collector

_BOUNDS = (*map(str, BUCKETS_S), "+Inf")


class CollectorMetrics(MetricCollector):
    """Of this process."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(
            "poolserver_gc_pause_seconds",
            "Runs of the garbage collector, all threads stand still meanwhile.",
            labels=["generation"],
        )
        for generation, pauses in enumerate(self._collector.pauses):
            counts = zip(_BOUNDS, accumulate(pauses.buckets), strict=True)
            family.add_metric([str(generation)], list(counts), pauses.seconds)
        yield family
