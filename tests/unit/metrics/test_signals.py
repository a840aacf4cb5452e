"""What Prometheus is told of signals."""

from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from poolserver.metrics.lines import Encoder
from poolserver.metrics.signals import BusMetrics, ReadingSeries
from poolserver.power.readings import MeterBook, MeterSpec
from poolserver.power.state import MeterReading


@pytest.mark.parametrize(
    ("encode", "name"),
    [
        (generate_latest, b"poolserver_power_readings_total"),
        (generate_openmetrics, b"poolserver_power_readings"),
    ],
)
def test_readings_are_counted_by_what_was_thought_of_them(encode: Encoder, name: bytes) -> None:
    book = MeterBook([MeterSpec("t2", 5_000_000)])
    for at_s, power_w in ((1.0, 4e6), (2.0, 4e6), (3.0, -4e6)):
        book.take(MeterReading("t2", at_s, power_w), at_s)
    heading, *lines = ReadingSeries(book).lines(encode)
    assert heading.startswith(b"# HELP %b Readings of meters" % name)
    assert b"\n# TYPE %b counter\n" % name in heading
    assert b"".join(lines).splitlines() == [
        b'poolserver_power_readings_total{meter="t2",quality="good"} 2',
        b'poolserver_power_readings_total{meter="t2",quality="negative"} 1',
    ]


def test_messages_are_counted_by_what_became_of_them() -> None:
    bus = SimpleNamespace(is_connected=True, outcomes={("budget", "malformed"): 3})
    registry = CollectorRegistry()
    registry.register(BusMetrics(bus))
    labels = {"about": "budget", "outcome": "malformed"}
    assert registry.get_sample_value("poolserver_mqtt_messages_total", labels) == 3.0
    assert registry.get_sample_value("poolserver_mqtt_connected") == 1.0
