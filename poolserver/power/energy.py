"""Energy of proven work, with its error. Pure.

The energy is work times what each hash takes: exact. Its error has the parts that the estimator
has (docs/estimates.md): chance in the shares, what differs from rig to rig, and what a model or
a site has in common, which does not average out, over rigs or over time. So the error of a month
is made of a month's sums, and not of the errors of its intervals.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from poolserver.power.rating import RIG_SIGMA, Rating, common_errors
from poolserver.power.uncertain import Uncertain

PJ_PER_J = 10**12
# How many rigs a work is of is not in the books: it is taken to be that of rigs like the new
# models of the big makers. With a thousand of them this part is 0.1 %.
RIG_W = 3500.0


class EnergyLine(NamedTuple):
    """Work of rigs of one rating in one site."""

    site: str
    rating: Rating
    pj_per_hash: Fraction
    """What a hash takes there: ``Place.pj_per_hash``."""
    proven_work: int
    proven_work_sq: int

    @property
    def energy_pj(self) -> Fraction:
        """Exact."""
        return self.proven_work * self.pj_per_hash


def energy_of(lines: Iterable[EnergyLine], span_s: float) -> Uncertain:
    """The energy of all lines in joules, of work over ``span_s``."""
    value = variance = 0.0
    common: dict[str, float] = {}
    for line in lines:
        j_per_hash = float(line.pj_per_hash) / PJ_PER_J
        energy_j = line.proven_work * j_per_hash
        value += energy_j
        variance += line.proven_work_sq * j_per_hash * j_per_hash
        # Rigs of energy e each that are off by a part r of it, independent: r^2 e^2 times E / e.
        variance += RIG_SIGMA**2 * energy_j * min(energy_j, RIG_W * span_s)
        for source, sigma in common_errors(line.rating, line.site):
            common[source] = common.get(source, 0.0) + energy_j * sigma
    return Uncertain(value, variance, common)
