"""The domain's face: what a session may ask of the pool. Pure: no sockets, no clock, no files.

``now`` is monotonic seconds throughout; ``unix_time`` is Unix seconds by the node's clock, for
ntime. Shares are the ``judge``'s.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from sys import intern

from poolserver._vendor.asyncio_stratum import RigInfo
from poolserver.bitcoin.target import Difficulty, difficulty_from_target
from poolserver.judge import Judge
from poolserver.mining.extranonce import ExtranonceAllocator, ExtranonceExhausted
from poolserver.mining.firmware import FirmwareTable, builtin_firmware
from poolserver.mining.identity import WorkerIdentity
from poolserver.mining.job import CoinbaseClasses, Job, JobFactory, JobTerms
from poolserver.mining.lost import RESUME_WINDOW_S, LostSession, LostSessions
from poolserver.mining.miner import NO_HINT, AuthorizedWorker, Miner, PowerHint
from poolserver.mining.password import parse_password
from poolserver.mining.payout import PayoutPlan
from poolserver.mining.registry import JobRegistry
from poolserver.mining.template import BlockTemplate
from poolserver.mining.vardiff import Vardiff, VardiffTerms

# A returning worker starts at its last known rate; so many are remembered (the oldest go first).
REMEMBERED_WORKERS = 100_000
# Each name of a worker is kept for as long as the books are. A proxy for a whole hall has some
# thousand rigs behind one connection; more is somebody who makes up names.
MAX_WORKERS = 4096

# What a rig tells of itself is kept as long as it is connected; no honest name is longer.
MAX_TOLD = 256

SESSION_IDS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class PoolTerms:
    """How this pool deals with every connection; the listener adds its vardiff terms."""

    jobs: JobTerms
    job_lifetime_s: float
    cap_at_network_difficulty: bool
    resume_window_s: float = RESUME_WINDOW_S


def random_session_ids() -> Iterator[str]:
    """Each of 128 bits in hex: who guesses one takes over a rig's session.

    Many at a time: to ask the system for each is 1 us, a tenth of what subscribing takes.
    """
    while True:
        digits = secrets.token_hex(16 * SESSION_IDS_AT_ONCE)
        yield from (digits[at : at + 32] for at in range(0, len(digits), 32))


def as_lost(miner: Miner, now: float) -> LostSession | None:
    """What its rig may come back to, if anything."""
    if miner.last_job == 0 or not miner.is_resumable:
        return None
    return LostSession(
        miner.session_id,
        miner.extranonce1,
        miner.changes,
        miner.last_job,
        miner.vardiff.hashrate(now),
        sum(worker.is_active(now) for worker in miner.workers.values()),
    )


class Pool:
    """Jobs, connections and the judgement of shares for one worker process."""

    def __init__(
        self,
        identity: WorkerIdentity,
        terms: PoolTerms,
        payout: PayoutPlan,
        account_of: Callable[[str], str | None],
        *,
        firmware: FirmwareTable | None = None,
        new_session_id: Callable[[], str] | None = None,
    ) -> None:
        """``account_of`` gives the account that a username books to, None to refuse it.

        ``new_session_id`` gives ids that nobody can guess; who knows one takes the session.
        """
        self._terms = terms
        self._account_of = account_of
        self._firmware = firmware if firmware is not None else builtin_firmware()
        self._new_session_id = new_session_id or random_session_ids().__next__
        self._classes = CoinbaseClasses(self._firmware.coinbase_sizes)
        self.factory = JobFactory(identity, terms.jobs, self._classes, payout)
        self.extranonces = ExtranonceAllocator(identity)
        self.lost = LostSessions(terms.resume_window_s)
        self.last_hashrate: dict[str, float] = {}
        self.jobs = JobRegistry(terms.job_lifetime_s)
        self.resumed = 0
        self.judge = Judge(self.jobs)

    @property
    def version_mask(self) -> int:
        """The version bits that rigs may roll."""
        return self._terms.jobs.version_mask

    # --- connections ---------------------------------------------------------------------

    def connect(self, vardiff: VardiffTerms, now: float) -> Miner:
        """A new connection's state."""
        coinbase_class = self._classes.index(self._firmware.default.coinbase_bytes)
        return Miner(Vardiff(vardiff, vardiff.start, now), coinbase_class)

    def subscribe(self, miner: Miner, session_id: str | None, now: float) -> bool:
        """Give the connection its extranonce1; whether it is that of the session it names.

        A resumed session also has its jobs with their terms, so shares found meanwhile count.

        Raises:
            ExtranonceExhausted: no extranonce1 is left.
        """
        self._expire_lost(now)
        lost = self.lost.take(session_id, now) if session_id is not None else None
        if lost is not None:
            self._take_up(miner, lost)
        else:
            miner.extranonce1 = self._new_extranonce1()
        miner.session_id = self._new_session_id()
        return lost is not None

    def _take_up(self, miner: Miner, lost: LostSession) -> None:
        miner.close_lane()
        miner.extranonce1, miner.changes = lost.extranonce1, lost.changes
        miner.last_job = lost.last_job
        miner.expected_workers = lost.workers
        if lost.hashrate > 0:
            miner.vardiff.aim_for(lost.workers)
            miner.vardiff.start_at_hashrate(lost.hashrate, self.jobs.ceiling)
        self.resumed += 1

    def recognise(
        self, miner: Miner, *, user_agent: str | None = None, info: RigInfo | None = None
    ) -> None:
        """Find out what kind of firmware this is, by what it tells of itself so far."""
        if user_agent is not None:
            miner.user_agent = intern(user_agent[:MAX_TOLD])  # thousands say the same
        if info is not None:
            miner.info = RigInfo(*(text[:MAX_TOLD] for text in info))
        told = miner.info
        miner.firmware = self._firmware.match(
            miner.user_agent,
            hw_version=told.hw_version if told else "",
            sw_version=told.sw_version if told else "",
            hw_id=told.hw_id if told else "",
        )
        miner.coinbase_class = self._classes.index(miner.firmware.coinbase_bytes)
        if miner.firmware.min_difficulty:
            self.raise_floor(miner, miner.firmware.min_difficulty)
        if miner.firmware.rolls_version_unasked and not miner.version_mask:
            miner.version_mask = self.version_mask

    def take_up(self, miner: Miner) -> None:
        """Go on with a connection that another process began."""
        self.adopt(miner.extranonces)
        self.recognise(miner)

    def adopt(self, extranonces: Iterable[bytes]) -> None:
        """These were given out by another process, and are none of ours to give."""
        for extranonce1 in extranonces:
            self.extranonces.adopt(extranonce1)

    def renew_extranonce1(self, miner: Miner) -> bytes:
        """A new extranonce1 for the jobs from the next one on; older ones keep theirs.

        Raises:
            ExtranonceExhausted: none is left.
        """
        miner.extranonce1 = self._new_extranonce1()
        return miner.extranonce1

    def authorize(
        self,
        miner: Miner,
        username: str,
        password: str,
        declare: Callable[[str, str], int],
        now: float,
    ) -> AuthorizedWorker | None:
        """Take ``username`` as a worker of this connection, and what its password asks for.

        None where its account is unknown or the connection has MAX_WORKERS already.

        ``declare(account, name)`` gives the number under which the journal books the worker.
        """
        options = parse_password(password)
        worker = miner.workers.get(username)
        if worker is None:
            account = self._account_of(username)
            if account is None or len(miner.workers) >= MAX_WORKERS:
                return None
            worker = AuthorizedWorker(declare(account, username), account, username, now)
            if not miner.workers:
                self._start_from_last_rate(miner, username)
            miner.close_lane()
            miner.workers[username] = worker
            # What comes is taken to mine; see tick.
            miner.vardiff.aim_for(max(len(miner.workers), miner.expected_workers))
        if options.watts is None and options.j_per_th is None:
            worker.hint = NO_HINT
        else:
            worker.hint = PowerHint(options.watts, options.j_per_th)
        if options.min_difficulty is not None:
            miner.vardiff.raise_floor(options.min_difficulty, self.jobs.ceiling)
        if options.start_difficulty is not None:
            miner.vardiff.start_at(options.start_difficulty, self.jobs.ceiling)
        return worker

    def disconnect(self, miner: Miner, now: float) -> None:
        """Keep the session for its rig to come back to; remember how fast its worker was."""
        hashrate = miner.vardiff.hashrate(now)
        lost = as_lost(miner, now)
        if lost is not None:
            self.lost.keep(lost, now)
        else:
            self._free(miner.extranonces)
        if hashrate > 0 and len(miner.workers) == 1:
            (name,) = miner.workers
            self.last_hashrate.pop(name, None)
            self.last_hashrate[name] = hashrate
            if len(self.last_hashrate) > REMEMBERED_WORKERS:
                del self.last_hashrate[next(iter(self.last_hashrate))]
        self._expire_lost(now)

    def _start_from_last_rate(self, miner: Miner, username: str) -> None:
        hashrate = self.last_hashrate.get(username)
        if hashrate is not None:
            miner.vardiff.start_at_hashrate(hashrate, self.jobs.ceiling)

    def _new_extranonce1(self) -> bytes:
        try:
            return self.extranonces.allocate()
        except ExtranonceExhausted:
            oldest = self.lost.drop_oldest()  # a rig that is here goes before one that is not
            if oldest is None:
                raise
            self._free(oldest.extranonces)
            return self.extranonces.allocate()

    def _expire_lost(self, now: float) -> None:
        for lost in self.lost.expire(now):
            self._free(lost.extranonces)

    def _free(self, extranonces: set[bytes]) -> None:
        for extranonce1 in extranonces:
            self.extranonces.free(extranonce1)

    def suggest(self, miner: Miner, difficulty: float) -> bool:
        """Take a rig's wish for its start; whether that changed its difficulty."""
        return miner.vardiff.suggest(difficulty, self.jobs.ceiling)

    def raise_floor(self, miner: Miner, difficulty: float) -> bool:
        """Go no lower than a rig asks for (BIP310); False where that is out of reach."""
        return miner.vardiff.raise_floor(difficulty, self.jobs.ceiling)

    def tick(self, miner: Miner, now: float) -> bool:
        """Look at a connection without a share; whether its difficulty has changed.

        The rigs behind a proxy have to be told apart: the more of them mine on a connection,
        the more shares it should send.
        """
        active = 0
        for worker in miner.workers.values():
            worker.look(now)
            active += worker.is_active(now)
        if active:  # in a curtailment none is, and as many come back
            miner.vardiff.aim_for(active)
        return miner.vardiff.on_tick(now, self.jobs.ceiling) is not None

    # --- jobs ----------------------------------------------------------------------------

    def pay_by(self, plan: PayoutPlan) -> None:
        """Pay as ``plan`` says in the jobs from now on; those that are out keep theirs."""
        self.factory.plan = plan
        self.jobs.spare = None

    def repay_no_debts(self) -> None:
        """Pay what is due and no debts in the jobs from now on, until there is another plan."""
        plan = self.factory.plan.without_debts()
        if plan is not self.factory.plan:
            self.pay_by(plan)

    def on_template(self, template: BlockTemplate, now: float, unix_time: int) -> Job:
        """Make ``template`` the current job.

        Raises:
            CoinbaseError: the coinbase does not fit the consensus rules.
        """
        self.cap_at(template)
        job = self.factory.make(template, max(template.curtime, unix_time))
        self.jobs.add(job, now)
        return job

    def cap_at(self, template: BlockTemplate) -> None:
        """Ask no rig for more than the network does at this template."""
        if self._terms.cap_at_network_difficulty:
            self.jobs.ceiling = difficulty_from_target(template.network_target)

    def next_job(self, miner: Miner, now: float, unix_time: int) -> Job | None:
        """A job that this connection has not had, on the current template; None before the first.

        Byte-identical work is never sent twice (it freezes BraiinsOS). All connections that
        need a fresh job share one, so the number of jobs does not grow with the connections:
        the current one goes to those that come, and a spare one of the same template to those
        that have it already.
        """
        jobs = self.jobs
        for job in (jobs.current, jobs.spare):
            if job is not None and miner.last_job < job.number:
                return job
        if jobs.current is None:
            return None
        template = jobs.current.template
        job = self.factory.make(template, max(template.curtime, unix_time))
        jobs.add_spare(job, now)
        return job

    def issue(self, miner: Miner, job: Job) -> float | None:
        """Note that ``job`` goes out here; the difficulty to announce before it, if new."""
        vardiff = miner.vardiff
        if vardiff.difficulty > self.jobs.ceiling:
            vardiff.cap(self.jobs.ceiling)
        wanted = vardiff.difficulty
        miner.last_job = job.number
        if wanted == miner.announced and not miner.has_new_terms:
            return None
        if not miner.holds(wanted):
            self._free(miner.change(job.number, Difficulty.of(wanted), self.jobs.oldest_number))
        miner.has_new_terms = False
        if miner.announced == wanted:
            return None
        miner.announced = wanted
        return wanted
