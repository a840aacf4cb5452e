"""What rigs know of the shares that they have sent, for the judge of a pool's books."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

ACCEPTED = "accepted"
NOBODY = ""
"""The username that shares are booked to that are nobody's."""


class Kind(Enum):
    """What a rig sends, and with that what may be answered."""

    GOOD = "good"
    AGAIN = "again"  # one that was not answered, once the rig has its session back
    LATER = "later"  # one that was not answered, to a pool that knows nothing of its job
    DUPLICATE = "duplicate"
    STALE = "stale"
    LOW = "low difficulty"
    STRANGER = "unauthorized"
    NO_JOB = "unknown job"
    NTIME = "ntime out of range"
    VERSION = "version outside the mask"
    MALFORMED = "malformed"
    EARLY = "not subscribed"


# A tip that is new to the pool makes any share stale. A share of a lost session is a duplicate if
# the pool had it; and the pool may have dropped its job.
_MAY_BE = {
    Kind.GOOD: {ACCEPTED, "stale"},
    Kind.AGAIN: {ACCEPTED, "stale", "duplicate"},
    Kind.LATER: {"job_not_found"},
    Kind.DUPLICATE: {"duplicate", "stale"},
    Kind.STALE: {"stale"},
    Kind.LOW: {"low_difficulty", "stale"},
    Kind.STRANGER: {"unauthorized"},
    Kind.NO_JOB: {"job_not_found"},
    Kind.NTIME: {"ntime_out_of_range", "stale"},
    Kind.VERSION: {"version_outside_mask", "stale"},
    Kind.MALFORMED: {"malformed"},
    Kind.EARLY: {"not_subscribed"},
}


@dataclass(slots=True)
class Submit:
    """One share as it was sent. ``answer`` is ``accepted``, the reason, or None: none came."""

    kind: Kind
    account: str
    username: str
    """Whom it is booked to, whatever the pool makes of it."""
    hash_le: bytes
    """Of the header that the rig made itself; empty where there is none."""
    work: int
    """Hashes that it stands for, should it be accepted."""
    sent_at: float
    answer: str | None = None


@dataclass
class Evidence:
    """All submits of all rigs, and what rigs noticed that may not be."""

    submits: list[Submit] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    latencies_ms: list[tuple[float, float]] = field(default_factory=list)
    """Of each answer: when it came (monotonic seconds), and how long it took."""

    def answered(self, submit: Submit, answer: str, now: float) -> None:
        """Note the pool's word, and what is wrong with it at first sight."""
        submit.answer = answer
        self.latencies_ms.append((now, 1000 * (now - submit.sent_at)))
        if answer not in _MAY_BE[submit.kind]:
            self.faults.append(
                f"a share of kind {submit.kind.value} of {submit.username} was answered {answer}"
            )

    def count(self, answer: str | None) -> int:
        """How many were answered so; None: not at all."""
        return sum(each.answer == answer for each in self.submits)


def percentile(values: Iterable[float], part: float) -> float:
    """The value that ``part`` of all are not above; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0
