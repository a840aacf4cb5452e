"""What shares add up to: exact sums per worker and interval, and energy per site.

Adding is commutative and associative, so sums may be made in any order and of any parts.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import NamedTuple

from poolserver._native import ShareTotals as ShareTotals

UNASSIGNED_SITE = "unassigned"
"""Where the work of an account is booked that belongs to no site."""

INTERVAL_S = 900
"""Shares are booked by quarters of an hour, as electricity is metered. It divides a day."""
DAY_S = 86_400

PICOJOULES_PER_JOULE = 10**12


class WorkerKey(NamedTuple):
    """Where work is booked: at which site, for which account, by which worker.

    ``worker`` is the full username. Both names are empty for submits by nobody.
    """

    site: str
    account: str
    worker: str


class IntervalKey(NamedTuple):
    """A worker's interval. ``begin_s`` is in Unix seconds, a multiple of INTERVAL_S."""

    begin_s: int
    worker: WorkerKey


class EarningKey(NamedTuple):
    """An account's interval, at one difficulty of the network (0: of a journal without it)."""

    begin_s: int
    site: str
    account: str
    nbits: int


@dataclass(slots=True)
class Earning:
    """Accepted work, and what it was worth: over the network's work for a block that is sats."""

    accepted_work: int = 0
    value_work: int = 0
    """Of each share its work times the satoshi that a block paid when it was made."""

    def add(self, other: "Earning") -> None:
        self.accepted_work += other.accepted_work
        self.value_work += other.value_work


@dataclass(slots=True)
class Totals:
    """The sums of all shares by site, and the energy that each site's proven work took.

    Energy is kept as an exact fraction of picojoules (J/TH is pJ per hash, and what an
    operator writes, like 17.5 J/TH at PUE 1.05, is a decimal fraction): nothing is rounded
    until it is shown, so no sum depends on how the records were batched.
    """

    sites: dict[str, ShareTotals] = field(default_factory=dict)
    site_energy_pj: dict[str, Fraction] = field(default_factory=dict)

    def add(self, sites: Mapping[str, ShareTotals], site_energy_pj: Mapping[str, Fraction]) -> None:
        """Add sums and energy, by site."""
        for site, totals in sites.items():
            self.sites.setdefault(site, ShareTotals()).add(totals)
        add_energy(self.site_energy_pj, site_energy_pj)

    def energy_j(self, site: str) -> int:
        """The site's energy in whole joules, rounded down."""
        return floor(self.site_energy_pj.get(site, Fraction(0)) / PICOJOULES_PER_JOULE)


def add_energy(mine: dict[str, Fraction], news: Mapping[str, Fraction]) -> None:
    """Add picojoules by site."""
    for site, energy_pj in news.items():
        mine[site] = mine.get(site, Fraction(0)) + energy_pj


def site_lookup(accounts_of_sites: Mapping[str, Iterable[str]]) -> Callable[[str], str]:
    """The function from an account to its site, UNASSIGNED_SITE for one that has none.

    Raises:
        ValueError: two sites claim one account.
    """
    site_of_account: dict[str, str] = {}
    for site, accounts in accounts_of_sites.items():
        for account in accounts:
            other = site_of_account.setdefault(account, site)
            if other != site:
                raise ValueError(f"account {account!r} is claimed by sites {other!r} and {site!r}")
    return lambda account: site_of_account.get(account, UNASSIGNED_SITE)
