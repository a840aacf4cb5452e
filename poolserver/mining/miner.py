"""One connection as the pool's domain sees it: its extranonce1, its terms, its workers."""

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, Self

from poolserver._vendor.asyncio_stratum import RigInfo
from poolserver.bitcoin.target import Difficulty
from poolserver.mining.firmware import Firmware
from poolserver.mining.vardiff import Vardiff

if TYPE_CHECKING:
    from poolserver._native import LaneRig

# So long after its last share a worker still counts as one that mines: at one share a minute,
# below which nothing is known of it, ten minutes without any have a chance of e^-10.
ACTIVE_S = 600.0
# A worker with fewer is not resolved: its own hashrate and silence cannot be told.
RESOLVED_SHARES_PER_MINUTE = 1.0


class PowerHint(NamedTuple):
    """What a rig's password says of its power, either None where it says nothing."""

    watts: int | None
    j_per_th: Fraction | None


NO_HINT = PowerHint(None, None)


class AuthorizedWorker:
    """A rig's name as it was authorized on one connection: ``account.worker`` and the like."""

    __slots__ = (
        "_counted_at",
        "_counted_shares",
        "account",
        "active_at",
        "hint",
        "is_resolved",
        "name",
        "ref",
        "shares",
    )

    def __init__(self, ref: int, account: str, name: str, now: float) -> None:
        self.ref = ref
        self.account = account
        self.name = name
        self.hint = NO_HINT
        self.shares = 0
        self.active_at = now
        self.is_resolved = True
        self._counted_at = now
        self._counted_shares = 0

    def counters(self) -> dict[str, int | float | bool]:
        """What it has counted, for a process that takes the connection over."""
        return {name: getattr(self, name) for name in _COUNTERS}

    @classmethod
    def restored(
        cls, ref: int, account: str, name: str, counters: Mapping[str, int | float | bool]
    ) -> Self:
        """One that goes on counting where another process left off."""
        worker = cls(ref, account, name, counters["active_at"])
        for counter in _COUNTERS:
            setattr(worker, counter, counters.get(counter, getattr(worker, counter)))
        return worker

    def is_active(self, now: float) -> bool:
        """Whether it has proven work, or has come, in the last ACTIVE_S seconds."""
        return now - self.active_at <= ACTIVE_S

    def look(self, now: float) -> None:
        """Once in ACTIVE_S seconds find out whether its shares tell its hashrate."""
        elapsed = now - self._counted_at
        if elapsed >= ACTIVE_S:
            due = RESOLVED_SHARES_PER_MINUTE * elapsed / 60
            self.is_resolved = self.shares - self._counted_shares >= due
            self._counted_at, self._counted_shares = now, self.shares


_COUNTERS = ("shares", "active_at", "is_resolved", "_counted_at", "_counted_shares")


class ChangePoint(NamedTuple):
    """What holds for the jobs of a connection from ``first_job`` on."""

    first_job: int
    difficulty: Difficulty
    version_mask: int
    extranonce1: bytes
    coinbase_class: int

    def for_lane(self) -> tuple["ChangePoint", int, bytes, int, int, bytes, int]:
        """As ``LaneRig.open`` takes it."""
        return (
            self,
            self.first_job,
            self.difficulty.target_le,
            self.difficulty.work,
            self.version_mask,
            self.extranonce1,
            self.coinbase_class,
        )


def extranonces_of(extranonce1: bytes, changes: list[ChangePoint]) -> set[bytes]:
    """Every extranonce1 of a connection that has this one now, and these change points."""
    return {extranonce1, *(change.extranonce1 for change in changes)} - {b""}


