"""The bus without a broker; tests/integration/test_mqtt.py has a real one."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog.testing
from hypothesis import given
from hypothesis import strategies as st

from poolserver.power.readings import MeterSpec
from poolserver.power.signals.mqtt import MqttBus, MqttSpec
from poolserver.power.state import Quality
from poolserver.power.tree import PowerNode, PowerTree
from tests.unit.power.signals.books import BookSink

NOW_S = 1_800_000_000.0
GOOD = b'{"ts": 1800000000, "power_kw": 400}'


@pytest.fixture
def sink() -> BookSink:
    tree = PowerTree([PowerNode("A", "site", limit_w=1_000_000, meter="main")])
    specs = [MeterSpec("main", 1_000_000), MeterSpec("read", 1_000_000)]
    return BookSink(tree, specs, lambda: NOW_S)


@pytest.fixture
def bus(sink: BookSink) -> MqttBus:
    return MqttBus(MqttSpec("127.0.0.1", 1883, "plant", "pool-1"), sink, {"main"})


@pytest.mark.parametrize(
    ("codes", "refused"),
    [
        ((1,), []),
        ((128,), ["plant/meters/+", "plant/ai/+/+", "plant/budget/#"]),
        ([SimpleNamespace(value=0x87)], ["plant/meters/+", "plant/ai/+/+", "plant/budget/#"]),
        ([SimpleNamespace(value=1)], []),
    ],
)
async def test_topics_that_a_broker_refuses_are_told(
    bus: MqttBus, codes: object, refused: list[str]
) -> None:
    """Mosquitto grants any topic and then keeps quiet on it; others say so."""

    async def subscribe(topic: str, qos: int) -> object:
        return codes

    with structlog.testing.capture_logs() as logs:
        await bus._subscribe(cast(Any, SimpleNamespace(subscribe=subscribe)))
    assert [each["topics"] for each in logs] == ([refused] if refused else [])


async def test_a_meter_that_is_told_otherwise_is_not_told_here(
    bus: MqttBus, sink: BookSink
) -> None:
    bus.take("plant/meters/read", GOOD)
    bus.take("plant/meters/read", b"rubbish")
    assert sink.meter("read").quality is Quality.NONE
    bus.take("plant/meters/main", GOOD)
    assert sink.meter("main").power_w == 400_000.0
    assert bus.outcomes == {("meter", "unknown"): 2, ("meter", "taken"): 1}


async def test_what_makes_no_sense_is_a_fault_of_its_meter(bus: MqttBus, sink: BookSink) -> None:
    bus.take("plant/meters/main", b"4.2 MW")
    assert sink.meter("main").quality is Quality.FAULT


async def test_each_sort_of_refusal_is_logged_once_a_minute(bus: MqttBus) -> None:
    with structlog.testing.capture_logs() as logs:
        for number in range(100):
            bus.take(f"plant/meters/m{number}", GOOD)
            bus.take("plant/budget/A", b'{"ts": %d}' % number)
            bus.take(f"plant/budget/B{number}", b'{"ts": 1800000000, "limit_w": 1}')
    assert len(logs) == 3
    assert bus.outcomes.total() == 300


async def test_a_retained_message_that_is_cleared_says_nothing(
    bus: MqttBus, sink: BookSink
) -> None:
    bus.take("plant/budget/A", b'{"ts": 1800000000, "limit_w": 7}')
    bus.take("plant/budget/A", b"")
    assert sink.budgets.limits(NOW_S)["A"].limit_w == 7


@given(
    topic=st.one_of(
        st.text(max_size=50),
        st.sampled_from(["meters/main", "ai/A/hall", "budget", "budget/A"]),
    ),
    payload=st.one_of(
        st.binary(max_size=50),
        st.builds(
            lambda name, value: (
                b'{"ts": 1800000000, "valid_until": 1800000060, "%s": %s}' % (name, value)
            ),
            st.sampled_from([b"power_w", b"energy_mwh", b"limit_kw", b"withdraw"]),
            st.sampled_from([b"1", b"-1", b"1e999", b"true", b"null", b'"x"', b"9" * 400]),
        ),
    ),
)
def test_no_message_raises(topic: str, payload: bytes) -> None:
    tree = PowerTree([PowerNode("A", "site", limit_w=1_000_000, meter="main")])
    sink = BookSink(tree, [MeterSpec("main", 1_000_000)], lambda: NOW_S)
    bus = MqttBus(MqttSpec("127.0.0.1", 1883, "plant", "pool-1"), sink, {"main"})

    async def take() -> None:
        bus.take(f"plant/{topic}", payload)

    asyncio.run(take())
    assert bus.outcomes.total() == 1
    power_w = sink.meter("main").power_w
    assert power_w is None or 0 <= power_w <= 1_200_000
