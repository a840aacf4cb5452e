"""What Prometheus is told of the pool's own processes."""

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector as MetricCollector

from poolserver.collector import Collector
from poolserver.metrics.families import buckets, histogram

GC_PAUSE = histogram(
    "gc_pause_seconds",
    "generation",
    help="Runs of the garbage collector, all threads stand still meanwhile.",
    meaning=(
        "Runs of Python's garbage collector; all threads stand still meanwhile. Those of "
        "generation 2 look at everything, and are [seldom](adr/0035-the-collector-waits.md)"
    ),
)


class CollectorMetrics(MetricCollector):
    """The garbage collector's runs in this process."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def collect(self) -> Iterator[Metric]:
        family = GC_PAUSE.make()
        for generation, pauses in enumerate(self._collector.pauses):
            family.add_metric([str(generation)], buckets(pauses), pauses.seconds)
        yield family
