"""MQTT with a real mosquitto."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import structlog.testing

from poolserver.power.readings import MeterBook, MeterSpec
from poolserver.power.signal import (
    AiLoadSignal,
    BudgetSignal,
    SignalError,
    UnknownSignalError,
)
from poolserver.power.signals.mqtt import MqttBus, MqttSpec
from poolserver.power.signals.words import SiteWord
from poolserver.power.state import MeterReading, MeterState, Quality
from tests.integration.mosquitto import PASSWORD, USERNAME, Mosquitto, find_mosquitto

NOW_S = 1_800_000_000.0
WAIT_S = 30.0


class Sink:
    """Takes all that makes sense, at a clock that stands still."""

    def __init__(self) -> None:
        self.book = MeterBook([MeterSpec("t2", rated_w=5_000_000)])
        self.came: asyncio.Queue[Any] = asyncio.Queue()

    def take_reading(self, reading: MeterReading) -> MeterState:
        if reading.meter not in self.book:
            raise UnknownSignalError(f"there is no meter {reading.meter}")
        state = self.book.take(reading, NOW_S)
        self.came.put_nowait(state)
        return state

    def take_fault(self, meter: str, reason: str) -> None:
        self.came.put_nowait(self.book.fault(meter, reason, NOW_S))

    def take_ai_load(self, signal: AiLoadSignal) -> None:
        if signal.valid_until_s < NOW_S:
            raise SignalError("held until earlier")
        self.came.put_nowait(signal)

    def take_budget(self, signal: BudgetSignal) -> None:
        self.came.put_nowait(signal)

    async def next(self) -> Any:
        async with asyncio.timeout(WAIT_S):
            return await self.came.get()


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    program = find_mosquitto()
    if program is None:
        pytest.skip("mosquitto: none found; scripts/get-mosquitto.sh fetches one")
    broker = Mosquitto(program, tmp_path)
    await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture
def sink() -> Sink:
    return Sink()


class Pool:
    """The pool's side: connections that it holds until they are ended."""

    def __init__(self, sink: Sink, port: int) -> None:
        self._sink, self._port = sink, port
        self._tasks: dict[MqttBus, asyncio.Task[None]] = {}

    def connect(self, password: str = PASSWORD, port: int | None = None) -> MqttBus:
        spec = MqttSpec("127.0.0.1", port or self._port, "plant", "pool-1", USERNAME, password)
        bus = MqttBus(spec, self._sink, {"t2"}, reconnect_s=0.05)
        self._tasks[bus] = asyncio.create_task(bus.run())
        return bus

    async def connected(self) -> MqttBus:
        bus = self.connect()
        await until(lambda: bus.is_connected)
        return bus

    async def end(self, bus: MqttBus) -> None:
        task = self._tasks.pop(bus)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def end_all(self) -> None:
        for bus in list(self._tasks):
            await self.end(bus)


@pytest.fixture
async def pool(broker: Mosquitto, sink: Sink) -> AsyncIterator[Pool]:
    pool = Pool(sink, broker.port)
    yield pool
    await pool.end_all()


Publish = Callable[..., Awaitable[None]]


def other(broker: Mosquitto) -> aiomqtt.Client:
    """A client of somebody else."""
    return aiomqtt.Client("127.0.0.1", broker.port, username=USERNAME, password=PASSWORD)


@pytest.fixture
def publish(broker: Mosquitto) -> Publish:
    """Say something, in a connection of its own."""

    async def said(topic: str, retain: bool = True, **fields: Any) -> None:
        payload = fields.pop("payload", None) or json.dumps(fields)
        async with other(broker) as client:
            await client.publish(f"plant/{topic}", payload, qos=1, retain=retain)

    return said


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_what_was_retained_before_is_heard_with_the_connection(
    pool: Pool, publish: Publish, sink: Sink
) -> None:
    await publish("meters/t2", ts=NOW_S - 5, power_mw=4)
    pool.connect()
    state = await sink.next()
    assert (state.power_w, state.quality, state.at_s) == (4e6, Quality.GOOD, NOW_S - 5)


async def test_meters_loads_and_budgets_come_in(pool: Pool, publish: Publish, sink: Sink) -> None:
    bus = await pool.connected()
    await publish("meters/t2", ts=NOW_S, power_kw=4000, energy_kwh=7)
    assert (await sink.next()).energy_j == 7 * 3_600_000
    await publish("ai/Port Qasim/hall", ts=NOW_S, valid_until=NOW_S + 60, power_mw=250)
    assert await sink.next() == AiLoadSignal("Port Qasim", "hall", 250e6, NOW_S, NOW_S + 60, "mqtt")
    await publish("budget/Port Qasim/T2", ts=NOW_S, limit_mw=3, source="npcc", reason="heat")
    assert await sink.next() == BudgetSignal(
        "Port Qasim/T2", 3e6, "npcc", NOW_S, None, "heat", "mqtt"
    )
    await publish("budget", ts=NOW_S, limit_mw=2000)
    assert (await sink.next()).node == "/"
    assert bus.outcomes == {("meter", "taken"): 1, ("ai", "taken"): 1, ("budget", "taken"): 2}


@pytest.mark.parametrize("kill", [False, True], ids=["restarted", "killed"])
async def test_a_broker_that_goes_away_is_found_again(
    pool: Pool, publish: Publish, sink: Sink, broker: Mosquitto, kill: bool
) -> None:
    bus = pool.connect()
    await publish("budget/Sahiwal", ts=NOW_S, limit_mw=1)
    assert (await sink.next()).limit_w == 1e6
    if kill:
        await until(broker.has_saved)
    await broker.stop(kill=kill)
    await until(lambda: not bus.is_connected)
    await broker.start()
    assert (await sink.next()).limit_w == 1e6  # retained, by the broker's own disk
    await publish("budget/Sahiwal", ts=NOW_S + 1, limit_mw=2)
    assert (await sink.next()).limit_w == 2e6


