"""The domain's face: what a session may ask of the pool. Pure: no sockets, no clock, no files.

``now`` is monotonic seconds throughout; ``unix_time`` is Unix seconds by the node's clock, for
ntime. The share path (``submit_share``) is synchronous and makes one call into C.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from poolserver._vendor.asyncio_stratum import Submit
from poolserver.bitcoin.header import hash_le_to_hex
from poolserver.bitcoin.target import Difficulty, difficulty_from_target
from poolserver.mining.extranonce import ExtranonceAllocator
from poolserver.mining.identity import WorkerIdentity
from poolserver.mining.job import Job, JobFactory, JobTerms
from poolserver.mining.miner import AuthorizedWorker, Miner
from poolserver.mining.registry import JobRegistry
from poolserver.mining.share import ShareOutcome
from poolserver.mining.template import BlockTemplate
from poolserver.mining.vardiff import Vardiff, VardiffTerms

# A returning worker starts at its last known rate; so many are remembered (the oldest go first).
REMEMBERED_WORKERS = 100_000


class SolvedBlock(NamedTuple):
    """A share whose hash meets the network target, with all that submitblock needs."""

    height: int
    hash_hex: str
    block_hex: str


class Judgement(NamedTuple):
    """What became of one share.

    ``proven`` says that its hash was computed, met its target and was not seen before: it
    counts as work done, for the power estimate, whatever the outcome. ``work`` is what the
    judged difficulty stands for, in hashes, 0 where nothing was proven. ``difficulty`` is a
    new one that the connection should be told, if any.
    """

    outcome: ShareOutcome
    proven: bool
    work: int
    job_number: int
    hash_le: bytes
    block: SolvedBlock | None = None
    difficulty: float | None = None


@dataclass(frozen=True, slots=True)
class PoolTerms:
    """How this pool deals with every connection; the listener adds its vardiff terms."""

    jobs: JobTerms
    job_lifetime_s: float
    cap_at_network_difficulty: bool


NO_HASH = bytes(32)

# Each name of a worker is kept for as long as the books are. A proxy for a whole hall has some
# thousand rigs behind one connection; more is somebody who makes up names.
MAX_WORKERS = 4096


class Pool:
    """Jobs, connections and the judgement of shares for one worker process."""

    def __init__(
        self,
        identity: WorkerIdentity,
        terms: PoolTerms,
        account_of: Callable[[str], str | None],
    ) -> None:
        """``account_of`` gives the account that a username books to, None to refuse it."""
        self._terms = terms
        self._account_of = account_of
        self._factory = JobFactory(identity, terms.jobs)
        self._extranonces = ExtranonceAllocator(identity)
        self._last_hashrate: dict[str, float] = {}
        self._ceiling = inf
        self.jobs = JobRegistry(terms.job_lifetime_s)

    @property
    def version_mask(self) -> int:
        """The version bits that rigs may roll."""
        return self._terms.jobs.version_mask

    # --- connections ---------------------------------------------------------------------

    def connect(self, vardiff: VardiffTerms, now: float) -> Miner:
        """A new connection's state, with an extranonce1 that no live one has.

        Raises:
            ExtranonceExhausted: none is left.
        """
        extranonce1 = self._extranonces.allocate()
        return Miner(extranonce1, Vardiff(vardiff, vardiff.start, now))

    def authorize(
        self, miner: Miner, username: str, declare: Callable[[str, str], int]
    ) -> AuthorizedWorker | None:
        """Take ``username`` as a worker of this connection.

        None where its account is unknown or the connection has MAX_WORKERS already.

        ``declare(account, name)`` gives the number under which the journal books the worker.
        """
        known = miner.workers.get(username)
        if known is not None:
            return known
        account = self._account_of(username)
        if account is None or len(miner.workers) >= MAX_WORKERS:
            return None
        worker = AuthorizedWorker(declare(account, username), account, username)
        if not miner.workers:
            self._start_from_last_rate(miner, username)
        miner.workers[username] = worker
        return worker

    def disconnect(self, miner: Miner, now: float) -> None:
        """Free what the connection held; remember how fast its worker was."""
        self._extranonces.free(miner.extranonce1)
        hashrate = miner.vardiff.hashrate(now)
        if hashrate > 0 and len(miner.workers) == 1:
            (name,) = miner.workers
            self._last_hashrate.pop(name, None)
            self._last_hashrate[name] = hashrate
            if len(self._last_hashrate) > REMEMBERED_WORKERS:
                del self._last_hashrate[next(iter(self._last_hashrate))]

    def _start_from_last_rate(self, miner: Miner, username: str) -> None:
        hashrate = self._last_hashrate.get(username)
        if hashrate is not None:
            miner.vardiff.start_at_hashrate(hashrate, self._ceiling)

    def suggest(self, miner: Miner, difficulty: float) -> bool:
        """Take a rig's wish for its start; whether that changed its difficulty."""
        return miner.vardiff.suggest(difficulty, self._ceiling)

    def raise_floor(self, miner: Miner, difficulty: float) -> bool:
        """Go no lower than a rig asks for (BIP310); False where that is out of reach."""
        return miner.vardiff.raise_floor(difficulty, self._ceiling)

    def tick(self, miner: Miner, now: float) -> bool:
        """Look at a connection without a share; whether its difficulty has changed."""
        return miner.vardiff.on_tick(now, self._ceiling) is not None

    # --- jobs ----------------------------------------------------------------------------

    def on_template(self, template: BlockTemplate, now: float, unix_time: int) -> Job:
        """Make ``template`` the current job.

        Raises:
            CoinbaseError: the coinbase does not fit the consensus rules.
        """
        if self._terms.cap_at_network_difficulty:
            self._ceiling = difficulty_from_target(template.network_target)
        job = self._factory.make(template, max(template.curtime, unix_time))
        self.jobs.add(job, now)
        return job

    def next_job(self, miner: Miner, now: float, unix_time: int) -> Job | None:
        """A job that this connection has not had, on the current template; None before the first.

        Byte-identical work is never sent twice (it freezes BraiinsOS). All connections that
        need a fresh job share one, so the number of jobs does not grow with the connections.
        """
        current = self.jobs.current
        if current is not None and miner.last_job >= current.number:
            current = self._factory.make(current.template, max(current.template.curtime, unix_time))
            self.jobs.add(current, now)
        return current

    def issue(self, miner: Miner, job: Job) -> float | None:
        """Note that ``job`` goes out here; the difficulty to announce before it, if new."""
        miner.vardiff.cap(self._ceiling)
        wanted = miner.vardiff.difficulty
        told = miner.changes[-1] if miner.changes else None
        miner.last_job = job.number
        if (
            told is not None
            and told.difficulty.value == wanted
            and told.version_mask == miner.version_mask
        ):
            return None
        miner.change(job.number, Difficulty.of(wanted), self.jobs.oldest_number)
        return wanted if told is None or told.difficulty.value != wanted else None

    # --- shares --------------------------------------------------------------------------

    def submit_share(self, miner: Miner, submit: Submit, now: float) -> Judgement:
        """Judge a share: the network target first, a block is a block whatever else is wrong."""
        issued = self.jobs.get(submit.job_id)
        if issued is None:
            return Judgement(ShareOutcome.JOB_NOT_FOUND, False, 0, 0, NO_HASH)
        if not miner.changes:
            # Before its first job a connection has no terms to be judged by, nor any work done.
            known = submit.worker_name in miner.workers
            early = ShareOutcome.JOB_NOT_FOUND if known else ShareOutcome.UNAUTHORIZED
            return Judgement(early, False, 0, 0, NO_HASH)
        job = issued.job
        change = miner.terms_of(job.number)
        mask = change.version_mask | miner.version_mask
        bits = submit.version_bits or 0
        version = job.version & ~mask | bits if submit.version_bits is not None else job.version
        difficulty = change.difficulty
        extranonce = miner.extranonce1 + submit.extranonce2
        hash_le, meets_share, meets_network = job.hasher.check(
            extranonce, version, submit.ntime, submit.nonce, difficulty.target_le
        )
        block = None
        if meets_network:
            if hash_le in issued.found:
                return Judgement(ShareOutcome.DUPLICATE, False, 0, job.number, hash_le)
            issued.found.add(hash_le)
            block = SolvedBlock(
                job.template.height,
                hash_le_to_hex(hash_le),
                job.block_hex(extranonce, version, submit.ntime, submit.nonce),
            )
        if submit.worker_name not in miner.workers:
            return Judgement(ShareOutcome.UNAUTHORIZED, False, 0, job.number, hash_le, block)
        if not meets_share:
            lowered = self._meets_lowered(miner, job, hash_le)
            if lowered is not None:
                difficulty, meets_share = lowered, True
        proven = meets_share and hash_le not in issued.seen
        if proven:
            issued.seen.add(hash_le)
        outcome = self._outcome(job, submit, bits & ~mask != 0, meets_share, proven)
        if not proven:
            return Judgement(outcome, False, 0, job.number, hash_le, block)
        change_to = miner.vardiff.on_share(difficulty.value, now, self._ceiling)
        return Judgement(outcome, True, difficulty.work, job.number, hash_le, block, change_to)

    def _outcome(
        self, job: Job, submit: Submit, outside_mask: bool, meets_share: bool, proven: bool
    ) -> ShareOutcome:
        current = self.jobs.current
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
