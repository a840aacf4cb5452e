"""The jobs that rigs may still send shares for."""

from collections import deque
from collections.abc import Iterator
from math import inf

from poolserver._native import ShareSet
from poolserver.mining.job import Job

# A share may be on its way, or its rig may lag, for minutes; older jobs prove nothing of now.
JOB_LIFETIME_S = 600.0


class IssuedJob:
    """A job that is out, with what has been seen on it.

    ``seen`` holds the hash of each share that met its target, ``found`` of each block.
    A header belongs to one job alone, so both are dropped with it and never before:
    a reorganisation from A to B and back to A replays nothing.
    """

    __slots__ = ("expires_at", "found", "job", "seen")

    def __init__(self, job: Job, expires_at: float) -> None:
        self.job = job
        self.expires_at = expires_at
        self.seen = ShareSet()
        self.found: set[bytes] = set()


class JobRegistry:
    """Issued jobs by job_id, and the one that is current.

    Jobs are not dropped at a new tip: a share on the old tip is still tested as a block
    and answered stale, not unknown.
    """

    def __init__(self, lifetime_s: float = JOB_LIFETIME_S) -> None:
        self._lifetime_s = lifetime_s
        self._by_id: dict[str, IssuedJob] = {}
        self._by_age: deque[IssuedJob] = deque()
        self.current: Job | None = None
        self.ceiling = inf
        """A difficulty that no rig may be given one above: the network's, where that matters."""
        self.spare: Job | None = None
        """A newer job of the current one's template, for those who have had the current one."""

    def add(self, job: Job, now: float) -> None:
        """Make ``job`` the current one and drop those that have outlived their time."""
        self.current, self.spare = job, None
        self._keep(job, now)

    def add_spare(self, job: Job, now: float) -> None:
        """Keep ``job`` beside the current one, whose template it has."""
        self.spare = job
        self._keep(job, now)

    def _keep(self, job: Job, now: float) -> None:
        issued = IssuedJob(job, now + self._lifetime_s)
        self._by_id[job.job_id] = issued
        self._by_age.append(issued)
        self.expire(now)

    def expire(self, now: float) -> None:
        """Drop each job whose time is over; the current one stays whatever its age."""
        while self._by_age[0].expires_at <= now and self._by_age[0].job is not self.current:
            del self._by_id[self._by_age.popleft().job.job_id]

    def get(self, job_id: str, now: float) -> IssuedJob | None:
        """The issued job of that id, or None where it never was or is over."""
        issued = self._by_id.get(job_id)
        if issued is None or (issued.expires_at <= now and issued.job is not self.current):
            return None
        return issued

    def __iter__(self) -> Iterator[IssuedJob]:
        """All that live, the oldest first."""
        return iter(self._by_age)

    def restore(self, issued: IssuedJob) -> None:
        """Take a job of a process before this one, with what was seen on it; the oldest first."""
        self._by_id[issued.job.job_id] = issued
        self._by_age.append(issued)

    @property
    def oldest_number(self) -> int:
        """The number of the oldest job that still lives; 0 before the first."""
        return self._by_age[0].job.number if self._by_age else 0

    def __len__(self) -> int:
        return len(self._by_id)
