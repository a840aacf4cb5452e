"""What Prometheus is told of signals: how readings were judged, what became of messages."""

from collections.abc import Iterator
from typing import Protocol

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from poolserver.metrics.families import counter, gauge
from poolserver.power.readings import MeterBook

POWER_READINGS = counter(
    "power_readings",
    "meter",
    "quality",
    help="Readings of meters, by what was thought of each.",
    meaning=(
        "Readings of meters since the start, by [what was thought of each](signals.md#which-"
        "readings-are-believed)"
    ),
)
MQTT_CONNECTED = gauge(
    "mqtt_connected",
    help="1 while the pool is connected to the MQTT broker.",
    left_out="without a broker",
)
MQTT_MESSAGES = counter(
    "mqtt_messages",
    "about",
    "outcome",
    help="Messages by what they were about and what became of them.",
    meaning=(
        "Messages since the start. `about` is `meter`, `ai`, `budget` or `other`; `outcome` "
        "is `taken`, `malformed`, `unknown` (there is no such meter, load or node), "
        "`outdated` (a newer one was taken) or `refused`"
    ),
    left_out="without a broker",
)


class Bus(Protocol):
    """What is looked at of an ``MqttBus``, which needs an extra."""

    @property
    def is_connected(self) -> bool: ...

    @property
    def outcomes(self) -> dict[tuple[str, str], int]:
        """Messages by what they were about and what became of them."""


class SignalMetrics(Collector):
    """Of all meters, and of the MQTT bus where there is one."""

    def __init__(self, meters: MeterBook, bus: Bus | None = None) -> None:
        self._meters, self._bus = meters, bus

    def collect(self) -> Iterator[Metric]:
        readings = POWER_READINGS.make()
        # Counted on another thread's time, maybe: a copy does not change under the loop.
        for (meter, quality), count in dict(self._meters.counts).items():
            readings.add_metric([meter, quality.value], count)
        yield readings
        if self._bus is None:
            return
        yield MQTT_CONNECTED.of(float(self._bus.is_connected))
        messages = MQTT_MESSAGES.make()
        for (about, outcome), count in self._bus.outcomes.items():
            messages.add_metric([about, outcome], count)
        yield messages