class Miner:
    """The state that ``pool.Pool`` keeps for one connection.

    What a job was issued with is not stored per job but as change points: a rig that is
    told a new difficulty may work on under the old one, so each share is judged by the
    terms of its own job (rejects after a difficulty change are the most reported trouble
    of all pools).
    """

    __slots__ = (
        "_coinbase_class",
        "_extranonce1",
        "_version_mask",
        "announced",
        "changes",
        "expected_workers",
        "firmware",
        "has_new_terms",
        "info",
        "is_resumable",
        "lane",
        "last_job",
        "session_id",
        "user_agent",
        "vardiff",
        "workers",
    )

    def __init__(self, vardiff: Vardiff, coinbase_class: int) -> None:
        self.vardiff = vardiff
        self._coinbase_class = coinbase_class
        self._extranonce1 = b""  # until it is subscribed
        self.session_id = ""
        self.user_agent = ""
        self.info: RigInfo | None = None
        self.firmware: Firmware | None = None  # once it has told who it is
        self._version_mask = 0
        self.workers: dict[str, AuthorizedWorker] = {}
        self.changes: list[ChangePoint] = []
        self.last_job = 0
        self.is_resumable = True
        self.expected_workers = 1  # of a session that is resumed as many as it had
        self.announced: float | None = None
        """The difficulty that the rig was told last on this connection."""
        self.lane: LaneRig | None = None
        """Where its ordinary shares are judged in C, if that is so on this connection."""
        self.has_new_terms = True
        """Whether anything but the difficulty may be other than with the last job.

        To compare each with the last change point is 0.7 us, most of it waiting for memory: with
        10,000 rigs 7 ms between a new block's first job and its last.
        """

    @property
    def coinbase_class(self) -> int:
        """Which variant of a job it is sent; see ``job.CoinbaseClasses``."""
        return self._coinbase_class

    @coinbase_class.setter
    def coinbase_class(self, coinbase_class: int) -> None:
        self._coinbase_class = coinbase_class
        self.has_new_terms = True

    @property
    def extranonce1(self) -> bytes:
        """Its extranonce1 for the jobs from the next one on; empty until it is subscribed."""
        return self._extranonce1

    @extranonce1.setter
    def extranonce1(self, extranonce1: bytes) -> None:
        self._extranonce1 = extranonce1
        self.has_new_terms = True

    @property
    def version_mask(self) -> int:
        """The version bits that it may roll in the jobs from the next one on."""
        return self._version_mask

    @version_mask.setter
    def version_mask(self, version_mask: int) -> None:
        self.close_lane()  # it holds for older jobs too
        self._version_mask = version_mask
        self.has_new_terms = True

    def open_lane(self) -> None:
        """Let ordinary shares be judged in C, by the present terms, until one of these changes."""
        if self.lane is not None and not self.lane.is_open:
            self.lane.open(
                self.version_mask,
                [change.for_lane() for change in self.changes],
                [(each, each.name.encode(), each.ref) for each in self.workers.values()],
            )

    def close_lane(self) -> None:
        """Something that shares are judged by is about to change."""
        if self.lane is not None:
            self.lane.close()

    def terms_of(self, job_number: int) -> ChangePoint:
        """The terms that the job was issued with on this connection."""
        for change in reversed(self.changes):
            if change.first_job <= job_number:
                return change
        return self.changes[0]

    def holds(self, difficulty: float) -> bool:
        """Whether the last job went out at this difficulty and with all else as it is now."""
        if not self.changes:
            return False
        last = self.changes[-1]
        return (
            last.difficulty.value == difficulty
            and last.version_mask == self.version_mask
            and last.extranonce1 == self.extranonce1
            and last.coinbase_class == self.coinbase_class
        )

    def change(self, first_job: int, difficulty: Difficulty, oldest_live_job: int) -> set[bytes]:
        """Apply the present terms from ``first_job`` on; forget those that no live job has.

        Returns each extranonce1 that nothing of this connection needs any more.
        """
        self.close_lane()
        change = ChangePoint(
            first_job, difficulty, self.version_mask, self.extranonce1, self.coinbase_class
        )
        if not self.changes:  # the first of all: 1.5 us less
            self.changes.append(change)
            return set()
        before = self.extranonces
        self.changes.append(change)
        while len(self.changes) > 1 and self.changes[1].first_job <= oldest_live_job:
            del self.changes[0]
        return before - self.extranonces

    @property
    def extranonces(self) -> set[bytes]:
        """Every extranonce1 that a share may still be for; more than one after a change."""
        return extranonces_of(self.extranonce1, self.changes)

    def lowered_since(self, job_number: int) -> Difficulty | None:
        """The lowest difficulty told after that job went out, if it is below the job's own."""
        own = self.terms_of(job_number)
        later = [c.difficulty for c in self.changes if c.first_job > own.first_job]
        lowest = min(later, key=lambda difficulty: difficulty.value, default=own.difficulty)
        return lowest if lowest.target > own.difficulty.target else None

    def relax(self, difficulty: Difficulty) -> None:
        """Judge all older jobs by ``difficulty``: this rig applies a lowered one to old work."""
        self.close_lane()
        last = max(i for i, c in enumerate(self.changes) if c.difficulty == difficulty)
        self.changes[:last] = [
            change._replace(difficulty=difficulty)
            if change.difficulty.target < difficulty.target
            else change
            for change in self.changes[:last]
        ]
