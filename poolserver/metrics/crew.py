"""What Prometheus is told of the worker processes."""

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from poolserver.crew.berths import Berths
from poolserver.metrics.families import counter, gauge

WORKER_PROCESSES = gauge(
    "worker_processes",
    help="Worker processes that take rigs.",
    meaning=("[Worker processes](processes.md) that take rigs; 1 where all is in one process"),
)
WORKER_UP = gauge(
    "worker_up",
    "process",
    help="1 while it takes rigs and speaks to the coordinator.",
    meaning=(
        "1 while this worker process takes rigs and speaks to the coordinator. It may well "
        "mine at 0"
    ),
)
WORKER_RESTARTS = counter(
    "worker_restarts",
    "process",
    help="How often it was started again since the coordinator's start.",
    meaning="how often it was started again since the coordinator's start",
)


class CrewMetrics(Collector):
    """One series a worker process; a pool in one process is its own worker."""

    def __init__(self, berths: Berths) -> None:
        self._berths = berths

    def collect(self) -> Iterator[Metric]:
        up, restarts = WORKER_UP.make(), WORKER_RESTARTS.make()
        for berth in self._berths:
            name = [str(berth.index)]
            up.add_metric(name, int(berth.is_up))
            restarts.add_metric(name, berth.restarts)
        yield WORKER_PROCESSES.of(self._berths.up)
        yield from (up, restarts)
