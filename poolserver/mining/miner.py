"""One connection as the pool's domain sees it: its extranonce1, its terms, its workers."""

from typing import NamedTuple

from poolserver.bitcoin.target import Difficulty
from poolserver.mining.vardiff import Vardiff


class AuthorizedWorker(NamedTuple):
    """A rig's name as it was authorized: ``account.worker`` or ``address.worker``."""

    ref: int
    account: str
    name: str


class ChangePoint(NamedTuple):
    """From ``first_job`` on shares are judged by ``difficulty`` and may roll ``version_mask``."""

    first_job: int
    difficulty: Difficulty
    version_mask: int


class Miner:
    """The state that ``pool.Pool`` keeps for one connection.

    What a job was issued with is not stored per job but as change points: a rig that is
    told a new difficulty may work on under the old one, so each share is judged by the
    terms of its own job (rejects after a difficulty change are the most reported trouble
    of all pools).
    """

    __slots__ = (
        "changes",
        "extranonce1",
        "last_job",
        "vardiff",
        "version_mask",
        "workers",
    )

    def __init__(self, extranonce1: bytes, vardiff: Vardiff) -> None:
        self.extranonce1 = extranonce1
        self.vardiff = vardiff
        self.version_mask = 0
        self.workers: dict[str, AuthorizedWorker] = {}
        self.changes: list[ChangePoint] = []
        self.last_job = 0

    def terms_of(self, job_number: int) -> ChangePoint:
        """The terms that the job was issued with on this connection."""
        for change in reversed(self.changes):
            if change.first_job <= job_number:
                return change
        return self.changes[0]

    def change(self, first_job: int, difficulty: Difficulty, oldest_live_job: int) -> None:
        """Apply ``difficulty`` from ``first_job`` on; forget terms that no live job has."""
        self.changes.append(ChangePoint(first_job, difficulty, self.version_mask))
        while len(self.changes) > 1 and self.changes[1].first_job <= oldest_live_job:
            del self.changes[0]

    def lowered_since(self, job_number: int) -> Difficulty | None:
        """The lowest difficulty told after that job went out, if it is below the job's own."""
        own = self.terms_of(job_number)
        later = [c.difficulty for c in self.changes if c.first_job > own.first_job]
        lowest = min(later, key=lambda difficulty: difficulty.value, default=own.difficulty)
        return lowest if lowest.target > own.difficulty.target else None

    def relax(self, difficulty: Difficulty) -> None:
        """Judge all older jobs by ``difficulty``: this rig applies a lowered one to old work."""
        last = max(i for i, c in enumerate(self.changes) if c.difficulty == difficulty)
        self.changes[:last] = [
            change._replace(difficulty=difficulty)
            if change.difficulty.target < difficulty.target
            else change
            for change in self.changes[:last]
        ]
