"""The statistics as metrics: of the pool and its sites.

Workers have none: there may be 10,000 of them, which would be 300,000 series.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import Metric

from poolserver.metrics.families import gauge
from poolserver.stats.meter import REJECT_WINDOWS, WINDOWS, Reading

if TYPE_CHECKING:
    from poolserver.coordinator import PoolView, SiteView


def statistics_families(pool: "PoolView", sites: "Iterable[SiteView]") -> Iterator[Metric]:
    """Hashrates with their errors, rejects and best shares."""
    of_pool = _Families("pool")
    of_pool.add([], pool.reading, pool.best_difficulty)
    of_sites = _Families("site", "site")
    for site in sites:
        of_sites.add([site.name], site.reading, site.best_difficulty)
    yield from of_pool.families
    yield from of_sites.families


class _Families:
    """Hashrates, rejects and best shares of one level, told apart by ``labels``."""

    def __init__(self, level: str, *labels: str) -> None:
        rate = f"{level}_hashrate_hashes_per_second"
        sigma = f"{level}_hashrate_sigma_hashes_per_second"
        best = f"{level}_best_share_difficulty"
        self._rate = gauge(rate, "Proven hashrate.", *labels, "window")
        self._sigma = gauge(sigma, "Its standard error, of chance alone.", *labels, "window")
        self._rejects = gauge(
            f"{level}_reject_ratio", "Part of all judged shares.", *labels, "window", "kind"
        )
        self._best = gauge(best, "What the best accepted share would meet.", *labels, "scope")
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
