"""The pool as an operator runs it: a process, a config file, and somebody who starts it again."""

import asyncio
import ctypes
import os
import resource
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from poolserver.crew.lock import holder
from poolserver.crew.post import FOLDER, worker_lock
from poolserver.node.process import free_port
from tests.integration.running import TAPROOT_REGTEST, RunningPool
from tests.torture.network import NodeAddress

REPOSITORY = Path(__file__).parents[2]
READY_TIMEOUT_S = 90.0
DEATH_TIMEOUT_S = 10.0
# A service manager's pause before it starts a program again that has ended.
RESTART_PAUSE_S = 0.2
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
# A file may not grow beyond so many bytes while the disk is full.
FULL_DISK_BYTES = 64

CONFIG = """
network = "regtest"
data_dir = "var"
workers = {workers}
[payout]
address = "{address}"
{nodes}
[[listeners]]
address = "127.0.0.1:{port}"
start_difficulty = 1e-9
min_difficulty = 1e-9
max_difficulty = 1e-9
[http]
address = "127.0.0.1:{http_port}"
[[sites]]
name = "hall"
accounts = ["demo"]
budget_mw = 0.2
[log]
format = "json"
{extra}
"""
NODE = """
[[nodes]]
url = "{url}"
username = "{username}"
password = "{password}"
{zmq}
"""


