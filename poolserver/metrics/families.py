"""How our families are named."""

from prometheus_client.core import GaugeMetricFamily


def gauge(name: str, help_text: str, *labels: str) -> GaugeMetricFamily:
    """A family of gauges, to be filled."""
    return GaugeMetricFamily(f"poolserver_{name}", help_text, labels=labels)
