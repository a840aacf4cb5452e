"""What Prometheus is told of the worker processes."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from poolserver.crew.berths import Berths
from poolserver.metrics.families import gauge


class CrewMetrics(Collector):
    """One series a worker process; a pool in one process is its own worker."""

    def __init__(self, berths: Berths) -> None:
        self._berths = berths

    def collect(self) -> Iterator[Metric]:
        processes = gauge("worker_processes", "Worker processes that take rigs.")
        processes.add_metric([], self._berths.up)
        up = gauge("worker_up", "1 while it takes rigs and speaks to the coordinator.", "process")
        restarts = CounterMetricFamily(
            "poolserver_worker_restarts",
            "How often it was started again since the coordinator's start.",
            labels=["process"],
        )
        for berth in self._berths:
            name = [str(berth.index)]
            up.add_metric(name, int(berth.is_up))
            restarts.add_metric(name, berth.restarts)
        yield from (processes, up, restarts)
