"""What became of a submitted share."""

from enum import IntEnum


class ShareOutcome(IntEnum):
    """The pool's judgement of one ``mining.submit``.

    The numbers stand in the journal and the reasons in answers and metrics: neither changes.
    """

    code: int
    reason: str

    def __new__(cls, number: int, code: int, reason: str) -> "ShareOutcome":
        member = int.__new__(cls, number)
        member._value_ = number
        member.code = code
        member.reason = reason
        return member

    ACCEPTED = 0, 0, "accepted"
    STALE = 1, 21, "stale"
    JOB_NOT_FOUND = 2, 21, "job_not_found"
    DUPLICATE = 3, 22, "duplicate"
    LOW_DIFFICULTY = 4, 23, "low_difficulty"
    UNAUTHORIZED = 5, 24, "unauthorized"
    NOT_SUBSCRIBED = 6, 25, "not_subscribed"
    NTIME_OUT_OF_RANGE = 7, 20, "ntime_out_of_range"
    VERSION_OUTSIDE_MASK = 8, 20, "version_outside_mask"
    MALFORMED = 9, 20, "malformed"

    @property
    def result(self) -> str:
        """The Prometheus label ``result``: accepted, stale or rejected."""
        if self is ShareOutcome.ACCEPTED or self is ShareOutcome.STALE:
            return self.reason
        return "rejected"
