"""The pool as operators run it, as a process, beside a made-up node; and crowds of rigs for it."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from poolserver.node.process import free_port

REPOSITORY = Path(__file__).parents[2]
READY_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 60.0

# Every part is on: vardiff (pinned, so that each share costs its rig the same), journal, ledger on
# SQLite, statistics, power of a site. A share takes four hashes.
CONFIG = """
network = "regtest"
data_dir = "var"
{top}
[payout]
address = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
[[nodes]]
url = "http://127.0.0.1:{node_port}"
username = "u"
password = "p"
[templates]
check_blocks = false
[[listeners]]
address = "127.0.0.1:{port}"
start_difficulty = 1e-9
min_difficulty = 1e-9
max_difficulty = 1e-9
[http]
address = "127.0.0.1:{http_port}"
[auth]
accounts = "any"
[limits]
trusted_networks = ["127.0.0.0/8"]
[[sites]]
name = "hall"
accounts = ["bench"]
budget_mw = 1
[log]
level = "warning"
"""


class RunningPool:
    """A pool that takes shares."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, http_port: int) -> None:
        self._process = process
        self.port, self.http_port = port, http_port

    @property
    def pid(self) -> int:
        return self._process.pid

    def get(self, path: str) -> bytes:
        """What the pool answers to a GET."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}") as answer:
            body: bytes = answer.read()
        return body

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.get("/readyz")
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
            else:
                return
        raise RuntimeError("the pool is not ready; what it said is above")

    @contextmanager
    def rigs(self, *options: object) -> Iterator[subprocess.Popen[bytes]]:
        """A crowd of rigs, see ``bench.stage.rigs``; its process, while it runs."""
        command = [sys.executable, "-m", "bench.stage.rigs", self.port, "--pid", self.pid, *options]
        with subprocess.Popen(
            list(map(str, command)), cwd=REPOSITORY, stdout=subprocess.PIPE
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def load(
        self,
        *options: object,
        begin: Callable[[], object] = lambda: None,
        end: Callable[[], object] = lambda: None,
    ) -> dict[str, Any]:
        """What a crowd of rigs has measured; ``begin`` and ``end`` are called as its window does.

        At the end all are connected still.
        """
        with self.rigs(*options) as process:
            assert process.stdout is not None
            process.stdout.readline()
            begin()
            told = process.stdout.readline()
            end()
        measured: dict[str, Any] = json.loads(told)
        return measured


def allow_many_files() -> None:
    """As many open files as the machine allows: each connection is one, at either end."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def running_node(*options: object) -> Iterator[int]:
    """A made-up node, see ``bench.stage.node``; its port."""
    command = [sys.executable, "-m", "bench.stage.node", *options]
    with subprocess.Popen(
        list(map(str, command)), cwd=REPOSITORY, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


@contextmanager
def running_pool(
    node_options: Sequence[object] = (),
    *,
    top: str = "",
    more: str = "",
    module: Sequence[str] = ("poolserver",),
    environment: dict[str, str] | None = None,
    checkout: Path = REPOSITORY,
) -> Iterator[RunningPool]:
    """A pool and its node. ``top`` are settings of the top of the config and ``more`` sections of
    it, ``module`` is what is run, ``checkout`` the sources and the environment that it is of."""
    allow_many_files()
    port, http_port = free_port(), free_port()
    with (
        tempfile.TemporaryDirectory(prefix="poolserver-bench-") as folder,
        running_node(*node_options) as node_port,
    ):
        config = Path(folder) / "pool.toml"
        config.write_text(
            CONFIG.format(top=top, node_port=node_port, port=port, http_port=http_port) + more
        )
        with subprocess.Popen(
            [str(checkout / ".venv/bin/python"), "-m", *module, "run", "--config", str(config)],
            cwd=checkout,
            env=os.environ | (environment or {}),
            stdout=sys.stderr,
        ) as process:
            pool = RunningPool(process, port, http_port)
            try:
                pool.wait_until_ready()
                yield pool
            finally:
                process.terminate()
                try:
                    process.wait(STOP_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    process.kill()
