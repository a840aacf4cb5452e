"""What becomes of a share. Pure: no sockets, no clock, no files.

``now`` is monotonic seconds. The share path (``submit_share``) is synchronous and makes one call
into C. It is the plain path: whatever is judged in the lane (_native/share_lane.h) is judged so.
"""

from typing import NamedTuple

from poolserver._vendor.asyncio_stratum import Submit
from poolserver.bitcoin.header import hash_le_to_hex
from poolserver.bitcoin.target import Difficulty
from poolserver.mining.job import Job
from poolserver.mining.miner import AuthorizedWorker, ChangePoint, Miner
from poolserver.mining.payout import Distribution
from poolserver.mining.registry import JobRegistry
from poolserver.mining.share import ShareOutcome

NO_HASH = bytes(32)


class SolvedBlock(NamedTuple):
    """A share whose hash meets the network target, with all that submitblock needs.

    ``distribution`` is what its coinbase pays; ``account`` is the finder's, empty where nobody
    of that name is authorized.
    """

    height: int
    hash_hex: str
    block_hex: str
    distribution: Distribution
    account: str


class Judgement(NamedTuple):
    """What became of one share.

    ``proven`` says that its hash was computed, met its target and was not seen before: it
    counts as work done, for the power estimate, whatever the outcome. ``work`` is what the
    judged difficulty stands for, in hashes, 0 where nothing was proven. ``worker`` is None
    where nobody of that name is authorized. ``difficulty`` is a new one that the connection
    should be told, if any.
    """

    outcome: ShareOutcome
    worker: AuthorizedWorker | None
    proven: bool = False
    work: int = 0
    job_number: int = 0
    hash_le: bytes = NO_HASH
    block: SolvedBlock | None = None
    difficulty: float | None = None


class Judge:
    """Judges by the jobs that are out."""

    __slots__ = ("_jobs", "stopgap_work")

    def __init__(self, jobs: JobRegistry) -> None:
        self._jobs = jobs
        self.stopgap_work = 0
        """Hashes proven on jobs without transactions, since the start."""

    def submit_share(self, miner: Miner, submit: Submit, now: float) -> Judgement:
        """Judge a share: the network target first, a block is a block whatever else is wrong."""
        worker = miner.workers.get(submit.worker_name)
        issued = self._jobs.get(submit.job_id, now)
        if issued is None:
            return Judgement(ShareOutcome.JOB_NOT_FOUND, worker)
        if not miner.changes:
            # Before its first job a connection has no terms to be judged by, nor any work done.
            known = worker is not None
            early = ShareOutcome.JOB_NOT_FOUND if known else ShareOutcome.UNAUTHORIZED
            return Judgement(early, worker)
        job = issued.job
        change = miner.terms_of(job.number)
        mask = change.version_mask | miner.version_mask
        bits = submit.version_bits or 0
        version = job.version & ~mask | bits if submit.version_bits is not None else job.version
        difficulty = change.difficulty
        extranonce = change.extranonce1 + submit.extranonce2
        variant = job.variants[change.coinbase_class]
        hash_le, meets_share, meets_network = variant.hasher.check(
            extranonce, version, submit.ntime, submit.nonce, difficulty.target_le
        )
        block = None
        if meets_network:
            if hash_le in issued.found:
                return Judgement(
                    ShareOutcome.DUPLICATE, worker, job_number=job.number, hash_le=hash_le
                )
            issued.found.add(hash_le)
            block = SolvedBlock(
                job.template.height,
                hash_le_to_hex(hash_le),
                job.block_hex(variant, extranonce, version, submit.ntime, submit.nonce),
                variant.distribution,
                "" if worker is None else worker.account,
            )
        if worker is None:
            outcome = ShareOutcome.UNAUTHORIZED
            return Judgement(outcome, None, False, 0, job.number, hash_le, block)
        if not meets_share:
            lowered = self._meets_lowered(miner, job, hash_le)
            if lowered is not None:
                difficulty, meets_share = lowered, True
        proven = meets_share and hash_le not in issued.seen
        if proven:
            issued.seen.add(hash_le)
        outcome = self._outcome(job, submit, bits & ~mask != 0, meets_share, proven)
        if not proven:
            return Judgement(outcome, worker, False, 0, job.number, hash_le, block)
        worker.shares += 1
        worker.active_at = now
        work = difficulty.work
        if job.template.stopgap:
            self.stopgap_work += work
        change_to = miner.vardiff.on_share(difficulty.value, now, self._jobs.ceiling)
        return Judgement(outcome, worker, True, work, job.number, hash_le, block, change_to)

    def credit(
        self, miner: Miner, worker: AuthorizedWorker, change: ChangePoint, count: int, now: float
    ) -> float | None:
        """Count shares that were judged and accepted in the lane; a new difficulty to tell, if any.

        It does what ``submit_share`` does for so many shares of one worker and difficulty.
        """
        worker.shares += count
        worker.active_at = now
        return miner.vardiff.on_share(change.difficulty.value, now, self._jobs.ceiling, count)

    def _outcome(
        self, job: Job, submit: Submit, outside_mask: bool, meets_share: bool, proven: bool
    ) -> ShareOutcome:
        current = self._jobs.current
        if current is not None and job.template.prevhash_le != current.template.prevhash_le:
            return ShareOutcome.STALE
        if outside_mask:
            return ShareOutcome.VERSION_OUTSIDE_MASK
        if not job.ntime_min <= submit.ntime <= job.ntime_max:
            return ShareOutcome.NTIME_OUT_OF_RANGE
        if not meets_share:
            return ShareOutcome.LOW_DIFFICULTY
        return ShareOutcome.ACCEPTED if proven else ShareOutcome.DUPLICATE

    def _meets_lowered(self, miner: Miner, job: Job, hash_le: bytes) -> Difficulty | None:
        """Meet a rig that applies a lowered difficulty to older jobs there, once seen to do so."""
        lowered = miner.lowered_since(job.number)
        if lowered is None or int.from_bytes(hash_le, "little") > lowered.target:
            return None
        miner.relax(lowered)
        return lowered
