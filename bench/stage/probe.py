"""The pool with a probe in it: how long its event loop stands still, and what ran meanwhile.

    python -m bench.stage.probe run --config FILE

A heart beats on the loop each millisecond. Another thread looks each half millisecond: where the
heart is late it takes down what every thread is at. Runs of the garbage collector are taken down
as well, and how long the loop's thread was ready to run and had no core: that is the machine's
doing. On SIGRTMIN the counts begin anew; on the signal after it what was seen goes to the file that
POOL_PROBE names, as JSON. It needs nothing of the pool's own.
"""

import asyncio
import gc
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from types import FrameType
from typing import Any

BEAT_S = 0.001
LATE_S = 0.002
LOOK_S = 0.0005
KEPT = 40
# Frames in which a thread waits for something to do.
IDLE = ("wait", "_worker", "select", "run_forever", "_look", "get")


class Probe:
    """Of one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._main = threading.main_thread().ident
        self._beat_at = time.perf_counter()
        self._schedule = open("/proc/thread-self/schedstat")  # noqa: SIM115 - for ever
        self._waited_s = 0.0
        self._seen: Counter[str] = Counter()  # in the pause that goes on
        self._began_collecting = 0.0
        self.begin()
        gc.callbacks.append(self._on_collection)
        loop.add_signal_handler(signal.SIGRTMIN, self.begin)
        loop.add_signal_handler(signal.SIGRTMIN + 1, self.write)
        threading.Thread(target=self._look, daemon=True, name="probe").start()
        self._beat()

    def begin(self) -> None:
        self._began_at = time.perf_counter()
        self._worked_s = _processor_s()
        self.pauses: list[tuple[float, float, dict[str, int]]] = []
        self.lags_s: list[float] = []
        self.collections: list[tuple[int, float]] = []

    # --- on the loop ---------------------------------------------------------------------

    def _beat(self) -> None:
        now = time.perf_counter()
        late_s = now - self._beat_at - BEAT_S
        self._beat_at = now
        seen, self._seen = self._seen, Counter()
        self._schedule.seek(0)
        waited_s = int(self._schedule.read().split()[1]) / 1e9
        without_core_s, self._waited_s = waited_s - self._waited_s, waited_s
        own_s = max(0.0, late_s - without_core_s)
        self.lags_s.append(own_s)
        if own_s >= LATE_S:
            self.pauses.append((own_s, without_core_s, dict(seen.most_common(4))))
        self._loop.call_later(BEAT_S, self._beat)

    def _on_collection(self, phase: str, told: dict[str, int]) -> None:
        now = time.perf_counter()
        if phase == "start":
            self._began_collecting = now
            return
        took_s = now - self._began_collecting
        self.collections.append((told["generation"], took_s))
        if took_s >= BEAT_S:
            self._seen[f"GARBAGE COLLECTION {told['generation']}: {1000 * took_s:.1f} ms"] += 1000

    # --- beside it -----------------------------------------------------------------------

    def _look(self) -> None:
        me = threading.get_ident()
        while True:
            time.sleep(LOOK_S)
            if time.perf_counter() - self._beat_at < BEAT_S + LOOK_S:
                continue
            names = {each.ident: each.name for each in threading.enumerate()}
            for ident, frame in sys._current_frames().items():
                if ident == me or frame.f_code.co_name in IDLE:
                    continue
                name = "loop" if ident == self._main else names.get(ident, "?").split("_")[0]
                self._seen[f"{name}: {_place(frame)}"] += 1

    def write(self) -> None:
        """What was seen since the counts began."""
        lags = sorted(self.lags_s)
        by_generation: dict[str, Any] = {}
        for generation, took_s in self.collections:
            known = by_generation.setdefault(str(generation), [0, 0.0, 0.0])
            known[0] += 1
            known[1] += took_s
            known[2] = max(known[2], took_s)
        told = {
            "lag_p99_ms": 1000 * lags[int(len(lags) * 0.99)],
            "lag_longest_ms": 1000 * lags[-1],
            "pauses": sorted(self.pauses, key=lambda each: -each[0])[:KEPT],
            "collections": by_generation,
        }
        worked_s = _processor_s()
        for name, before in self._worked_s.items():
            worked_s[name] = worked_s.get(name, 0.0) - before
        told["threads"] = worked_s
        told["seconds"] = time.perf_counter() - self._began_at
        path = os.environ["POOL_PROBE"]
        with open(path + ".part", "w") as file:
            json.dump(told, file)
        os.replace(path + ".part", path)


def _place(frame: FrameType) -> str:
    """The innermost function, and the innermost of ours below it."""
    inner, ours = frame.f_code.co_qualname, ""
    at: FrameType | None = frame
    while at is not None and not ours:
        if "poolserver" in at.f_code.co_filename and "/.venv/" not in at.f_code.co_filename:
            ours = f"{at.f_code.co_qualname} ({os.path.basename(at.f_code.co_filename)})"
        at = at.f_back
    return ours if ours.startswith(inner) or not ours else f"{inner} in {ours}"


def _processor_s() -> dict[str, float]:
    """How long threads have worked so far, those of one pool together."""
    worked_s: dict[str, float] = {}
    for thread in threading.enumerate():
        name = "loop" if thread is threading.main_thread() else thread.name.split("_")[0]
        with open(f"/proc/self/task/{thread.native_id}/schedstat") as file:
            worked_s[name] = worked_s.get(name, 0.0) + int(file.read().split()[0]) / 1e9
    return worked_s


def main() -> None:
    """The command line, with the probe on the loop that it makes."""
    import uvloop

    from poolserver.cli import main as command_line

    make_loop = uvloop.new_event_loop

    def probed_loop() -> uvloop.Loop:
        loop = make_loop()
        loop.call_soon(Probe, loop)
        return loop

    uvloop.new_event_loop = probed_loop
    command_line()


if __name__ == "__main__":
    main()
