"""What Prometheus is told of the signed days."""

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from poolserver.ledger.audit import day_text
from poolserver.ledger.auditor import Auditor
from poolserver.metrics.families import gauge, info

LEDGER_HEAD = info(
    "ledger_head",
    "day",
    "head",
    help="The head over all signed days: keep it where the pool cannot reach it.",
    meaning=(
        "The head over all signed days of the [ledger](ledger.md#the-audit). Whoever scrapes it "
        "keeps it"
    ),
    left_out="before the first",
)
LEDGER_SIGNED_DAY_TIMESTAMP = gauge(
    "ledger_signed_day_timestamp_seconds",
    help="The end of the last signed day.",
    meaning=(
        "The end of the last signed day, in Unix time. A pool with shares each day is never "
        "more than 25 hours beyond it"
    ),
    left_out="before the first",
)


class AuditMetrics(Collector):
    """The end of the chain of signed days; nothing before the first one."""

    def __init__(self, auditor: Auditor) -> None:
        self._auditor = auditor

    def collect(self) -> Iterator[Metric]:
        last = self._auditor.last
        if last is not None:
            yield LEDGER_HEAD.of({"day": day_text(last.day), "head": last.head.hex()})
            yield LEDGER_SIGNED_DAY_TIMESTAMP.of(last.end_s)
