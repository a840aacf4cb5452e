"""What a process of ours says of itself: its time, memory and files, and how its loop keeps up."""

import asyncio
import os
import resource
import time
from contextlib import suppress
from typing import NamedTuple

from poolserver.collector import Collector
from poolserver.histogram import Histogram

# Ten times a second what is due now is late by as much as the loop was held up.
SAMPLE_S = 0.1
# uvloop's timers go by milliseconds, so below two nothing is meant.
LAG_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
# Linux before 6.2 has the open files counted one by one: 3 ms with 10,000 rigs.
COUNT_FILES_EVERY_S = 60.0


class ProcessFigures(NamedTuple):
    """At one moment. What the system does not tell is None."""

    pid: int
    started_unix_s: float
    cpu_s: float
    """Of all threads, since the start."""
    resident_bytes: int | None
    open_files: int | None
    most_files: int | None


class ProcessWatch:
    """Watches this process, from ``start`` to ``stop``. ``collector`` is looked after by it.

    The loop's lag is a sample: how late a timer was, ten times a second.
    """

    def __init__(self, collector: Collector | None = None) -> None:
        self.collector = collector or Collector()
        self.lag = Histogram(LAG_S)
        self._started_unix_s = time.time() - _age_s()
        self._timer: asyncio.TimerHandle | None = None
        self._files: int | None = None
        self._files_at = float("-inf")

    def start(self, now_s: float) -> None:
        """On the running loop, once all is loaded; ``now_s`` is monotonic."""
        self.collector.start(now_s)
        self._wait(asyncio.get_running_loop())

    def stop(self) -> None:
        """Watch no more."""
        self.collector.stop()
        if self._timer is not None:
            self._timer.cancel()

    def look(self, now_s: float) -> None:
        """Each second; ``now_s`` is monotonic. Garbage is collected where it is time."""
        self.collector.look(now_s)

    def figures(self, now_s: float) -> ProcessFigures:
        """How it stands; ``now_s`` is monotonic."""
        return ProcessFigures(
            os.getpid(),
            self._started_unix_s,
            time.process_time(),
            _resident_bytes(),
            self._open_files(now_s),
            _most_files(),
        )

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        # Not the loop's own time: uvloop's stands still within a turn.
        due_s = time.monotonic() + SAMPLE_S
        self._timer = loop.call_later(SAMPLE_S, self._sample, loop, due_s)

    def _sample(self, loop: asyncio.AbstractEventLoop, due_s: float) -> None:
        self.lag.note(max(0.0, time.monotonic() - due_s))
        self._wait(loop)

    def _open_files(self, now_s: float) -> int | None:
        with suppress(OSError):
            if count := os.stat("/proc/self/fd").st_size:
                return count
            if now_s - self._files_at >= COUNT_FILES_EVERY_S:
                self._files_at, self._files = now_s, len(os.listdir("/proc/self/fd"))
        return self._files


def _age_s() -> float:
    """For how long this process has been there; 0 where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        with open("/proc/self/stat", "rb") as file:
            # The second field is a name in brackets, in which anything may stand.
            begun_ticks = int(file.read().rpartition(b")")[2].split()[19])
        with open("/proc/uptime", "rb") as file:
            up_s = float(file.read().split()[0])
        return up_s - begun_ticks / os.sysconf("SC_CLK_TCK")
    return 0.0


def _resident_bytes() -> int | None:
    with suppress(OSError, ValueError, IndexError), open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return None


def _most_files() -> int | None:
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else soft
