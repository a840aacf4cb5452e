"""What is told of processes: of the coordinator's own, and of workers where they have their own."""

from pathlib import Path

from prometheus_client import CollectorRegistry

from poolserver.cluster import timings
from poolserver.cluster.messages import Timed, WorkerCounters
from poolserver.crew.tally import Tally
from poolserver.metrics.process import DiskMetrics, ProcessMetrics
from poolserver.process_watch import LAG_S, ProcessFigures, ProcessWatch
from tests.unit.counters import worker_counters

WORKER = ProcessFigures(7, 1_700_000_000.0, 12.5, 50_000_000, 10_012, None)


def told(source: str, lags: int, figures: ProcessFigures | None = WORKER) -> WorkerCounters:
    lag = Timed((lags, *[0] * len(LAG_S)), 0.001 * lags)
    return worker_counters(source=source, timed={timings.LOOP_LAG: lag}, process=figures)


def scrape(tally: Tally) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(ProcessMetrics(ProcessWatch(), tally))
    return registry


def test_each_process_has_a_series_by_its_name() -> None:
    tally = Tally()
    tally.take(told("pool-1/3/1", 5))
    value = scrape(tally).get_sample_value
    assert value("process_cpu_seconds_total", {"process": "3"}) == 12.5
    assert value("process_resident_memory_bytes", {"process": "3"}) == 50_000_000
    assert value("process_open_fds", {"process": "3"}) == 10_012
    assert value("process_max_fds", {"process": "3"}) is None
    assert value("process_start_time_seconds", {"process": "3"}) == 1_700_000_000
    assert value("poolserver_event_loop_lag_seconds_count", {"process": "3"}) == 5
    assert value("poolserver_gc_pause_seconds_count", {"process": "3", "generation": "2"}) == 0
    for name in ("process_cpu_seconds_total", "process_open_fds", "process_max_fds"):
        assert value(name, {"process": "coordinator"})


def test_a_worker_in_the_coordinators_process_is_not_told_of_twice() -> None:
    tally = Tally()
    tally.take(told("pool-1/0/1", 5, figures=None))
    registry = scrape(tally)
    processes = {
        sample.labels["process"] for family in registry.collect() for sample in family.samples
    }
    assert processes == {"coordinator"}


def test_counts_of_a_worker_go_on_in_its_next_life() -> None:
    tally = Tally()
    tally.take(told("pool-1/0/1", 5))
    tally.end("pool-1/0/1")
    tally.take(told("pool-1/0/2", 1))
    name = "poolserver_event_loop_lag_seconds_count"
    assert scrape(tally).get_sample_value(name, {"process": "0"}) == 6


def test_the_disk_is_that_of_the_folder_and_one_that_does_not_tell_is_left_out(
    tmp_path: Path,
) -> None:
    registry = CollectorRegistry()
    registry.register(DiskMetrics(tmp_path))
    free = registry.get_sample_value("poolserver_disk_free_bytes")
    size = registry.get_sample_value("poolserver_disk_size_bytes")
    assert free is not None
    assert size is not None
    assert 0 < free <= size
    assert list(DiskMetrics(tmp_path / "gone").collect()) == []
