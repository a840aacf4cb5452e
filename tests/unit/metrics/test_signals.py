"""What Prometheus is told of signals."""

from types import SimpleNamespace

from prometheus_client import CollectorRegistry

from poolserver.metrics.signals import SignalMetrics
from poolserver.power.readings import MeterBook, MeterSpec
from poolserver.power.state import MeterReading


def test_readings_are_counted_by_what_was_thought_of_them() -> None:
    book = MeterBook([MeterSpec("t2", 5_000_000)])
    for at_s, power_w in ((1.0, 4e6), (2.0, 4e6), (3.0, -4e6)):
        book.take(MeterReading("t2", at_s, power_w), at_s)
    registry = CollectorRegistry()
    registry.register(SignalMetrics(book))
    told = {
        quality: registry.get_sample_value(
            "poolserver_power_readings_total", {"meter": "t2", "quality": quality}
        )
        for quality in ("good", "negative", "jump")
    }
    assert told == {"good": 2.0, "negative": 1.0, "jump": None}
    assert registry.get_sample_value("poolserver_mqtt_connected") is None


def test_messages_are_counted_by_what_became_of_them() -> None:
    bus = SimpleNamespace(is_connected=True, outcomes={("budget", "malformed"): 3})
    registry = CollectorRegistry()
    registry.register(SignalMetrics(MeterBook([]), bus))
    labels = {"about": "budget", "outcome": "malformed"}
    assert registry.get_sample_value("poolserver_mqtt_messages_total", labels) == 3.0
    assert registry.get_sample_value("poolserver_mqtt_connected") == 1.0
