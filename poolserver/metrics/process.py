"""What Prometheus is told of the pool's own processes and of its disk."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from poolserver.cluster import timings
from poolserver.crew.tally import Tally, index_of
from poolserver.histogram import Histogram
from poolserver.metrics.families import (
    CounterFamily,
    GaugeFamily,
    buckets,
    gauge,
    histogram,
)
from poolserver.process_watch import ProcessFigures, ProcessWatch

COORDINATOR = "coordinator"

# Named as all programs' are.
CPU = CounterFamily(
    name="process_cpu_seconds_total",
    labels=("process",),
    help="Processor time of all threads.",
)
RESIDENT = GaugeFamily(
    name="process_resident_memory_bytes",
    labels=("process",),
    help="Memory that is resident.",
)
OPEN_FILES = GaugeFamily(
    name="process_open_fds",
    labels=("process",),
    help="Open files, a rig's connection is one.",
    meaning="Open files; a rig's connection is one. On Linux before 6.2 up to a minute old",
)
MOST_FILES = GaugeFamily(
    name="process_max_fds",
    labels=("process",),
    help="Files that may be open at most.",
)
STARTED = GaugeFamily(
    name="process_start_time_seconds",
    labels=("process",),
    help="When the process was started, in Unix time.",
)
LOOP_LAG = histogram(
    "event_loop_lag_seconds",
    "process",
    help="How late the event loop is with what is due now, looked at ten times a second.",
    meaning=(
        "How late the event loop is with what is due now, looked at ten times a second: answers "
        "to rigs and new work wait for so long. Below 2 ms nothing is told apart"
    ),
)
GC_PAUSE = histogram(
    "gc_pause_seconds",
    "process",
    "generation",
    help="Runs of the garbage collector, all threads stand still meanwhile.",
    meaning=(
        "Runs of Python's garbage collector; all threads stand still meanwhile. Those of "
        "generation 2 look at everything, and are [seldom](adr/0035-the-collector-waits.md)"
    ),
)
DISK_FREE = gauge(
    "disk_free_bytes",
    help="What the pool may still write to the disk that data_dir is on.",
    meaning="What the pool may still write to the disk that `data_dir` is on",
    left_out="while the disk does not tell",
)
DISK_SIZE = gauge(
    "disk_size_bytes",
    help="The size of the disk that data_dir is on.",
    meaning="The size of the disk that `data_dir` is on",
    left_out="while the disk does not tell",
)


class ProcessMetrics(Collector):
    """Of the coordinator's process, by its own watch, and of workers by what they tell."""

    def __init__(self, watch: ProcessWatch, tally: Tally) -> None:
        self._watch = watch
        self._tally = tally

    def collect(self) -> Iterator[Metric]:
        yield from _figures(self._processes())
        lag, pauses = LOOP_LAG.make(), GC_PAUSE.make()

        def add(process: str, lag_seen: Histogram, runs: Iterator[Histogram]) -> None:
            lag.add_metric([process], buckets(lag_seen), lag_seen.seconds)
            for generation, each in enumerate(runs):
                pauses.add_metric([process, str(generation)], buckets(each), each.seconds)

        add(COORDINATOR, self._watch.lag, iter(self._watch.collector.pauses))
        workers = {index for index, _ in self._processes()} - {COORDINATOR}
        for index, counts in self._tally.by_worker().items():
            if index in workers:
                timed = counts.timed
                add(index, timed[timings.LOOP_LAG], (timed[name] for name in timings.GARBAGE))
        yield from (lag, pauses)

    def _processes(self) -> Iterator[tuple[str, ProcessFigures]]:
        yield COORDINATOR, self._watch.figures(time.monotonic())
        for source, told in self._tally.living.items():
            if told.process is not None:  # else it is in this process
                yield index_of(source), told.process


def _figures(processes: Iterator[tuple[str, ProcessFigures]]) -> Iterator[Metric]:
    cpu, started = CPU.make(), STARTED.make()
    resident, files, most = RESIDENT.make(), OPEN_FILES.make(), MOST_FILES.make()
    for process, figures in processes:
        name = [process]
        cpu.add_metric(name, figures.cpu_s)
        started.add_metric(name, figures.started_unix_s)
        for family, value in (
            (resident, figures.resident_bytes),
            (files, figures.open_files),
            (most, figures.most_files),
        ):
            if value is not None:
                family.add_metric(name, value)
    yield from (cpu, resident, files, most, started)


class DiskMetrics(Collector):
    """Of the disk that this folder is on. To be read in a thread: a disk may hang."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        with suppress(OSError):
            disk = os.statvfs(self._folder)
            yield DISK_FREE.of(disk.f_bavail * disk.f_frsize)
            yield DISK_SIZE.of(disk.f_blocks * disk.f_frsize)
