"""What hashes take at a site: a rig's rating, times PUE."""

from fractions import Fraction
from typing import Protocol

from poolserver.power.rating import Place, Rating, RatingSource


class SiteConfigLike(Protocol):
    """What must be known of a site."""

    @property
    def name(self) -> str: ...

    @property
    def pue(self) -> Fraction:
        """Power usage effectiveness: what the site draws for each watt of its rigs, from 1 on."""

    @property
    def default_j_per_th(self) -> Fraction:
        """The efficiency of rigs that nothing better is known of."""

    @property
    def work_scale(self) -> int:
        """How many hashes of the real site one hash here stands for: 1, more in a simulation."""


class SitePower:
    """The conversion from work to energy at one site."""

    def __init__(self, config: SiteConfigLike) -> None:
        self.name = config.name
        self._pj_per_j_per_th = config.work_scale * config.pue
        self.default_place = self.place_of(
            Rating(config.default_j_per_th, RatingSource.SITE_DEFAULT, ""), config.name
        )

    def place_of(self, rating: Rating, node: str) -> Place:
        """Where work of a rig at this site is booked. Energy is exact, in picojoules."""
        return Place(node, rating, rating.j_per_th * self._pj_per_j_per_th)
