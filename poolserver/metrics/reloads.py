"""What Prometheus is told of the configuration that is in force, and of reloads."""

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from poolserver.handover.reload import OUTCOMES, ReloadFacts
from poolserver.metrics.families import counter, info

CONFIG = info(
    "config",
    "sha256",
    help="Which configuration is in force.",
    meaning=(
        "Which configuration is in force: the same settings have the same hash, whatever the "
        "file's text looks like; passwords are not in it"
    ),
)
RELOADS = counter(
    "reloads",
    "outcome",
    help="Reloads of the configuration that were asked for.",
    meaning=(
        "[Reloads](reload.md) that were asked for: `reloaded`, `unchanged`, `refused` (nothing "
        "was begun), `failed` (all is as before). The count goes on over reloads and upgrades"
    ),
)


class ReloadMetrics(Collector):
    """What is in force, and how it came so."""

    def __init__(self, facts: ReloadFacts) -> None:
        self._facts = facts

    def collect(self) -> Iterator[Metric]:
        yield CONFIG.of({"sha256": self._facts.config_sha256})
        reloads = RELOADS.make()
        for outcome in OUTCOMES:
            reloads.add_metric([outcome], self._facts.counts[outcome])
        yield reloads
