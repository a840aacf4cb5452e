"""A process tells what it is, and how late its loop is."""

import asyncio
import os
import time

from poolserver.process_watch import SAMPLE_S, ProcessWatch


def test_the_figures_are_of_this_process() -> None:
    before_s = time.process_time()
    figures = ProcessWatch().figures(0.0)
    assert figures.pid == os.getpid()
    assert before_s <= figures.cpu_s <= time.process_time()
    assert figures.started_unix_s <= time.time()
    assert figures.resident_bytes is None or figures.resident_bytes > 1_000_000
    assert figures.open_files is None or figures.open_files >= 3
    assert figures.most_files is None or figures.most_files >= (figures.open_files or 0)


def test_a_loop_that_is_held_up_is_late() -> None:
    async def held_up() -> ProcessWatch:
        watch = ProcessWatch()
        watch.start(0.0)
        try:
            await asyncio.sleep(0)
            # The test is of a loop that does not turn, so that it must not.
            held_until = time.monotonic() + 2.5 * SAMPLE_S
            while time.monotonic() < held_until:
                pass
            sampled = asyncio.Event()
            asyncio.get_running_loop().call_soon(sampled.set)  # behind what was due before
            await sampled.wait()
        finally:
            watch.stop()
        return watch

    watch = asyncio.run(held_up())
    assert watch.lag.seconds >= SAMPLE_S
    assert sum(watch.lag.counts[:5]) == 0  # up to 50 ms
