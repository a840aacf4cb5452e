"""How many shares there were of each outcome, as sums have it."""

from collections.abc import Mapping

from poolserver.mining.share import ShareOutcome


def share_counts(counts: Mapping[ShareOutcome, int]) -> list[int]:
    """By the outcomes' numbers; 0 of those that are not named."""
    return [counts.get(outcome, 0) for outcome in ShareOutcome]
