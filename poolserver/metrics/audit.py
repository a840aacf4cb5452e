"""What Prometheus is told of the signed days."""

from collections.abc import Iterator

from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from poolserver.ledger.audit import day_text
from poolserver.ledger.auditor import Auditor
from poolserver.metrics.families import gauge


class AuditMetrics(Collector):
    """The end of the chain of signed days; nothing before the first one."""

    def __init__(self, auditor: Auditor) -> None:
        self._auditor = auditor

    def collect(self) -> Iterator[Metric]:
        last = self._auditor.last
        if last is None:
            return
        yield InfoMetricFamily(
            "poolserver_ledger_head",
            "The head over all signed days: keep it where the pool cannot reach it.",
            value={"day": day_text(last.day), "head": last.head.hex()},
        )
        end = gauge("ledger_signed_day_timestamp_seconds", "The end of the last signed day.")
        end.add_metric([], last.end_s)
        yield end
