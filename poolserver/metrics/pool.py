"""What Prometheus is told of the pool: shares and sites, the work that rigs have, blocks, rigs.

All is read from plain numbers at each scrape: those that the ledger, the meters and the workers
keep anyway. There may be many sites: what is told of each is filled in later, in a thread.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from poolserver import __version__
from poolserver.ledger.totals import Totals
from poolserver.lookout.blocks import Efforts
from poolserver.metrics.blocks import block_families
from poolserver.metrics.books import book_families
from poolserver.metrics.families import Rows, counter, gauge, info
from poolserver.metrics.rigs import rig_families
from poolserver.metrics.statistics import statistics_families
from poolserver.metrics.timings import timing_families
from poolserver.mining.share import ShareOutcome

if TYPE_CHECKING:
    from poolserver.coordinator import Coordinator
    from poolserver.sites import SiteView

POOL = info("", "version", "network", help="The pool's version and network.", meaning="always 1")
SHARES = counter(
    "shares",
    "site",
    "result",
    "reason",
    help="Shares judged, over the pool's whole life.",
    meaning=(
        "Shares judged, over the pool's whole life: it goes on after a restart. `result` is "
        "`accepted`, `stale` or `rejected`; `reason` as in [Stratum](stratum.md). Series "
        "without a share are left out, but for `accepted`"
    ),
)
SITE_BUDGET = gauge(
    "site_budget_watts", "site", help="Power that the site may draw.", meaning="`budget_mw`"
)
SITE_WORK_SCALE = gauge(
    "site_work_scale",
    "site",
    help="Hashes that each proven hash counts for.",
    meaning="Hashes that each proven hash counts for; 1 but in demonstrations",
)
SITE_RIGS = gauge(
    "site_rigs",
    "site",
    help="Rigs that are connected and authorized.",
    meaning="Rigs connected and authorized, counted by worker name on each connection",
)
SITE_ENERGY = counter(
    "site_energy_joules",
    "site",
    help="Energy that the proven work stands for: work x J/TH x PUE.",
    meaning=("Energy that the proven work stands for, in whole joules, over the pool's whole life"),
)
TEMPLATE_AGE = gauge(
    "template_age_seconds",
    help="Since the node last confirmed the work of the rigs.",
    left_out="before the first template",
)
TEMPLATE_HEIGHT = gauge(
    "template_height",
    help="Height of the block that is worked on.",
    left_out="before the first template",
)

READY = gauge(
    "ready",
    help="1 while rigs should be sent here, as /readyz says.",
    meaning="1 while rigs should be sent here, as `/readyz` says",
)
CLOCK_WRONG = gauge(
    "clock_wrong",
    help="1 while this machine's clock cannot be right, by what the chain tells.",
    meaning=(
        "1 while this machine's clock cannot be right, by what the chain tells: nothing is closed "
        "or deleted by it meanwhile"
    ),
)


class PoolMetrics(Collector):
    """What the coordinator knows, as metric families."""

    def __init__(self, coordinator: "Coordinator", network: str) -> None:
        self._coordinator = coordinator
        self._network = network
        self._efforts = Efforts(coordinator.keeper)

    def collect(self) -> Iterator[Metric]:
        coordinator, views = self._coordinator, self._coordinator.site_views()
        yield POOL.of({"version": __version__, "network": self._network})
        yield READY.of(int(coordinator.not_ready_because() is None))
        yield CLOCK_WRONG.of(int(coordinator.is_clock_wrong))
        names = [view.name for view in views]
        yield _shares(names, coordinator.totals)
        yield from _sites(views)
        yield from statistics_families(coordinator.pool_view(), views)
        yield from self._template()
        yield from block_families(coordinator, names, self._efforts)
        counts = coordinator.tally.counts()
        yield from rig_families(coordinator.tally, counts)
        yield from timing_families(counts)
        yield from book_families(coordinator, counts)

    def _template(self) -> Iterator[Metric]:
        age = self._coordinator.template_age_s()
        template = self._coordinator.template
        if age is not None and template is not None:
            yield TEMPLATE_AGE.of(age)
            yield TEMPLATE_HEIGHT.of(template.height)


def _shares(names: Sequence[str], totals: Totals) -> Metric:
    now = [(site, tuple(each.shares)) for site, each in totals.sites.items()]

    def rows() -> Rows:
        # Accepted shares are told of before the first one: a rate needs a zero to start from.
        counts = {(name, "accepted", "accepted"): 0 for name in names}
        for site, shares in now:
            for outcome in ShareOutcome:
                if count := shares[outcome]:
                    counts[site, outcome.result, outcome.reason] = count
        return sorted(counts.items())

    return SHARES.later(rows)


def _sites(views: "Sequence[SiteView]") -> Iterator[Metric]:
    yield SITE_BUDGET.later(
        lambda: (((view.name,), view.budget_w) for view in views if view.budget_w is not None)
    )
    yield SITE_WORK_SCALE.later(lambda: (((view.name,), view.work_scale) for view in views))
    yield SITE_RIGS.later(lambda: (((view.name,), view.rigs) for view in views))
    yield SITE_ENERGY.later(lambda: (((view.name,), view.energy_j) for view in views))
