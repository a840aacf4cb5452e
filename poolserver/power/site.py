"""A site's power and energy, estimated from the work that its rigs proved.

``power = hashrate * efficiency * PUE``, the efficiency being what the site's configuration says
of all its rigs. The pool's energy ledger sums exact fractions, so the joules of a day do not
depend on how its shares were batched.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple, Protocol

from poolserver.power.rating import Place, Rating, RatingSource

HASHES_PER_TERAHASH = 10**12


class SiteConfigLike(Protocol):
    """What the power estimate needs to know of a site."""

    @property
    def name(self) -> str: ...

    @property
    def accounts(self) -> Sequence[str]:
        """The accounts whose rigs stand at the site."""

    @property
    def budget_w(self) -> int:
        """What the site may draw."""

    @property
    def pue(self) -> Fraction:
        """Power usage effectiveness: what the site draws for each watt of its rigs, from 1 on."""

    @property
    def default_j_per_th(self) -> Fraction:
        """The efficiency of its rigs."""

    @property
    def work_scale(self) -> int:
        """How many hashes of the real site one hash here stands for: 1, more in a simulation."""


class SiteEstimate(NamedTuple):
    """A site's draw. Show it with its sigma, never as if it were exact."""

    power_w: float
    sigma_w: float
    """The Poisson error alone; that of the efficiency (5-10 % of a nameplate) comes on top."""
    headroom_w: float
    """The budget less the power: below zero the site is over its budget."""


class SitePower:
    """The conversion from work to energy at one site."""

    def __init__(self, config: SiteConfigLike) -> None:
        self.name = config.name
        self.budget_w = config.budget_w
        self._pj_per_j_per_th = config.work_scale * config.pue
        self._j_per_hash = float(
            config.default_j_per_th * self._pj_per_j_per_th / HASHES_PER_TERAHASH
        )
        self.default_place = self.place_of(
            Rating(config.default_j_per_th, RatingSource.SITE_DEFAULT, ""), config.name
        )

    def estimate(self, hashrate_h_s: float, relative_sigma: float = 0.0) -> SiteEstimate:
        """The draw at a proven hashrate in H/s whose Poisson error is ``relative_sigma``."""
        power_w = hashrate_h_s * self._j_per_hash
        # No share yet: nothing is known but that no power is seen, and 0 * inf is no number.
        sigma_w = power_w * relative_sigma if power_w else 0.0
        return SiteEstimate(power_w, sigma_w, self.budget_w - power_w)

    def place_of(self, rating: Rating, node: str) -> Place:
        """Where work of a rig at this site is booked."""
        return Place(node, rating, rating.j_per_th * self._pj_per_j_per_th)
