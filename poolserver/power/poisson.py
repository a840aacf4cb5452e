"""Confidence intervals of sums of shares of mixed work. Pure.

Shares are a Poisson process, and each stands for its work: the sum of n_i shares of work w_i is
a weighted sum of Poisson counts. Fay and Feuer (Statistics in Medicine 16, 1997) take for its
limits quantiles of the gamma distribution of the sum's mean and variance; with equal weights
they are Garwood's (Biometrika 28, 1936), which never cover less than they say, and so mostly more.
From 20 shares on the limits are those of a gamma distribution with 0.53 shares more than there
were on both sides, where Garwood's have none more below and one above. That is near to mid-P
limits (Fay and Kim, Biometrical Journal 59, 2017), and covers 93.9 to 95.8 % at every expected
count from 30 on (94 % but for a hundredth of a share about 31.6), and 94.3 % at least below.
"""

from math import exp, inf, lgamma, log, sqrt
from statistics import NormalDist
from typing import NamedTuple

from poolserver.power.uncertain import Interval

CONFIDENCE = 0.95

_EXACT_BELOW = 20.0
_NEARER = 0.53
# Cornish-Fisher's expansion is good to 1e-12 from here on; sums below it take 700 terms at most.
_LARGE_SHAPE = 20_000.0
_TERMS = 100_000
_EPSILON = 1e-16
_TINY = 1e-300
_SMALL = 1e-150  # below it the first term of the series is all, and the density overflows


class WeightedCount(NamedTuple):
    """A sum of shares, in any unit that is in proportion to work: hashes, H/s, joules, watts."""

    total: float
    squares: float
    """The sum of the squares of the shares, which is the variance of ``total``."""
    share: float
    """What one stands for that may come. Where none ever came it is not known, and 0."""

    @property
    def effective(self) -> float:
        """As many shares of one difficulty would tell as much."""
        return self.total * self.total / self.squares if self.squares else 0.0

    def scaled(self, factor: float) -> "WeightedCount":
        """The same in another unit."""
        return WeightedCount(
            self.total * factor, self.squares * factor * factor, self.share * factor
        )

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """Limits of what the sum is on the average, equal chances on both sides.

        Without a share, and without knowing what one would stand for, it is 0 to 0.
        """
        tail = (1.0 - confidence) / 2
        if self.effective < _EXACT_BELOW:
            more_at_high, more_at_low = 1.0, 0.0
        else:
            more_at_high = more_at_low = _NEARER
        return Interval(
            self._limit(more_at_low, tail), max(self.total, self._limit(more_at_high, 1.0 - tail))
        )

    def _limit(self, more: float, p: float) -> float:
        """The quantile of the gamma distribution that has the moments with ``more`` shares."""
        mean = self.total + more * self.share
        variance = self.squares + more * self.share * self.share
        shape = mean * mean / variance if variance else 0.0
        return gamma_quantile(shape, p) * variance / mean if shape else 0.0


def widened(interval: Interval, value: float, sigma: float, z: float) -> Interval:
    """An interval about ``value``, with an independent normal error more.

    By the method of variance estimates recovery (MOVER; Zou and Donner, Statistics in Medicine
    27, 2008): on each side the half-widths add in quadrature.
    """
    low, high = value - interval.low, interval.high - value
    return Interval(
        max(0.0, value - sqrt(low * low + (z * sigma) ** 2)),
        value + sqrt(high * high + (z * sigma) ** 2),
    )


def gamma_cdf(shape: float, x: float) -> float:
    """P(shape, x), the regularised lower incomplete gamma function; to 1e-13."""
    if x <= 0:
        return 0.0
    return _lower(shape, x) if x < shape + 1 else 1.0 - _upper(shape, x)


def gamma_quantile(shape: float, p: float) -> float:
    """Where the gamma distribution of scale 1 has ``p`` below it; to 1e-10 of itself.

    Raises:
        ValueError: the shape is not positive, or ``p`` not between 0 and 1.
    """
    if not 0.0 < shape < inf or not 0.0 < p < 1.0:
        raise ValueError(f"no quantile {p} of a gamma distribution of shape {shape}")
    if shape >= _LARGE_SHAPE:
        return _cornish_fisher(shape, p)
    low, high = 0.0, inf
    x = _start(shape, p)
    if x < _SMALL:
        return x
    for _ in range(100):
        # Of the smaller tail, so that nothing is lost where the other is nearly 1.
        error = gamma_cdf(shape, x) - p if p < 0.5 else 1.0 - p - _sf(shape, x)
        if error > 0:
            high = x
        else:
            low = x
        density = exp((shape - 1) * log(x) - x - lgamma(shape))
        step = error / density if density > _TINY else inf
        # Halley's correction, by the slope of the density.
        step /= max(0.5, 1.0 - 0.5 * step * ((shape - 1) / x - 1)) if step != inf else 1.0
        after = x - step
        if not low < after < high:
            after = (low + high) / 2 if high != inf else x * 2
        if abs(after - x) <= 1e-13 * x:
            return after
        x = after
    return x


def _sf(shape: float, x: float) -> float:
    return 1.0 - _lower(shape, x) if x < shape + 1 else _upper(shape, x)


def _lower(shape: float, x: float) -> float:
    """The series of P; converges fast for x below the shape."""
    term = total = 1.0 / shape
    for n in range(1, _TERMS):
        term *= x / (shape + n)
        total += term
        if term < total * _EPSILON:
            break
    return total * exp(shape * log(x) - x - lgamma(shape))


def _upper(shape: float, x: float) -> float:
    """The continued fraction of Q by Lentz's method; for x above the shape."""
    b = x + 1.0 - shape
    c = 1.0 / _TINY
    d = 1.0 / b
    total = d
    for n in range(1, _TERMS):
        a = -n * (n - shape)
        b += 2.0
        d = 1.0 / (a * d + b or _TINY)
        c = b + a / c or _TINY
        total *= d * c
        if abs(d * c - 1.0) < _EPSILON * 4:
            break
    return total * exp(shape * log(x) - x - lgamma(shape))


def _start(shape: float, p: float) -> float:
    """Near the quantile: Wilson and Hilferty (PNAS 17, 1931); below, the first term of P."""
    z = NormalDist().inv_cdf(p)
    cube = 1 - 1 / (9 * shape) + z / (3 * sqrt(shape))
    if shape > 0.5 and cube > 0.1:
        return float(shape * cube**3)
    return max(_TINY, exp((log(p) + lgamma(shape + 1)) / shape))


def _cornish_fisher(shape: float, p: float) -> float:
    """Of Abramowitz and Stegun 26.4.18's kind, five terms; what follows is below shape^-3."""
    z = NormalDist().inv_cdf(p)
    z2 = z * z
    root = sqrt(shape)
    return (
        shape
        + z * root
        + (z2 - 1) / 3
        + z * (z2 - 7) / (36 * root)
        - (3 * z2 * z2 + 7 * z2 - 16) / (810 * shape)
        + z * (9 * z2 * z2 + 256 * z2 - 433) / (38_880 * shape * root)
    )
