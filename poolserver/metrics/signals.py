"""What Prometheus is told of signals: how readings were judged, what became of messages."""

from collections.abc import Iterator
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from poolserver.metrics.families import gauge
from poolserver.power.readings import MeterBook


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
        readings = CounterMetricFamily(
            "poolserver_power_readings",
            "Readings of meters, by what was thought of each.",
            labels=["meter", "quality"],
        )
        # Counted on another thread's time, maybe: a copy does not change under the loop.
        for (meter, quality), count in dict(self._meters.counts).items():
            readings.add_metric([meter, quality.value], count)
        yield readings
        if self._bus is None:
            return
        connected = gauge("mqtt_connected", "1 while the pool is connected to the MQTT broker.")
        connected.add_metric([], float(self._bus.is_connected))
        yield connected
        messages = CounterMetricFamily(
            "poolserver_mqtt_messages",
            "Messages by what they were about and what became of them.",
            labels=["about", "outcome"],
        )
        for (about, outcome), count in self._bus.outcomes.items():
            messages.add_metric([about, outcome], count)
        yield messages
