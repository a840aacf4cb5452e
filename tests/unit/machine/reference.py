"""What each share must be answered and credited: the rules once more, apart from the pool's code.

It knows the pool only by what it wrote to its rigs and by the templates that it was given. The
arithmetic is hashlib's and Python's integers'; nothing of poolserver is imported.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import sha256
from typing import Any, NamedTuple

JOB_LIFETIME_S = 600.0
NTIME_ROLL_S = 7000
NO_HASH = bytes(32)
ACCEPTED = "accepted"
CODES = {
    "stale": 21,
    "job_not_found": 21,
    "duplicate": 22,
    "low_difficulty": 23,
    "unauthorized": 24,
    "ntime_out_of_range": 20,
    "version_outside_mask": 20,
}


def sha256d(data: bytes) -> bytes:
    return sha256(sha256(data).digest()).digest()


def target_of(difficulty: float) -> int:
    """The highest hash that meets a share difficulty."""
    return min(int((0xFFFF << 208) / Fraction(difficulty)), 2**256 - 1)


def network_target(nbits: int) -> int:
    return (nbits & 0x7FFFFF) << 8 * ((nbits >> 24) - 3)


def work_of(target: int) -> int:
    """The mean number of hashes that it takes to meet a target."""
    return 2**256 // (target + 1)


class Notify(NamedTuple):
    """A job as a rig reads it from its line."""

    job_id: str
    prevhash: bytes
    """As in the header."""
    coinb1: bytes
    coinb2: bytes
    branch: tuple[bytes, ...]
    version: int
    nbits: int
    ntime: int
    clean: bool

    @classmethod
    def parse(cls, params: list[Any]) -> "Notify":
        job_id, prevhash, coinb1, coinb2, branch, version, nbits, ntime, clean = params
        words = bytes.fromhex(prevhash)
        assert len(words) == 32
        assert type(clean) is bool
        return cls(
            job_id,
            b"".join(words[at : at + 4][::-1] for at in range(0, 32, 4)),
            bytes.fromhex(coinb1),
            bytes.fromhex(coinb2),
            tuple(map(bytes.fromhex, branch)),
            int(version, 16),
            int(nbits, 16),
            int(ntime, 16),
            clean,
        )

    @property
    def number(self) -> int:
        """Behind twelve digits for the process and its life."""
        return int(self.job_id[12:], 16)

    def header_start(self, extranonce: bytes, version: int, ntime: int) -> bytes:
        """The first 76 bytes: what is missing is the nonce."""
        root = sha256d(self.coinb1 + extranonce + self.coinb2)
        for item in self.branch:
            root = sha256d(root + item)
        return b"".join(
            (
                version.to_bytes(4, "little"),
                self.prevhash,
                root,
                ntime.to_bytes(4, "little"),
                self.nbits.to_bytes(4, "little"),
            )
        )


class Share(NamedTuple):
    """A submit's parameters."""

    worker: str
    job_id: str
    extranonce2: bytes
    ntime: int
    nonce: int
    bits: int | None


@dataclass(eq=False)
class Sent:
    """A job with what held for it on the session that it was sent to."""

    job: Notify
    target: int
    mask: int
    extranonce1: bytes


@dataclass(eq=False)
class Session:
    """One rig's session, over all connections on which it was resumed.

    ``mask`` is the last one granted on the present connection.
    """

    extranonce1: bytes = b""
    sent: list[Sent] = field(default_factory=list)
    mask: int = 0

    def terms_of(self, job: Notify) -> Sent:
        """A job that went to others only is judged by what held here when it was made."""
        earlier = [sent for sent in self.sent if sent.job.number <= job.number]
        return earlier[-1] if earlier else self.sent[0]

    def easiest_after(self, own: Sent) -> int:
        """The highest target of the jobs after ``own``, itself included."""
        return max(sent.target for sent in self.sent[self.sent.index(own) :])

    def relax(self, target: int) -> None:
        """Older jobs than the last of this target are judged by it, if by nothing easier."""
        last = max(i for i, sent in enumerate(self.sent) if sent.target == target)
        for sent in self.sent[:last]:
            sent.target = max(sent.target, target)