async def test_a_wrong_password_is_told_and_tried_again(pool: Pool) -> None:
    with structlog.testing.capture_logs() as logs:
        bus = pool.connect("wrong")
        await until(lambda: len(logs) > 0)
        await asyncio.sleep(0.3)
    assert [(each["event"], "Not authorized" in each["reason"]) for each in logs] == [
        ("mqtt_lost", True)
    ]
    assert not bus.is_connected


async def test_what_makes_no_sense_is_refused_with_a_line_and_a_count(
    pool: Pool, publish: Publish, sink: Sink
) -> None:
    bus = await pool.connected()
    with structlog.testing.capture_logs() as logs:
        await publish("meters/t9", ts=NOW_S, power_w=1)
        await publish("meters/t2", payload=b"4.2 MW")
        await publish("ai/Sahiwal/hall", ts=NOW_S - 99, valid_until=NOW_S - 1, power_mw=1)
        await publish("budget/Sahiwal", payload=b"\xff" * 5000)
        await publish("budget/Sahiwal", payload=b'{"ts": 1, "limit_mw": NaN}')
        await publish("budget/Sahiwal", ts=NOW_S, limit_mw=2)
        assert (await sink.next()).quality is Quality.FAULT
        assert (await sink.next()).limit_w == 2e6
    assert bus.outcomes == {
        ("meter", "unknown"): 1,
        ("meter", "malformed"): 1,
        ("ai", "refused"): 1,
        ("budget", "malformed"): 2,
        ("budget", "taken"): 1,
    }
    assert [each["event"] for each in logs] == ["signal_refused"] * 4
    assert "there is no meter t9" in logs[0]["why"]
    assert "held until earlier" in logs[2]["why"]


async def test_bad_readings_are_flagged_on_their_way_through(
    pool: Pool, publish: Publish, sink: Sink
) -> None:
    await pool.connected()
    qualities = []
    for fields in (
        {"ts": NOW_S - 300, "power_mw": 4},
        {"ts": NOW_S - 50, "power_mw": 4},
        {"ts": NOW_S - 45, "power_mw": -4},
        {"ts": NOW_S - 40, "power_mw": 4000},
        {"ts": NOW_S - 35, "power_kw": 4},
        {"ts": NOW_S - 30, "power_mw": 2},
        {"ts": NOW_S - 25, "power_w": 1e999},
        {"ts": NOW_S - 30, "power_mw": 4},
        {"ts": NOW_S + 900, "power_mw": 4},
        {"ts": NOW_S - 20, "power_mw": 4.1},
    ):
        await publish("meters/t2", payload=json.dumps(fields).replace("Infinity", "1e999"))
        qualities.append((await sink.next()).quality)
    assert qualities == [
        Quality.STALE,
        Quality.GOOD,
        Quality.NEGATIVE,
        Quality.WRONG_UNIT,
        Quality.WRONG_UNIT,
        Quality.JUMP,
        Quality.FAULT,
        Quality.WRONG_TIME,
        Quality.WRONG_TIME,
        Quality.GOOD,
    ]


@pytest.fixture
async def heard(broker: Mosquitto) -> AsyncIterator[dict[str, str]]:
    """What others hear of the pool, by topic."""
    said: dict[str, str] = {}

    async def listen(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            topic = str(message.topic).removeprefix("plant/pool/pool-1/")
            said[topic] = bytes(message.payload).decode()  # type: ignore[arg-type]

    async with other(broker) as client:
        await client.subscribe("plant/pool/#", qos=1)
        task = asyncio.create_task(listen(client))
        yield said
        task.cancel()


async def test_others_are_told_what_a_site_draws(pool: Pool, heard: dict[str, str]) -> None:
    bus = pool.connect()
    bus.tell({"Sahiwal": SiteWord(NOW_S, 1.0, 0.1, 1320, "observe")})
    bus.tell({"Sahiwal": SiteWord(NOW_S, 2.0, 0.1, None, "observe")})
    await until(lambda: "sites/Sahiwal" in heard)
    assert heard["status"] == "online"
    assert json.loads(heard["sites/Sahiwal"]) == {
        "ts": NOW_S,
        "power_w": 2.0,
        "sigma_w": 0.1,
        "limit_w": None,
        "state": "observe",
    }


async def test_others_are_told_that_the_pool_has_stopped(pool: Pool, heard: dict[str, str]) -> None:
    bus = await pool.connected()
    await pool.end(bus)
    await until(lambda: heard.get("status") == "offline")


async def test_the_broker_tells_it_where_the_pool_cannot(
    pool: Pool, broker: Mosquitto, heard: dict[str, str]
) -> None:
    """By the last will: the connection is cut, as where a machine is lost."""
    ends: list[asyncio.StreamWriter] = []

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", broker.port)
        ends.extend((writer, back))

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await source.read(4096):
                    target.write(data)

        await asyncio.gather(copy(reader, back), copy(there, writer))

    async with await asyncio.start_server(pipe, "127.0.0.1", 0) as server:
        pool.connect(port=server.sockets[0].getsockname()[1])
        await until(lambda: heard.get("status") == "online")
        server.close()
        for end in ends:
            end.transport.abort()
        await until(lambda: heard.get("status") == "offline")
