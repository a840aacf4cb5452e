"""All ways in at once, made from a configuration, on the event loop that the pool runs on."""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import aiohttp
import aiomqtt
import pytest
import uvloop
from prometheus_client import CollectorRegistry

from poolserver.api.http import HttpServer
from poolserver.api.router import Router
from poolserver.api.signals import signal_endpoints
from poolserver.api.tokens import hash_of
from poolserver.api_outfit import api_access
from poolserver.config import parse_config
from poolserver.control_room.meter_outfit import meter_specs
from poolserver.control_room.outfit import power_tree
from poolserver.power.state import Quality
from poolserver.signal_outfit import meters_by, modbus_meters, mqtt_bus
from tests.integration.mosquitto import PASSWORD, USERNAME, Mosquitto, find_mosquitto
from tests.integration.simulated_meter import SimulatedMeter
from tests.unit.api.unwritten import Unwritten
from tests.unit.pool_toml import POOL_TOML
from tests.unit.power.signals.books import BookSink

SIGNALS = """
[[sites]]
name = "Sahiwal"
accounts = ["sahiwal"]
budget_mw = 2
meter = "main"
[[sites.nodes]]
name = "T2"
limit_mw = 1
meter = "t2"
[[sites.ai_loads]]
name = "hall"
meter = "ai"
assumed_mw = 1

[[meters]]
name = "main"
source = "modbus"
rated_mw = 2
[meters.modbus]
address = "127.0.0.1:{modbus}"
unit_id = 7
poll_s = 0.5
[meters.modbus.power]
address = 1000
function = "input"
unit = "kW"
[meters.modbus.energy]
address = 1010
function = "input"
word_order = "low_first"
unit = "kWh"

[[meters]]
name = "t2"
source = "mqtt"
rated_mw = 1
[[meters]]
name = "ai"
source = "http"
rated_mw = 1

[mqtt]
address = "127.0.0.1:{mqtt}"
username = "{username}"
password = "{password}"

[[api_tokens]]
name = "hall"
sha256 = "{token}"
scopes = ["budget", "meter", "ai-load"]
nodes = ["Sahiwal"]
"""


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def running(tasks: AsyncExitStack, coroutine: Coroutine[Any, Any, None]) -> None:
    """In the background, until the end."""
    task = asyncio.create_task(coroutine)

    async def end() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    tasks.push_async_callback(end)


async def all_ways_in(program: str, folder: Path) -> None:
    async with AsyncExitStack() as parts:
        broker, meter = Mosquitto(program, folder), SimulatedMeter()
        await broker.start()
        parts.push_async_callback(broker.stop)
        await meter.start()
        parts.push_async_callback(meter.stop)
        text = POOL_TOML + SIGNALS.format(
            modbus=meter.port,
            mqtt=broker.port,
            username=USERNAME,
            password=PASSWORD,
            token=hash_of("s3cret"),
        )
        config = parse_config(text, source="pool.toml", folder=folder, environ={})
        tree = power_tree(config)
        sink = BookSink(tree, meter_specs(config), time.time)
        bus = mqtt_bus(config, sink)
        assert bus is not None
        for source in (*modbus_meters(config, sink, time.time), bus):
            await running(parts, source.run())
        endpoints = signal_endpoints(sink, tree, meters_by(config, "http"), time.time)
        routes = Router(api_access(config), Unwritten()).routes(endpoints)
        http = HttpServer(CollectorRegistry(), lambda: None, routes)
        port = await http.start("127.0.0.1", 0)
        parts.push_async_callback(http.stop)
        session = aiohttp.ClientSession(
            f"http://127.0.0.1:{port}", headers={"Authorization": "Bearer s3cret"}
        )
        await parts.enter_async_context(session)

        async def put(path: str, **fields: Any) -> int:
            async with session.put(f"/api/v1/{path}", json=fields) as answer:
                return answer.status

        async def publish(topic: str, **fields: Any) -> None:
            message = json.dumps({"ts": time.time(), **fields})
            login = {"username": USERNAME, "password": PASSWORD}
            async with aiomqtt.Client("127.0.0.1", broker.port, **login) as client:
                await client.publish(f"poolserver/{topic}", message, qos=1, retain=True)

        def quality(name: str) -> Quality:
            return sink.meter(name).quality

        await until(lambda: sink.meter("main").power_w == 412_500.0)
        assert sink.meter("main").energy_j == 100_000 * 3_600_000
        await publish("meters/t2", power_kw=400)
        await until(lambda: sink.meter("t2").power_w == 400_000.0)
        await publish("meters/t2", power_w=400)
        await until(lambda: quality("t2") is Quality.WRONG_UNIT)
        await publish("meters/main", power_kw=1)  # it is read, and nobody may speak for it
        await until(lambda: bus.outcomes["meter", "unknown"] == 1)
        assert await put("meters/main", power_kw=1) == 404
        assert await put("meters/ai", power_kw=300) == 200
        (hall,) = tree["Sahiwal"].ai_loads
        assert sink.ai_loads.power_w(hall, time.time()) == 300_000.0
        assert await put("nodes/Sahiwal/T2/budget", limit_kw=500) == 204
        assert sink.budgets.limits(time.time())["Sahiwal/T2"].limit_w == 500_000
        await publish("budget/Sahiwal/T2", limit_kw=450, valid_until=time.time() + 60)
        limit_w = lambda: sink.budgets.limits(time.time())["Sahiwal/T2"].limit_w  # noqa: E731
        await until(lambda: limit_w() == 450_000)
        await meter.stop()
        await until(lambda: quality("main") is Quality.FAULT)
        await meter.start()
        await until(lambda: quality("main") is Quality.GOOD)
        await broker.stop()
        await until(lambda: not bus.is_connected)
        await broker.start()
        await until(lambda: bus.is_connected)


def test_all_ways_in_work_on_the_event_loop_that_the_pool_runs_on(tmp_path: Path) -> None:
    program = find_mosquitto()
    if program is None:
        pytest.skip("mosquitto: none found; scripts/get-mosquitto.sh fetches one")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(all_ways_in(program, tmp_path))
