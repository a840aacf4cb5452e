"""The hashrate of every worker, account and site, from proven work. Pure."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from poolserver.power.hashrate import HashrateMeter

K = TypeVar("K")
Work = tuple[int, int]  # proven work in hashes, and the sum of the squares of its shares


class Meters:
    """One meter a site, account and worker; ``now_s`` is monotonic.

    A meter begins when its first rig is let in, not with its first share, so that the rate is
    right from the first minute on.
    """

    def __init__(self, site_of: Callable[[str], str]) -> None:
        self._site_of = site_of
        self.sites: dict[str, HashrateMeter] = {}
        self.accounts: dict[str, HashrateMeter] = {}
        self.workers: dict[tuple[str, str], HashrateMeter] = {}

    def declare(self, account: str, worker: str, now_s: float) -> None:
        """A rig was let in: begin to measure it, its account and its site if that is not done."""
        _begin(self.sites, self._site_of(account), now_s)
        _begin(self.accounts, account, now_s)
        _begin(self.workers, (account, worker), now_s)

    def update(self, proven: Mapping[tuple[str, str], Work], now_s: float) -> None:
        """Add work by (account, worker) that came in since the last call."""
        of_account: dict[str, Work] = {}
        of_site: dict[str, Work] = {}
        for (account, worker), work in proven.items():
            self.declare(account, worker, now_s)
            self.workers[account, worker].update(now_s, *work)
            _add(of_account, account, work)
            _add(of_site, self._site_of(account), work)
        for account, work in of_account.items():
            self.accounts[account].update(now_s, *work)
        for site, work in of_site.items():
            self.sites[site].update(now_s, *work)


def _begin(meters: dict[K, HashrateMeter], key: K, now_s: float) -> None:
    if key not in meters:
        meters[key] = HashrateMeter(now_s)


def _add(sums: dict[str, Work], key: str, work: Work) -> None:
    total, squares = sums.get(key, (0, 0))
    sums[key] = total + work[0], squares + work[1]
