"""The statistics as metrics: of the pool and its sites.

Workers have theirs in ``workers``, where that is wanted.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import Metric

from poolserver.metrics.families import GaugeFamily, gauge
from poolserver.stats.meter import REJECT_WINDOWS, WINDOWS, Reading

if TYPE_CHECKING:
    from poolserver.sites import PoolView, SiteView

POOL_HASHRATE = gauge(
    "pool_hashrate_hashes_per_second",
    "window",
    help="Proven hashrate.",
    meaning=(
        "Proven hashrate of the whole pool, exponentially weighted over `1m`, `5m`, `15m`, "
        "`1h`, `6h`, `1d` or `7d`. `work_scale` of the sites is in it. See "
        "[statistics](statistics.md)"
    ),
)
POOL_HASHRATE_SIGMA = gauge(
    "pool_hashrate_sigma_hashes_per_second",
    "window",
    help="Its standard error, of chance alone.",
    meaning="Its standard error from the number of shares alone",
    left_out="before the first share",
)
POOL_REJECT_RATIO = gauge(
    "pool_reject_ratio",
    "window",
    "kind",
    help="Part of all judged shares.",
    meaning=(
        "Part of all judged shares, 0 to 1, over `1h` or `1d`; `kind` is `stale` or "
        "`rejected`. Over the whole life: from `poolserver_shares_total`"
    ),
    left_out="before the first share",
)
POOL_BEST_SHARE_DIFFICULTY = gauge(
    "pool_best_share_difficulty",
    "scope",
    help="What the best accepted share would meet.",
    meaning=(
        "The difficulty that the best accepted share would have met: `ever`, or in the "
        "`round` since the pool's last found block. 0 before the first"
    ),
)
SITE_HASHRATE = gauge(
    "site_hashrate_hashes_per_second",
    "site",
    "window",
    help="Proven hashrate.",
    meaning="The same of each site",
)
SITE_HASHRATE_SIGMA = gauge(
    "site_hashrate_sigma_hashes_per_second",
    "site",
    "window",
    help="Its standard error, of chance alone.",
    left_out="before the first share",
)
SITE_REJECT_RATIO = gauge(
    "site_reject_ratio",
    "site",
    "window",
    "kind",
    help="Part of all judged shares.",
    left_out="before the first share",
)
SITE_BEST_SHARE_DIFFICULTY = gauge(
    "site_best_share_difficulty", "site", "scope", help="What the best accepted share would meet."
)


def statistics_families(pool: "PoolView", sites: "Iterable[SiteView]") -> Iterator[Metric]:
    """Hashrates with their errors, rejects and best shares."""
    of_pool = _Families(
        POOL_HASHRATE, POOL_HASHRATE_SIGMA, POOL_REJECT_RATIO, POOL_BEST_SHARE_DIFFICULTY
    )
    of_pool.add([], pool.reading, pool.best_difficulty)
    of_sites = _Families(
        SITE_HASHRATE, SITE_HASHRATE_SIGMA, SITE_REJECT_RATIO, SITE_BEST_SHARE_DIFFICULTY
    )
    for site in sites:
        of_sites.add([site.name], site.reading, site.best_difficulty)
    yield from of_pool.families
    yield from of_sites.families


class _Families:
    """Hashrates, rejects and best shares of one level."""

    def __init__(
        self, rate: GaugeFamily, sigma: GaugeFamily, rejects: GaugeFamily, best: GaugeFamily
    ) -> None:
        self._rate, self._sigma = rate.make(), sigma.make()
        self._rejects, self._best = rejects.make(), best.make()
        self.families = (self._rate, self._sigma, self._rejects, self._best)

    def add(self, labels: list[str], reading: Reading, best_ever: float) -> None:
        rates = zip(WINDOWS, reading.hashrates, reading.relative_sigmas, strict=True)
        for window, rate, relative_sigma in rates:
            self._rate.add_metric([*labels, window], rate)
            if rate:  # before the first share nothing is known, of the error neither
                self._sigma.add_metric([*labels, window], rate * relative_sigma)
        for window, rejects in zip(REJECT_WINDOWS, reading.rejects, strict=True):
            if rejects is not None:
                self._rejects.add_metric([*labels, window, "stale"], rejects.stale)
                self._rejects.add_metric([*labels, window, "rejected"], rejects.rejected)
        self._best.add_metric([*labels, "ever"], best_ever)
        self._best.add_metric([*labels, "round"], reading.best_in_round)
