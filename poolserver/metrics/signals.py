"""What Prometheus is told of signals: how readings were judged, what became of messages.

There may be as many meters as power nodes, thousands.
"""

from collections.abc import Iterator
from typing import Protocol

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from poolserver.metrics.families import counter, gauge
from poolserver.metrics.lines import (
    Encoder,
    batches,
    heading,
    lines,
    pack_labels,
    pack_numbers,
)
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


class ReadingSeries:
    """Of all meters. ``lines`` may be asked in any thread."""

    def __init__(self, meters: MeterBook) -> None:
        self._meters = meters

    def lines(self, encode: Encoder) -> Iterator[bytes]:
        """All of them, some at a time."""
        yield heading(POWER_READINGS, encode)
        counts = dict(self._meters.counts)  # in one go, as far as other threads can tell
        names, values = batches(tuple(counts)), batches(tuple(counts.values()))
        for some, numbers in zip(names, values, strict=True):
            labels = pack_labels(some, "meter", "quality")
            yield lines(POWER_READINGS, labels, pack_numbers(numbers))


class BusMetrics(Collector):
    """Of the MQTT bus."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def collect(self) -> Iterator[Metric]:
        yield MQTT_CONNECTED.of(float(self._bus.is_connected))
        messages = MQTT_MESSAGES.make()
        for (about, outcome), count in self._bus.outcomes.items():
            messages.add_metric([about, outcome], count)
        yield messages
