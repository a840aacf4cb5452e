"""Random counts for the benches that check statistics."""

from math import exp, floor, lgamma, log, sqrt
from random import Random


def poisson(random: Random, mean: float) -> int:
    """A Poisson count, exact for any mean.

    Below 10 by multiplication, else by transformed rejection (Hoermann, Insurance: Mathematics
    and Economics 12, 1993, PTRS).
    """
    if mean < 10:
        limit, count, product = exp(-mean), 0, random.random()
        while product > limit:
            count += 1
            product *= random.random()
        return count
    b = 0.931 + 2.53 * sqrt(mean)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    quick = 0.9277 - 3.6224 / (b - 2)
    while True:
        u = random.random() - 0.5
        v = random.random()
        us = 0.5 - abs(u)
        count = floor((2 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= quick:
            return count
        if count < 0 or (us < 0.013 and v > us):
            continue
        density = count * log(mean) - mean - lgamma(count + 1)
        if log(v * inverse_alpha / (a / (us * us) + b)) <= density:
            return count
