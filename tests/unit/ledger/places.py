"""Where tests' rigs are, and what their hashes take there."""

from collections.abc import Callable
from fractions import Fraction

from poolserver.ledger.totals import UNASSIGNED_SITE, WorkerKey
from poolserver.power.rating import Place, Rating, RatingSource


def places(pj_per_hash: Fraction | int) -> Callable[[WorkerKey], Place | None]:
    """Each worker of a site is at the site itself, and of no site nowhere."""
    known: dict[str, Place] = {}
    rating = Rating(Fraction(pj_per_hash), RatingSource.SITE_DEFAULT, "")

    def place_of(key: WorkerKey) -> Place | None:
        if key.site == UNASSIGNED_SITE:
            return None
        return known.setdefault(key.site, Place(key.site, rating, Fraction(pj_per_hash)))

    return place_of
