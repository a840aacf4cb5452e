"""What a rig's hashing is taken to cost: its efficiency, where that figure is from, its error."""

from enum import IntEnum
from fractions import Fraction
from typing import NamedTuple


class RatingSource(IntEnum):
    """Where an efficiency is from, the best first. The numbers stand in the database."""

    TELEMETRY = 1
    """The rig's own report of its power."""
    OPERATOR = 2
    """The operator's mapping in the config."""
    HINT = 3
    """The password options ``w=`` and ``jth=`` of its worker."""
    NAME_RULE = 4
    """A rule on the worker's name."""
    IDENTITY = 5
    """What it tells of itself: user agent, configure info, and its hashrate."""
    SITE_DEFAULT = 6
    """``default_j_per_th`` of its site."""

    @property
    def label(self) -> str:
        return self.name.lower().replace("_", " ")


class Rating(NamedTuple):
    """An efficiency, before PUE. Rigs of one rating at one node are added up together."""

    j_per_th: Fraction
    source: RatingSource
    model: str
    """``Antminer S21 (200 TH/s, 17.5 J/TH)``; empty where the model is not known."""

    @property
    def error_source(self) -> str:
        """What rigs have in common that are off together."""
        return f"model:{self.model}" if self.model else f"rating:{self.source.label}"


# One sigma, relative. A nameplate is good to 5 to 10 % (docs/estimates.md): with the three parts
# below two sigma of rigs of one model at one site are 11 %. A site default is a guess at a mix.
MODEL_SIGMA = {
    RatingSource.TELEMETRY: 0.02,
    RatingSource.OPERATOR: 0.03,
    RatingSource.HINT: 0.03,
    RatingSource.NAME_RULE: 0.03,
    RatingSource.IDENTITY: 0.04,
    RatingSource.SITE_DEFAULT: 0.08,
}
NAMEPLATE_SIGMA = 0.025
"""Of what all nameplates have in common: makers print what a rig does at their best, new and at 25
degrees. All figures but a rig's own telemetry go back to nameplates."""
SITE_SIGMA = 0.04
"""Of what a site's rigs have in common whatever their model: heat, voltage, age, firmware."""
RIG_SIGMA = 0.03
"""Of what differs from rig to rig of one model; it averages out."""


def common_errors(rating: Rating, site: str) -> tuple[tuple[str, float], ...]:
    """What rigs of this rating at this site have in common with others: by source one sigma,
    relative. See ``uncertain.Uncertain.common``."""
    own = (rating.error_source, MODEL_SIGMA[rating.source])
    of_site = (f"site:{site}", SITE_SIGMA)
    if rating.source is RatingSource.TELEMETRY:
        return own, of_site
    return own, of_site, ("nameplates", NAMEPLATE_SIGMA)


class Place(NamedTuple):
    """Where a rig's work is booked, and what each hash of it takes."""

    node: str
    """The path of the deepest power node that it is at."""
    rating: Rating
    pj_per_hash: Fraction
    """At the site's meter: the rating times PUE and ``work_scale``. 1 J/TH is 1 pJ a hash."""
