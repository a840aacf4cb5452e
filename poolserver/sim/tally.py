"""What the pool said to the shares of a site."""

from collections import Counter
from dataclasses import dataclass, field

from poolserver._vendor.asyncio_stratum import ErrorCode, SubmitResult

# A foreign pool words its reasons as it likes, some with a number in each: count a few of them.
MAX_REASONS = 32
MAX_REASON_LENGTH = 80
OTHER_REASONS = "other reasons"


@dataclass(slots=True)
class Tally:
    """Counters of one site, over all its rigs and connections."""

    accepted: int = 0
    accepted_work: int = 0
    """Expected hashes of the accepted shares, as they were really done."""
    stale: int = 0
    """Refused with error 21: on an old tip, or on a job that the pool no longer knows."""
    rejected: int = 0
    """Refused for any other reason."""
    unanswered: int = 0
    """Sent on a connection that ended before the answer."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why shares were refused, stale ones too, in the pool's words."""
    trouble: str = ""
    """What went wrong last: no connection, no authorization; empty if nothing did."""

    def count(self, result: SubmitResult, work: int) -> None:
        """Count the answer to a share of ``work`` expected hashes."""
        if result.accepted:
            self.accepted += 1
            self.accepted_work += work
            return
        if result.error is not None and result.error.code == ErrorCode.JOB_NOT_FOUND:
            self.stale += 1
        else:
            self.rejected += 1
        reason = result.error.reason[:MAX_REASON_LENGTH] if result.error else "no reason given"
        if reason not in self.reasons and len(self.reasons) >= MAX_REASONS:
            reason = OTHER_REASONS
        self.reasons[reason] += 1
