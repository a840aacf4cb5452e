"""A real Prometheus on a folder and a port of its own, and what it answers."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from poolserver.node.process import free_port

ROOT = Path(__file__).parents[2]
RULES = ROOT / "configs/prometheus/poolserver.rules.yml"
CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: poolserver
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def prometheus_path() -> Path:
    """The program; where it cannot be had the test is skipped by that name."""
    own = ROOT / ".tools/prometheus/bin/prometheus"
    for candidate in (os.environ.get("PROMETHEUS"), shutil.which("prometheus"), str(own)):
        if candidate and Path(candidate).exists():
            return Path(candidate)
    pytest.skip("prometheus: none found; scripts/get-prometheus.sh fetches one")


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    url: str
    session: aiohttp.ClientSession

    async def get(self, path: str, **params: str) -> Any:
        """The data of an answer; a query that is refused raises with what Prometheus says."""
        async with self.session.get(f"{self.url}/api/v1/{path}", params=params) as reply:
            answer = await reply.json()
        assert answer["status"] == "success", f"{params}: {answer.get('error')}"
        return answer["data"]

    async def ask(self, expr: str) -> list[dict[str, Any]]:
        """The samples of an expression, now."""
        result: list[dict[str, Any]] = (await self.get("query", query=expr))["result"]
        return result

    async def becomes(self, expr: str, timeout_s: float = 40.0) -> None:
        """Wait until an expression has samples."""
        async with asyncio.timeout(timeout_s):
            while not await self.ask(expr):  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.3)


@asynccontextmanager
async def watching(http_port: int, folder: Path) -> AsyncIterator[Prometheus]:
    """Prometheus with our rules, on the pool at that port, looking each second."""
    rules = folder / "poolserver.rules.yml"
    rules.write_text(RULES.read_text().replace("interval: 15s", "interval: 1s"))
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(rules=rules, port=http_port))
    port = free_port()
    log = (folder / "prometheus.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        prometheus_path(),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--storage.tsdb.retention.time=1h",
        stdout=log,
        stderr=log,
    )
    try:
        async with aiohttp.ClientSession(trust_env=False) as session:
            prometheus = Prometheus(f"http://127.0.0.1:{port}", session)
            async with asyncio.timeout(20):
                while not await _is_ready(prometheus):
                    assert process.returncode is None, (folder / "prometheus.log").read_text()
                    await asyncio.sleep(0.1)
            yield prometheus
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        log.close()


async def _is_ready(prometheus: Prometheus) -> bool:
    try:
        async with prometheus.session.get(f"{prometheus.url}/-/ready") as reply:
            return reply.status == 200
    except aiohttp.ClientError:
        return False
