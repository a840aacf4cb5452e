"""All of it for a running pool: two registries, and lines of what there is very much of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from prometheus_client import CollectorRegistry

from poolserver.config import Config
from poolserver.coordinator import Coordinator
from poolserver.crew.berths import Berths
from poolserver.handover.reload import ReloadFacts
from poolserver.metrics.audit import AuditMetrics
from poolserver.metrics.crew import CrewMetrics
from poolserver.metrics.http import HttpMetrics
from poolserver.metrics.lines import Encoder
from poolserver.metrics.nodes import NodeMetrics, RpcMetrics
from poolserver.metrics.pool import PoolMetrics
from poolserver.metrics.power import PowerSeries
from poolserver.metrics.process import DiskMetrics, ProcessMetrics
from poolserver.metrics.reloads import ReloadMetrics
from poolserver.metrics.signals import ReadingSeries
from poolserver.metrics.workers import WorkerSeries
from poolserver.node.group import NodeGroup
from poolserver.process_watch import ProcessWatch


@dataclass(frozen=True, slots=True)
class PoolMetricsOutfit:
    """``on_loop`` is read on the event loop, ``in_thread`` in a thread: what waits for a disk."""

    on_loop: CollectorRegistry = field(default_factory=CollectorRegistry)
    in_thread: CollectorRegistry = field(default_factory=CollectorRegistry)
    rpc: RpcMetrics = field(default_factory=RpcMetrics)

    def __post_init__(self) -> None:
        self.on_loop.register(self.rpc)

    def watch_http(self, readers: Callable[[], int]) -> HttpMetrics:
        """The HTTP server's hook; ``readers`` tells how many read the stream."""
        http = HttpMetrics(readers)
        self.on_loop.register(http)
        return http

    def watch(
        self,
        config: Config,
        coordinator: Coordinator,
        group: NodeGroup,
        berths: Berths,
        process: ProcessWatch,
        facts: ReloadFacts,
    ) -> None:
        """Tell of these parts from now on."""
        for collector in (
            CrewMetrics(berths),
            PoolMetrics(coordinator, config.network),
            NodeMetrics(group),
            AuditMetrics(coordinator.auditor),
            ProcessMetrics(process, coordinator.tally),
            ReloadMetrics(facts),
        ):
            self.on_loop.register(collector)
        self.in_thread.register(DiskMetrics(config.data_dir))


def many_series(config: Config, coordinator: Coordinator) -> Callable[[Encoder], Iterator[bytes]]:
    """Lines of power nodes and meters, and of single workers and accounts where that is wanted; to
    be asked for in a thread.
    """
    room = coordinator.room
    series = [PowerSeries(lambda: room.view).lines, ReadingSeries(room.books.meters).lines]
    if config.metrics.workers != "none":
        series.append(WorkerSeries(coordinator.meters, config.metrics).lines)
    return lambda encode: chain.from_iterable(lines(encode) for lines in series)