class Orphan:
    """A process that was not started here and is our child all the same; as asyncio's are."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._status: int | None = None

    @property
    def returncode(self) -> int | None:
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    async def wait(self) -> int:
        while (status := self.returncode) is None:  # noqa: ASYNC110 - a process
            await asyncio.sleep(0.02)
        return status


class PoolProcess:
    """One pool over all of its lives; its folder and its ports stay the same."""

    def __init__(
        self,
        folder: Path,
        nodes: Sequence[NodeAddress],
        extra: str = "",
        dying: str = "tests.torture.dying_server",
        workers: int = 1,
    ) -> None:
        """``extra`` are sections of its config; ``dying`` is the module that dies at steps.

        With several ``workers`` this process is their coordinator.
        """
        self._workers = workers
        self._dying = dying
        self.folder = folder
        self.face = RunningPool(free_port(), free_port())
        self.prefix: tuple[str, ...] = ()
        """What its command is run by."""
        self.starts = 0
        self.step: str | None = None
        """The step at which this life ends, if it does."""
        self._process: asyncio.subprocess.Process | Orphan | None = None
        self._config = folder / "pool.toml"
        self._config.write_text(
            CONFIG.format(
                address=TAPROOT_REGTEST,
                nodes="".join(_node(node) for node in nodes),
                port=self.face.port,
                http_port=self.face.http_port,
                workers=workers,
                extra=extra,
            )
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["PoolProcess"]:
        await self.start()
        try:
            yield self
        finally:
            await self.kill()

    # --- life ----------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def begin(self, step: str | None = None) -> None:
        """Start it, once, and do not wait."""
        assert not self.is_alive
        await self._spawn(step)

    async def start(self, step: str | None = None) -> None:
        """Start it, again and again if it ends, until it is ready; with ``step`` it will die."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not await self._is_ready():
            assert time.monotonic() < deadline, f"the pool is not ready: {self.tail()}"
            if not self.is_alive:
                await asyncio.sleep(RESTART_PAUSE_S if self._process else 0)
                await self._spawn(step)
            await asyncio.sleep(0.02)

    async def becomes_ready(self) -> None:
        """Wait until it is ready after ``begin``; it must not die before."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not await self._is_ready():
            assert self.is_alive, f"the pool has ended: {self.tail()}"
            assert time.monotonic() < deadline, f"the pool is not ready: {self.tail()}"
            await asyncio.sleep(0.02)

    async def upgrade(self) -> None:
        """Have it hand over to a new process, which is then this pool; wait for that to be ready.

        The new one becomes our child when its parent ends: this process reaps orphans from now on.
        """
        assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
        old = self._process
        assert old is not None
        os.kill(old.pid, signal.SIGUSR2)
        async with asyncio.timeout(READY_TIMEOUT_S):
            assert await old.wait() == 0, self.tail()
        begun = [each for each in self.events("upgrade_begun") if "process" not in each]
        self._process = Orphan(begun[-1]["pid"])  # the others are workers' successors
        await self.becomes_ready()

    def events(self, name: str) -> list[dict[str, Any]]:
        """All events of that name in its log."""
        lines = (self.folder / "pool.log").read_bytes().splitlines()
        events = [msgspec.json.decode(line) for line in lines if line.startswith(b"{")]
        return [event for event in events if event["event"] == name]

    async def kill(self) -> None:
        """kill -9."""
        process = self._process
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    def worker_pid(self, index: int) -> int | None:
        """The worker process of this index, while it lives."""
        return holder(worker_lock(self.folder / "var" / FOLDER, index))

    def kill_worker(self, index: int) -> None:
        """kill -9 one of several workers."""
        pid = self.worker_pid(index)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    async def kill_all(self) -> None:
        """kill -9 it, and its workers."""
        await self.kill()
        for index in range(self._workers):
            self.kill_worker(index)

    async def stop(self) -> None:
        """End it in good order."""
        process = self._process
        if process is not None and process.returncode is None:
            process.terminate()
            async with asyncio.timeout(READY_TIMEOUT_S):
                assert await process.wait() == 0, self.tail()

    async def has_died(self) -> bool:
        """Whether it kills itself within DEATH_TIMEOUT_S."""
        assert self._process is not None
        try:
            async with asyncio.timeout(DEATH_TIMEOUT_S):
                return await self._process.wait() == -signal.SIGKILL
        except TimeoutError:
            return False

    async def _spawn(self, step: str | None) -> None:
        self.starts += 1
        self.step = step
        arguments = (
            ("-m", "poolserver", "run", "--config", str(self._config))
            if step is None
            else ("-m", self._dying, str(self._config), step)
        )
        with (self.folder / "pool.log").open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(*self.prefix, sys.executable, *arguments),
                cwd=REPOSITORY,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    async def _is_ready(self) -> bool:
        try:
            return self.is_alive and (await self.face.get("/readyz"))[0] == 200
        except (aiohttp.ClientError, OSError):
            return False

    async def command(self, *arguments: str) -> tuple[int, str]:
        """What ``poolserver ARGUMENTS --config ...`` ends with, and what it says."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "poolserver", *arguments, "--config", str(self._config)),
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, said.decode(errors="replace")

    # --- its disk ------------------------------------------------------------------------

    @property
    def spool(self) -> Path:
        return self.folder / "var" / "spool"

    def fill_disk(self) -> None:
        """No file grows any more, as for a process whose disk is full: write() fails."""
        _, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (FULL_DISK_BYTES, hard))

    def empty_disk(self) -> None:
        """There is room again."""
        if self.is_alive:
            _, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (hard, hard))

    def lose_spool(self) -> None:
        """The spool's folder cannot be written, by root neither: a file is in its place."""
        self.spool.mkdir(exist_ok=True)
        self.spool.rename(self.spool.with_name("spool.away"))
        self.spool.write_bytes(b"")

    def find_spool(self) -> None:
        """The folder is back."""
        away = self.spool.with_name("spool.away")
        if away.exists():
            self.spool.unlink()
            away.rename(self.spool)

    # --- its books -----------------------------------------------------------------------

    def unsettled(self) -> set[str]:
        """Hashes of the blocks in the spool that have no final word yet."""
        return {path.stem for path in self.spool.glob("*.json")}

    def settled(self) -> dict[str, str]:
        """By hash, the final word that the spool keeps."""
        return {
            path.stem: msgspec.json.decode(path.read_bytes())["state"]
            for path in (self.spool / "settled").glob("*.json")
        }

    def ledger(self) -> dict[str, dict[str, Any]]:
        """By hash, the rows of the ledger's table of blocks."""
        path = self.folder / "var" / "ledger.sqlite"
        if not path.exists():
            return {}
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as books:
            books.row_factory = sqlite3.Row
            return {row["hash"]: dict(row) for row in books.execute("SELECT * FROM block")}

    async def counted(self, metric: str) -> dict[str, int]:
        """By state, the blocks that this metric tells of; empty where there is no such metric."""
        _, text = await self.face.get("/metrics")
        return {
            sample.labels["state"]: int(sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == metric
        }

    def tail(self) -> str:
        """The end of its log."""
        return (self.folder / "pool.log").read_text(errors="replace")[-3000:]


def _node(node: NodeAddress) -> str:
    zmq = f'zmq_hashblock = "{node.zmq}"' if node.zmq else ""
    return NODE.format(url=node.url, username=node.username, password=node.password, zmq=zmq)
