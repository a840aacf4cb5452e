"""What a rig's session costs: its handshake, its memory, a new job for all, the ticks.

    python bench/session.py [--sessions 10000] [--profile PART] [--memory]

A real worker process with its journal on disk; only the sockets are made up. CPU time, not wall
time. ``--memory`` tells which lines hold how much of a session (tracemalloc: all else is slowed
then), ``--profile`` what a part of it is made of (cProfile: the same).
"""

import argparse
import asyncio
import cProfile
import gc
import linecache
import pstats
import resource
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sys import path
from tempfile import TemporaryDirectory
from typing import Any, cast

import msgspec
import uvloop

path.insert(0, str(Path(__file__).resolve().parent.parent))

from poolserver._vendor.asyncio_stratum import Handshakes, Limits, ServerProtocol
from poolserver.cluster.messages import TemplateUpdate
from poolserver.config import LimitsConfig
from poolserver.outfit import limit_settings
from poolserver.server.block_desk import block_submitter
from poolserver.server.door import RigDoor
from poolserver.server.msgspec_codec import MsgspecCodec
from poolserver.server.worker import Worker
from tests.unit.server.hall import FakeNode, settings
from tests.unit.solving import template, vardiff_terms

SUBSCRIBE = b'{"id":1,"method":"mining.subscribe","params":["bmminer/2.0.0"]}\n'
AUTHORIZE = b'{"id":2,"method":"mining.authorize","params":["demo.w%d","x"]}\n'
TICKS = 10  # a whole sweep: ten seconds of a pool whose rigs send nothing
BRANCH = (b"\x11" * 32,) * 12  # 3,000 transactions: a notify of some 1.9 kB


class NullTransport:
    """Takes all there is to write, and remembers when it was written to first."""

    __slots__ = ("peername",)
    first_ns = 0

    def __init__(self, port: int) -> None:
        self.peername = ("127.0.0.1", port)

    def write(self, data: bytes) -> None:
        if not NullTransport.first_ns:
            NullTransport.first_ns = time.process_time_ns()

    def get_extra_info(self, name: str) -> Any:
        return self.peername if name == "peername" else None

    def is_closing(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int) -> None: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...


class Nobody:
    """Whoever the worker reports to."""

    def send(self, message: object) -> None: ...


class Bench:
    """A worker process, its rigs, and what is told of them."""

    def __init__(self, folder: Path, sessions: int, profiled: str) -> None:
        limits = msgspec.structs.replace(
            limit_settings(LimitsConfig()), trusted_networks=("127.0.0.0/8",)
        )
        self.worker = Worker(
            settings(folder, any_account=True, limits=limits),
            Nobody(),
            block_submitter(folder / "spool", [FakeNode()]),
        )
        limits_of_peers = Limits()
        self._door = RigDoor(
            self.worker,
            vardiff_terms(),
            MsgspecCodec(),
            limits_of_peers,
            8,
            Handshakes(limits_of_peers.handshake_timeout_s),
        )
        self._sessions = sessions
        self._profiled = profiled
        self._rigs: list[ServerProtocol] = []

    @contextmanager
    def part(self, title: str) -> Iterator[None]:
        """Measure a part, which is done for every session."""
        gc.collect()
        profile = cProfile.Profile() if title == self._profiled else None
        started = time.process_time_ns()
        if profile is not None:
            profile.enable()
        yield
        if profile is not None:
            profile.disable()
        took = time.process_time_ns() - started
        print(f"{title:<28}{took / self._sessions / 1000:7.2f} us each {took / 1e6:9.1f} ms in all")
        if profile is not None:
            pstats.Stats(profile).sort_stats("tottime").print_stats(45)

    async def run(self) -> None:
        gc.disable()
        self._new_block(1)
        before = resident_bytes()
        with self.part("connect"):
            for number in range(self._sessions):
                rig = self._door.accept(None, None)
                rig.connection_made(cast(asyncio.Transport, NullTransport(number)))
                self._rigs.append(rig)
        with self.part("subscribe"):
            for rig in self._rigs:
                rig.data_received(SUBSCRIBE)
        with self.part("authorize, job"):
            for number, rig in enumerate(self._rigs):
                rig.data_received(AUTHORIZE % number)
        gc.collect()
        held = (resident_bytes() - before) / self._sessions
        print(f"{'resident memory':<28}{held:7.0f} bytes each")
        await asyncio.sleep(0)
        for tip in range(2, 5):
            with self.part("a new block"):
                self._new_block(tip)
        self._ticks()
        with self.part("disconnect"):
            for rig in self._rigs:
                rig.connection_lost(None)

    def _new_block(self, tip: int) -> None:
        made = msgspec.structs.replace(template(tip=tip), merkle_branch=BRANCH)
        NullTransport.first_ns = 0
        started = time.process_time_ns()
        self.worker.receive(TemplateUpdate(made))
        if self._rigs:
            first_ms = (NullTransport.first_ns - started) / 1e6
            rest_ms = (time.process_time_ns() - NullTransport.first_ns) / 1e6
            print(f"{'  first to last':<28}{rest_ms:7.2f} ms, the first after {first_ms:.2f} ms")

    def _ticks(self) -> None:
        with self.part("ten seconds of ticks"):
            longest_ns = 0
            for _ in range(TICKS):
                started = time.process_time_ns()
                self.worker.tick()
                longest_ns = max(longest_ns, time.process_time_ns() - started)
        print(f"{'  the longest tick':<28}{longest_ns / 1e6:7.2f} ms")

    async def held_by_line(self) -> None:
        """Which lines of the code hold how much of a session."""
        self._new_block(1)
        tracemalloc.start()
        for number in range(self._sessions):
            rig = self._door.accept(None, None)
            rig.connection_made(cast(asyncio.Transport, NullTransport(number)))
            rig.data_received(SUBSCRIBE)
            rig.data_received(AUTHORIZE % number)
            self._rigs.append(rig)
        gc.collect()
        held = tracemalloc.take_snapshot().statistics("lineno")
        tracemalloc.stop()
        print(f"{sum(each.size for each in held) / self._sessions:8.0f} bytes in all, each session")
        for line in held[:45]:
            frame = line.traceback[0]
            where = f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno}"
            size, count = line.size / self._sessions, line.count / self._sessions
            code = linecache.getline(frame.filename, frame.lineno).strip()
            print(f"{size:8.0f} in {count:5.2f}  {where:<40}{code}")


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--profile", default="", metavar="PART")
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()

    async def measure() -> None:
        with TemporaryDirectory() as folder:
            bench = Bench(Path(folder), options.sessions, options.profile)
            await (bench.held_by_line() if options.memory else bench.run())
            await bench.worker.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measure())


if __name__ == "__main__":
    main()
