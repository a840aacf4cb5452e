"""The sites that work is booked at, and what each is shown to do.

Sites are those of the configuration, and ``unassigned`` for the work of accounts that no site has.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from poolserver.cluster.messages import WorkerCounters
from poolserver.config import SiteConfig
from poolserver.ledger.delta import Delta
from poolserver.ledger.totals import UNASSIGNED_SITE, Totals, site_lookup
from poolserver.stats.meter import Reading
from poolserver.stats.meters import OF_POOL, Level, Meters

# Each is told once; with more of them than this somebody makes names up.
MAX_UNASSIGNED_TOLD = 1000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SiteView:
    """A site as operators are shown it. ``work_scale`` is in the hashrates of ``reading``."""

    name: str
    budget_w: int | None
    work_scale: int
    reading: Reading
    best_difficulty: float
    """Of the best share ever; 0 before the first."""
    energy_j: int
    rigs: int


class PoolView(NamedTuple):
    """The whole pool as operators are shown it."""

    reading: Reading
    best_difficulty: float
    """Of the best share ever; 0 before the first."""


class Sites:
    """``meters`` are those of the pool, its sites, accounts and workers. Times are monotonic."""

    def __init__(self, sites: Iterable[SiteConfig]) -> None:
        self._sites = {site.name: site for site in sites}
        self.of_account = site_lookup({site.name: site.accounts for site in self._sites.values()})
        self.meters = Meters(self.of_account, self._scale_of)
        self._told: set[str] = set()

    def scaled(self) -> Iterable[SiteConfig]:
        """Those whose work is multiplied."""
        return (site for site in self._sites.values() if site.work_scale > 1)

    def tell_unassigned(self, delta: Delta) -> None:
        """Log each account whose work has no site, once."""
        for account, _ in delta.workers.values():
            if self.of_account(account) == UNASSIGNED_SITE and account not in self._told:
                if len(self._told) >= MAX_UNASSIGNED_TOLD:
                    break
                self._told.add(account)
                log.warning("account_without_site", account=account, site=UNASSIGNED_SITE)

    def views(
        self, totals: Totals, workers: Iterable[WorkerCounters], now_s: float
    ) -> list[SiteView]:
        """Every site of the config, and ``unassigned`` where there is work without a site."""
        names = list(self._sites)
        unassigned = ("", UNASSIGNED_SITE)
        if unassigned in self.meters.sites.states or UNASSIGNED_SITE in totals.sites:
            names.append(UNASSIGNED_SITE)
        rigs: Counter[str] = Counter()  # once for all sites: there may be as many accounts as rigs
        for worker in workers:
            for account, count in worker.rigs.items():
                rigs[self.of_account(account)] += count
        return [self._view(name, totals, rigs[name], now_s) for name in names]

    def pool_view(self, totals: Totals, now_s: float) -> PoolView:
        """All sites together."""
        best = max((each.best_difficulty for each in totals.sites.values()), default=0.0)
        return PoolView(self.meters.read(Level.POOL, OF_POOL, now_s), best)

    def _view(self, name: str, totals: Totals, rigs: int, now_s: float) -> SiteView:
        site, of_site = self._sites.get(name), totals.sites.get(name)
        return SiteView(
            name=name,
            budget_w=site.budget_w if site else None,
            work_scale=self._scale_of(name),
            reading=self.meters.read(Level.SITE, ("", name), now_s),
            best_difficulty=of_site.best_difficulty if of_site else 0.0,
            energy_j=totals.energy_j(name),
            rigs=rigs,
        )

    def _scale_of(self, site: str) -> int:
        known = self._sites.get(site)
        return known.work_scale if known else 1
