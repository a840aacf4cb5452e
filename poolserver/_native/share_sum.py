"""What sum_shares gives, in C and in Python: one class for both."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from poolserver._native import ShareTotals


class ShareSum(NamedTuple):
    """Shares of one worker and interval, of one work each, added up."""

    worker_ref: int
    interval_ms: int
    """When the interval begins that they are booked in, in Unix milliseconds."""
    totals: "ShareTotals"
