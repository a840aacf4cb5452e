"""The API of a real pool: a fuzzer that goes by its document, and the documents' own examples."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from poolserver.api.tokens import hash_of
from poolserver.node.process import BitcoindProcess
from tests.integration.running import RunningPool, pool_config, rig, running

pytestmark = [pytest.mark.real, pytest.mark.slow]

DOCS = Path(__file__).parents[2] / "docs"
TOKEN = "made-up-for-the-test"  # noqa: S105
EXTRA = f"""
meter = "main"
[[sites.nodes]]
name = "T1"
limit_mw = 0.1
[[sites.ai_loads]]
name = "hall"
assumed_mw = 0.01
[[meters]]
name = "main"
source = "http"
rated_mw = 0.2
[[api_tokens]]
name = "all"
sha256 = "{hash_of(TOKEN)}"
scopes = ["read", "budget", "ai-load", "meter", "mapping", "reload"]
nodes = ["/"]
"""

# What fits the schema and not the pool, as a node that is not there, is refused with these.
FUZZER_CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 304, 401, 403, 404, 409, 422, 429]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 413, 422]

[[operations]]
include-path-regex = "/(audit|blocks|rigs|mappings)$"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 304, 400, 401, 403, 404, 422, 429]  # no cursor of ours
"""
EXAMPLES = int(os.environ.get("API_EXAMPLES", "4"))
"""Of each endpoint, beside those at the bounds of each parameter; `make torture-api` makes more."""
SECONDS = 12 * EXAMPLES


async def run(*command: str | Path, folder: Path, **variables: str) -> tuple[int, str]:
    """A program's exit code, and all that it says."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "COLUMNS": "160", **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, told.decode()


@pytest.mark.timeout(400)
async def test_a_fuzzer_finds_no_call_that_the_document_does_not_tell_of(
    tmp_path: Path, bitcoind: BitcoindProcess
) -> None:
    (tmp_path / "schemathesis.toml").write_text(FUZZER_CONFIG)
    config = pool_config(bitcoind, tmp_path, EXTRA)
    async with running(config) as pool, rig(pool.port) as miner:
        assert await miner.mine(await miner.job())
        code, told = await run(
            Path(sys.executable).with_name("schemathesis"),
            *("run", f"http://127.0.0.1:{pool.http_port}/api/v1/openapi.json"),
            *("--header", f"Authorization: Bearer {TOKEN}"),
            *("--exclude-path", "/stream"),  # it has no end
            *("--max-examples", str(EXAMPLES), "--seed", "1", "--generation-deterministic"),
            *("--request-timeout", "10", "--max-time", str(SECONDS), "--no-color"),
            *("--continue-on-failure", "--warnings", "off"),
            folder=tmp_path,
        )
        assert code == 0, told
        assert await pool.metric("poolserver_shares_total") >= 1


def examples_of(page: Path) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


async def test_the_examples_in_the_documents_work(
    tmp_path: Path, bitcoind: BitcoindProcess
) -> None:
    script = "\n".join(examples_of(DOCS / "api.md"))
    assert script.count("curl") >= 10
    config = pool_config(bitcoind, tmp_path, EXTRA)
    async with running(config) as pool, rig(pool.port) as miner:
        assert await miner.mine(await miner.job())
        await pool.becomes("poolserver_power_watts", lambda watts: watts >= 0)
        script = script.replace("127.0.0.1:9333", f"127.0.0.1:{pool.http_port}")
        # --fail: an answer of 400 or more ends it.
        script = "set -euo pipefail\n" + script.replace("curl ", "curl --fail-with-body ")
        code, told = await run("bash", "-c", script, folder=tmp_path, TOKEN=TOKEN)
        assert code == 0, told
        assert "304" in told
        lines = (await asked(pool, "GET", "/audit"))["items"]
        calls = [f"{each['method']} {each['path'].removeprefix('/api/v1')}" for each in lines]
        assert calls[::-1] == [
            "PUT /nodes/demo/budget",
            "DELETE /nodes/demo/budget",
            "PUT /mappings/demo.rig1",
            "DELETE /mappings/demo.rig1",
            "POST /mappings",
        ]
        assert {each["outcome"] for each in lines} == {"done"}


async def asked(pool: RunningPool, method: str, path: str, body: Any = None) -> Any:
    """Something that is not refused."""
    url, headers = f"http://127.0.0.1:{pool.http_port}", {"Authorization": f"Bearer {TOKEN}"}
    async with (
        aiohttp.ClientSession(url, headers=headers) as session,
        session.request(method, f"/api/v1{path}", json=body) as answer,
    ):
        content = await answer.read()
        assert answer.status < 300, content
        return json.loads(content) if content else None


async def test_a_rig_that_is_moved_is_booked_there_at_once_and_after_a_restart(
    tmp_path: Path, bitcoind: BitcoindProcess
) -> None:
    config = pool_config(bitcoind, tmp_path, EXTRA)
    async with running(config) as pool, rig(pool.port) as miner:
        assert await miner.mine(await miner.job())
        await until_at(pool, "demo")
        await asked(pool, "PUT", "/mappings/demo.rig", {"node": "demo/T1"})
        assert await miner.mine(await miner.job())
        await until_at(pool, "demo/T1")
    async with running(config) as pool, rig(pool.port) as miner:
        (mapping,) = (await asked(pool, "GET", "/mappings"))["items"]
        assert (mapping["worker"], mapping["node"], mapping["by"]) == (
            "demo.rig",
            "demo/T1",
            "token:all",
        )
        assert await miner.mine(await miner.job())
        await until_at(pool, "demo/T1")
        assert len((await asked(pool, "GET", "/audit"))["items"]) == 1


async def until_at(pool: RunningPool, node: str) -> None:
    """Until the rig is booked at a node: it is known from its first share that is folded."""
    async with asyncio.timeout(30):
        while True:
            status, text = await pool.get("/api/v1/rigs/demo.rig")
            if status == 200 and json.loads(text)["node"] == node:
                return
            await asyncio.sleep(0.2)
