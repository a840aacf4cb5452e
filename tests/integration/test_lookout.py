"""What is shown of a whole pool while a rig mines at it: status, lists, events and the stream."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from poolserver.api.page import Page
from poolserver.lookout.view import BlockLine, History, NodeStatus, RigLine, SiteStatus, Status
from poolserver.node.process import BitcoindProcess
from tests.integration.running import RunningPool, pool_config, rig, running

pytestmark = pytest.mark.usefixtures("logging_is_configured")

SITE = """
work_scale = 1_000_000_000_000

[power]
tick_s = 1
"""


async def asked(pool: RunningPool, path: str, kind: Any = dict[str, Any]) -> Any:
    status, body = await pool.get(f"/api/v1{path}")
    assert status == 200, body
    return msgspec.json.decode(body, type=kind)


async def read_stream(
    pool: RunningPool, last_id: int | None = None
) -> AsyncIterator[tuple[str, str, Any]]:
    """Each event with its id and its data."""
    url = f"http://127.0.0.1:{pool.http_port}/api/v1/stream"
    headers = {} if last_id is None else {"Last-Event-ID": f"{last_id}"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as reply:
        assert reply.status == 200
        assert reply.content_type == "text/event-stream"
        event = number = ""
        async for line in reply.content:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                event, number = value, ""
            elif name == "id":
                number = value
            elif name == "data":
                yield event, number, json.loads(value)


@pytest.mark.real
async def test_a_pool_that_mines_shows_it(tmp_path: Path, bitcoind: BitcoindProcess) -> None:
    config = pool_config(bitcoind, tmp_path, SITE)
    async with running(config) as pool, rig(pool.port) as miner:
        job = await miner.job()
        assert await miner.mine(job)
        await pool.becomes("poolserver_shares_total", lambda count: count >= 1)
        await pool.becomes("poolserver_connections", lambda count: count == 1)
        status: Status = await asked(pool, "/status", Status)
        assert status.network == "regtest"
        assert status.not_ready_because is None
        assert [each.code for each in status.troubles] == []
        assert (status.rigs, status.connections, status.worker_processes) == (1, 1, 1)
        assert status.shares.accepted >= 1
        assert status.hashrate_h_s._1m.value > 0
        (site,) = await asked(pool, "/sites", list[SiteStatus])
        assert site.name == "demo"
        (node,) = await asked(pool, "/nodes", list[NodeStatus])
        assert node.is_active
        (line,) = (
            await asked(pool, "/rigs?q=RIG&site=demo&sort=-hashrate_1h", Page[RigLine])
        ).items
        assert (line.worker, line.sessions, line.site) == ("demo.rig", 1, "demo")
        assert await asked(pool, "/rigs/demo.rig", RigLine)
        assert (await pool.get("/api/v1/rigs/nobody"))[0] == 404
        await until_saved(pool)
        (block,) = (await asked(pool, "/blocks", Page[BlockLine])).items
        assert (block.height, block.worker, block.state) == (1, "demo.rig", "accepted")
        assert block.luck is not None
        history = await asked(pool, "/history?site=demo&span=1h", History)
        assert len(history.power_w) == 360
        assert (await pool.get("/api/v1/history?site=nowhere"))[0] == 404
        for bad in ("sort=none", "state=asleep", "limit=0", "cursor=x", "none=1"):
            assert (await pool.get(f"/api/v1/rigs?{bad}"))[0] == 400, bad


async def until_saved(pool: RunningPool) -> None:
    """Books are saved when there is news of a block."""
    async with asyncio.timeout(10):
        while not (await asked(pool, "/blocks"))["items"]:  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.05)


@pytest.mark.real
async def test_graphs_and_events_go_on_where_the_pool_left_them(
    tmp_path: Path, bitcoind: BitcoindProcess
) -> None:
    config = pool_config(bitcoind, tmp_path, SITE)
    async with running(config) as pool:
        events = (await asked(pool, "/events"))["items"]
        (first,) = [each for each in events if each["event"] == "running"]
    async with running(config) as pool:
        events = (await asked(pool, "/events"))["items"]
        ids = [each["id"] for each in events]
        assert ids == sorted(set(ids))
        assert first in events
        assert [each["event"] for each in events].count("running") == 2
        assert [each["event"] for each in events].count("history_not_restored") == 0


@pytest.mark.real
async def test_the_stream_tells_status_power_and_events_and_ends_with_the_pool(
    tmp_path: Path, bitcoind: BitcoindProcess
) -> None:
    config = pool_config(bitcoind, tmp_path, SITE)
    seen: dict[str, Any] = {}
    async with running(config) as pool:
        events = (await asked(pool, "/events"))["items"]
        assert "running" in [each["event"] for each in events]  # the log itself shows warnings only
        before = events[-3]["id"]

        async def read() -> None:
            async for event, number, data in read_stream(pool, before):
                seen[event] = data
                if number:
                    assert int(number) == data["id"] > before

        reading = asyncio.create_task(read())
        async with asyncio.timeout(10):
            while {"status", "power", "event", "sites", "nodes"} - seen.keys():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    async with asyncio.timeout(2):
        await reading  # the stream ended, and was not cut
    assert seen["status"]["worker_processes"] == 1
    assert [node["path"] for node in seen["power"]["nodes"]] == ["/", "demo"]


@pytest.mark.real
async def test_what_worker_processes_log_is_among_the_events(
    tmp_path: Path, bitcoind: BitcoindProcess
) -> None:
    config = msgspec.structs.replace(pool_config(bitcoind, tmp_path, SITE), workers=2)
    async with running(config) as pool:
        await pool.becomes("poolserver_worker_processes", lambda count: count == 2)
        async with rig(pool.port) as miner, asyncio.timeout(20):
            await miner.mine(await miner.job())
            while True:
                events = (await asked(pool, "/events"))["items"]
                if found := [each for each in events if each["event"] == "block_found"]:
                    break
                await asyncio.sleep(0.1)
        assert found[0]["fields"]["process"] in (0, 1)
        assert (await asked(pool, "/status", Status)).worker_processes == 2