class Verdict(NamedTuple):
    """What must come of a share."""

    reason: str
    proven: bool = False
    work: int = 0
    job_number: int = 0
    hash_le: bytes = NO_HASH
    header: bytes | None = None
    """Of a block that has to go to the nodes."""


class Reference:
    """One life of the pool."""

    def __init__(self) -> None:
        self.jobs: dict[str, Notify] = {}
        """Every job that a rig was sent, over too."""
        self.made_at: dict[str, float] = {}
        """Of each job that lives, the oldest first."""
        self.current = ""
        self.tip = b""
        self.mintimes: dict[bytes, int] = {}
        self.seen: set[bytes] = set()
        self.found: set[bytes] = set()

    def made(self, job_id: str, now: float, *, is_current: bool = False) -> None:
        """A job was made, for all that are here or a spare one for who has had the current one.

        Those that are over are dropped then, and not before; the current one and its spares stay.
        """
        if job_id in self.made_at or job_id in self.jobs:
            return
        self.made_at[job_id] = now
        if is_current:
            self.current = job_id
        for job, at in list(self.made_at.items()):
            if job == self.current or now < at + JOB_LIFETIME_S:
                break
            del self.made_at[job]

    def was_sent(self, job: Notify, now: float) -> None:
        self.made(job.job_id, now)
        self.jobs[job.job_id] = job

    def lives(self, job_id: str, now: float) -> bool:
        """Whether its time is not over; the current one's never is."""
        if job_id not in self.made_at or job_id not in self.jobs:
            return False
        return job_id == self.current or now < self.made_at[job_id] + JOB_LIFETIME_S

    def judge(self, session: Session, workers: dict[str, int], share: Share, now: float) -> Verdict:
        """The answer to a share, in the order of the rules; the first that applies counts."""
        is_known = share.worker in workers
        if not self.lives(share.job_id, now):
            return Verdict("job_not_found")
        if not session.sent:
            return Verdict("job_not_found" if is_known else "unauthorized")
        job = self.jobs[share.job_id]
        own = session.terms_of(job)
        mask = own.mask | session.mask
        version = job.version if share.bits is None else job.version & ~mask | share.bits
        start = job.header_start(own.extranonce1 + share.extranonce2, version, share.ntime)
        header = start + share.nonce.to_bytes(4, "little")
        hash_le = sha256d(header)
        value = int.from_bytes(hash_le, "little")
        block = None
        if value <= network_target(job.nbits):
            if hash_le in self.found:
                return Verdict("duplicate", job_number=job.number, hash_le=hash_le)
            self.found.add(hash_le)
            block = header
        if not is_known:
            return Verdict("unauthorized", False, 0, job.number, hash_le, block)
        target = own.target
        if value > target and value <= session.easiest_after(own):
            target = session.easiest_after(own)
            session.relax(target)
        is_proven = value <= target and hash_le not in self.seen
        work = work_of(target) if is_proven else 0
        reason = self._reason(job, share, mask, value <= target)
        if is_proven:
            self.seen.add(hash_le)
        elif reason == ACCEPTED:
            reason = "duplicate"
        return Verdict(reason, is_proven, work, job.number, hash_le, block)

    def _reason(self, job: Notify, share: Share, mask: int, meets: bool) -> str:
        if job.prevhash != self.tip:
            return "stale"
        if share.bits is not None and share.bits & ~mask:
            return "version_outside_mask"
        if not self.mintimes[job.prevhash] <= share.ntime <= job.ntime + NTIME_ROLL_S:
            return "ntime_out_of_range"
        return ACCEPTED if meets else "low_difficulty"
