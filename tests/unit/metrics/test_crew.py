"""What is told of worker processes."""

from prometheus_client import CollectorRegistry

from poolserver.crew.berths import Berths, begin, end, link, part
from poolserver.metrics.crew import CrewMetrics


def test_each_worker_is_told_of_and_how_many_there_are() -> None:
    berths = Berths(2)
    registry = CollectorRegistry()
    registry.register(CrewMetrics(berths))
    for berth in berths:
        begin(berth, 0.0)
        link(berth, f"pool-1/{berth.index}/1")
        berth.has_listened = True
    assert registry.get_sample_value("poolserver_worker_processes") == 2
    first = next(iter(berths))
    part(first)
    end(first, 1.0)
    begin(first, 1.0)
    assert registry.get_sample_value("poolserver_worker_processes") == 1
    for index, up, restarts in (("0", 0, 1), ("1", 1, 0)):
        process = {"process": index}
        assert registry.get_sample_value("poolserver_worker_up", process) == up
        assert registry.get_sample_value("poolserver_worker_restarts_total", process) == restarts
