"""The statistics as metrics: of the pool and its sites.

Workers have theirs in ``workers``, where that is wanted.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client.core import Metric

from poolserver.metrics.families import Rows, gauge
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


def statistics_families(pool: "PoolView", sites: Sequence["SiteView"]) -> Iterator[Metric]:
    """Hashrates with their errors, rejects and best shares."""
    of_pool = [_Shown((), pool.reading, pool.best_difficulty)]
    of_sites = [_Shown((site.name,), site.reading, site.best_difficulty) for site in sites]
    for families, shown in ((_OF_POOL, of_pool), (_OF_SITES, of_sites)):
        for family, rows in zip(families, (_rates, _sigmas, _rejects, _best), strict=True):
            yield family.later(partial(rows, shown))


_OF_POOL = (POOL_HASHRATE, POOL_HASHRATE_SIGMA, POOL_REJECT_RATIO, POOL_BEST_SHARE_DIFFICULTY)
_OF_SITES = (SITE_HASHRATE, SITE_HASHRATE_SIGMA, SITE_REJECT_RATIO, SITE_BEST_SHARE_DIFFICULTY)


class _Shown(NamedTuple):
    """What the pool or a site has to show."""

    labels: tuple[str, ...]
    reading: Reading
    best_ever: float


def _rates(shown: Sequence[_Shown]) -> Rows:
    for labels, reading, _ in shown:
        for window, rate in zip(WINDOWS, reading.hashrates, strict=True):
            yield (*labels, window), rate


def _sigmas(shown: Sequence[_Shown]) -> Rows:
    for labels, reading, _ in shown:
        rates = zip(WINDOWS, reading.hashrates, reading.relative_sigmas, strict=True)
        for window, rate, relative_sigma in rates:
            if rate:  # before the first share nothing is known, of the error neither
                yield (*labels, window), rate * relative_sigma


def _rejects(shown: Sequence[_Shown]) -> Rows:
    for labels, reading, _ in shown:
        for window, rejects in zip(REJECT_WINDOWS, reading.rejects, strict=True):
            if rejects is not None:
                yield (*labels, window, "stale"), rejects.stale
                yield (*labels, window, "rejected"), rejects.rejected


def _best(shown: Sequence[_Shown]) -> Rows:
    for labels, reading, best_ever in shown:
        yield (*labels, "ever"), best_ever
        yield (*labels, "round"), reading.best_in_round
