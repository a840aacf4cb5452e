"""What a meter's energy counter did between two readings: grew, rolled over, or was set back.

Energy in joules, whatever the counter's own unit is.
"""

from enum import StrEnum
from typing import NamedTuple

# A counter may be read a moment before or after its time is taken, and by steps of its own unit.
SLACK_S = 30.0


class CounterMove(StrEnum):
    """What happened to it."""

    GREW = "grew"
    ROLLED_OVER = "rolled over"
    """It reached its end and began at 0 again: nothing is lost."""
    SET_BACK = "set back"
    """A reset, or another meter: what it gained is not known."""
    LEAPT = "leapt"
    """By more than its node can carry: what it gained is not known."""


class CounterStep(NamedTuple):
    """``gained_j`` is 0 where it is not known."""

    move: CounterMove
    gained_j: int = 0


def counter_step(
    before_j: int,
    after_j: int,
    elapsed_s: float,
    most_w: float,
    modulus_j: int | None = None,
) -> CounterStep:
    """From one reading to the next, ``elapsed_s`` later.

    ``most_w`` is what its node carries at the most; ``modulus_j`` is where the counter begins
    again, 2^32 kWh say, None where it is not known or too far to be reached.

    >>> counter_step(10, 25, 60, most_w=1)
    CounterStep(move=<CounterMove.GREW: 'grew'>, gained_j=15)
    >>> counter_step(4_294_967_290, 4, 60, most_w=1, modulus_j=2**32).gained_j
    10
    """
    possible_j = most_w * (max(elapsed_s, 0.0) + SLACK_S)
    gained_j = after_j - before_j
    if gained_j >= 0:
        if gained_j <= possible_j:
            return CounterStep(CounterMove.GREW, gained_j)
        return CounterStep(CounterMove.LEAPT)
    if modulus_j is not None and after_j < modulus_j and 0 <= gained_j + modulus_j <= possible_j:
        return CounterStep(CounterMove.ROLLED_OVER, gained_j + modulus_j)
    return CounterStep(CounterMove.SET_BACK)
