"""What sum_shares gives, in C and in Python: one class for both."""

from typing import NamedTuple


class ShareSum(NamedTuple):
    """Shares of one worker, interval and work, added up."""

    worker_ref: int
    interval_ms: int
    """When the interval begins that they are booked in, in Unix milliseconds."""
    work: int
    """Of each of them, in hashes."""
    proven: bool
    """Whether their work was done."""
    outcomes: tuple[int, ...]
    """How many there are of each outcome, by its number."""
    best_hash_le: bytes | None
    """The lowest hash of those that are proven and accepted."""
    first_ms: int
    last_ms: int
