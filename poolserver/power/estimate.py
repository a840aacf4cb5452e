"""A hashrate and its power, each with its error: what is known of a node, or of one rig. Pure.

``estimator`` makes it of a node, from work that is summed over the tree.
"""

from math import sqrt, tanh
from typing import NamedTuple

from poolserver.power.poisson import WeightedCount, widened
from poolserver.power.rating import RIG_SIGMA, Rating, common_errors
from poolserver.power.uncertain import NOTHING, Z95, Interval, Uncertain

J_PER_HASH_PER_J_PER_TH = 1e-12


class Estimate(NamedTuple):
    """What is known of a node over a window. Intervals are of 95 %."""

    hashrate_h_s: Uncertain = NOTHING
    """Proven, of real hashes."""
    accepted_h_s: float = 0.0
    power_w: Uncertain = NOTHING
    share_h_s: float = 0.0
    """What one share more would add to the hashrate; 0: not known."""
    share_w: float = 0.0
    """What it would add to the power."""
    chance_w2: float = 0.0
    """The part of the power's variance that is chance in the shares."""
    span_s: float = 0.0
    """How long it was really looked: the window, or a little more, or since the start."""

    @property
    def shares_h_s(self) -> WeightedCount:
        """The shares that the hashrate is made of."""
        return WeightedCount(self.hashrate_h_s.value, self.hashrate_h_s.variance, self.share_h_s)

    @property
    def shares_w(self) -> WeightedCount:
        """The same, as power."""
        return WeightedCount(self.power_w.value, self.chance_w2, self.share_w)

    @property
    def effective_shares(self) -> float:
        """As many shares of one difficulty would tell as much of the hashrate."""
        return self.shares_h_s.effective

    @property
    def hashrate_interval(self) -> Interval:
        """Of the hashrate, in H/s; exact where shares are few."""
        return self.shares_h_s.interval()

    @property
    def interval(self) -> Interval:
        """Of the power, in W: the shares' and the ratings' errors."""
        power, shares = self.power_w, self.shares_w
        rest = sqrt(max(0.0, power.sigma**2 - shares.squares))
        return widened(shares.interval(), power.value, rest, Z95)


def share_of_rig_h_s(share_work: float, window_s: float, age_s: float) -> float:
    """What a share adds to a rig's hashrate on the average of its time in an exponential window:
    its work over twice the window; over the meter's age while that is much less."""
    return share_work / (2 * window_s) / tanh(age_s / (2 * window_s)) if age_s > 0 else 0.0


def worker_estimate(
    hashrate_h_s: float, relative_sigma: float, share_h_s: float, rating: Rating, site: str = ""
) -> Estimate:
    """What is known of one rig, from what its meter (``stats.meter``) shows, at its own plug.

    ``relative_sigma`` is infinite where there was no share yet; ``share_h_s`` is that of
    share_of_rig_h_s(). Nothing of the rig's error averages out: it is one.
    """
    w_per_h_s = float(rating.j_per_th) * J_PER_HASH_PER_J_PER_TH
    variance = (hashrate_h_s * relative_sigma) ** 2 if hashrate_h_s else 0.0
    power_w = hashrate_h_s * w_per_h_s
    chance_w2 = variance * w_per_h_s * w_per_h_s
    common = {source: power_w * sigma for source, sigma in common_errors(rating, site)}
    return Estimate(
        Uncertain(hashrate_h_s, variance),
        hashrate_h_s,
        Uncertain(power_w, chance_w2 + (power_w * RIG_SIGMA) ** 2, common),
        share_h_s,
        share_h_s * w_per_h_s,
        chance_w2,
    )
