"""One rig's session: its requests to the pool, its answers and jobs back.

The share path runs through ``_submit``: synchronous, from the typed request to the queued
answer. The answer leaves when the journal says that the share's record is as safe as the
operator wants it; only the answer to a found block waits for more, its spool file.
"""

from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from typing import Protocol

import structlog

from poolserver._vendor.asyncio_stratum import (
    Authorize,
    Configure,
    Dropped,
    ErrorCode,
    Fault,
    GetTransactions,
    Malformed,
    Request,
    Response,
    ServerProtocol,
    State,
    StratumError,
    Submit,
    Subscribe,
    SuggestDifficulty,
    SuggestTarget,
)
from poolserver.bitcoin.target import difficulty_from_target
from poolserver.ledger.records import NO_WORKER
from poolserver.mining.extranonce import ExtranonceExhausted
from poolserver.mining.job import Job
from poolserver.mining.miner import Miner
from poolserver.mining.share import ShareOutcome
from poolserver.mining.vardiff import MIN_CHANGE_INTERVAL_S, VardiffTerms
from poolserver.pool import NO_HASH, Judgement, Pool, SolvedBlock

ANSWERS: Mapping[ShareOutcome, StratumError] = {
    outcome: StratumError(outcome.code, outcome.reason)
    for outcome in ShareOutcome
    if outcome is not ShareOutcome.ACCEPTED
}
POOL_FULL = StratumError(ErrorCode.OTHER, "pool_full")
UNAUTHORIZED = ANSWERS[ShareOutcome.UNAUTHORIZED]
# What the library refuses by itself and what is booked as a judged share all the same.
REFUSED_SUBMITS = {
    Fault.MALFORMED: ShareOutcome.MALFORMED,
    Fault.NOT_SUBSCRIBED: ShareOutcome.NOT_SUBSCRIBED,
}

log = structlog.get_logger(__name__)


class Journal(Protocol):
    """What a session needs of the share journal. ``turn`` numbers the event loop's turns."""

    @property
    def turn(self) -> int: ...
    def declare_worker(self, account: str, worker_name: str) -> int: ...
    def append_share(
        self,
        worker_ref: int,
        outcome: ShareOutcome,
        proven: bool,
        work: int,
        job_number: int,
        hash_le: bytes,
    ) -> None: ...
    def append_block(self, height: int, hash_le: bytes, worker_ref: int) -> None: ...
    def release(self, callback: Callable[[], None]) -> None: ...


class House(Protocol):
    """What a session needs of the worker process that it lives in."""

    malformed: int
    slow_drops: int

    @property
    def pool(self) -> Pool: ...
    @property
    def journal(self) -> Journal: ...
    def now(self) -> float: ...
    def unix_time(self) -> int: ...
    def enter(self, session: "MinerSession") -> None: ...
    def leave(self, session: "MinerSession") -> None: ...
    def solved(
        self, block: SolvedBlock, worker_name: str, on_spooled: Callable[[], None]
    ) -> None: ...


class MinerSession:
    """The application of one ``ServerProtocol``."""

    __slots__ = (
        "_answers",
        "_answers_turn",
        "_house",
        "_next_wished_job_at",
        "_protocol",
        "_vardiff",
        "miner",
    )

    def __init__(self, house: House, vardiff: VardiffTerms) -> None:
        self._house = house
        self._vardiff = vardiff
        self._protocol: ServerProtocol
        self._answers: list[tuple[Submit, ShareOutcome]] | None = None
        self._answers_turn = 0
        self._next_wished_job_at = -inf
        self.miner: Miner | None = None

    # --- called by the library -----------------------------------------------------------

    def on_connect(self, session: ServerProtocol) -> None:
        self._protocol = session
        self._house.enter(self)

    def on_request(self, session: ServerProtocol, request: Request | Response) -> None:
        if type(request) is Submit:  # nearly every request is one
            self._submit(request)
        else:
            self._other(request)

    def on_malformed(self, session: ServerProtocol, malformed: Malformed) -> None:
        house = self._house
        house.malformed += 1
        if malformed.method == "mining.submit":
            outcome = REFUSED_SUBMITS[malformed.fault]
            house.journal.append_share(self._only_worker(), outcome, False, 0, 0, NO_HASH)

    def on_disconnect(self, session: ServerProtocol, error: Exception | None) -> None:
        house = self._house
        house.leave(self)
        if isinstance(error, Dropped) and str(error) == "slow_peer":
            house.slow_drops += 1
        if self.miner is not None:
            house.pool.disconnect(self.miner, house.now())

    # --- the share path ------------------------------------------------------------------

    def _submit(self, submit: Submit) -> None:
        house, miner = self._house, self.miner
        assert miner is not None  # the library lets no share through before subscribe
        judgement = house.pool.submit_share(miner, submit, house.now())
        if judgement.block is not None:  # before all else: its bytes go out first
            self._answer_after_spool(submit, judgement, judgement.block)
        worker = miner.workers.get(submit.worker_name)
        ref = NO_WORKER if worker is None else worker.ref
        house.journal.append_share(
            ref,
            judgement.outcome,
            judgement.proven,
            judgement.work,
            judgement.job_number,
            judgement.hash_le,
        )
        if judgement.block is not None:
            house.journal.append_block(judgement.block.height, judgement.hash_le, ref)
        else:
            self._answer_after_record(submit, judgement.outcome)
        if judgement.difficulty is not None:
            self.send_fresh_job()

    def _answer_after_record(self, submit: Submit, outcome: ShareOutcome) -> None:
        """The answers to the shares of one turn wait together until their records are safe."""
        journal = self._house.journal
        if self._answers is not None and self._answers_turn == journal.turn:
            self._answers.append((submit, outcome))
            return
        answers = self._answers = [(submit, outcome)]
        self._answers_turn = journal.turn
        journal.release(partial(self._release, answers))

    def _release(self, answers: list[tuple[Submit, ShareOutcome]]) -> None:
        if self._answers is answers:
            self._answers = None
        for submit, outcome in answers:
            self._answer(submit, outcome)
        self._protocol.flush()

    def _answer(self, submit: Submit, outcome: ShareOutcome) -> None:
        if outcome is ShareOutcome.ACCEPTED:
            self._protocol.connection.accept(submit)
        else:
            self._protocol.connection.refuse(submit, ANSWERS[outcome])

    def _answer_after_spool(self, submit: Submit, judgement: Judgement, block: SolvedBlock) -> None:
        """The answer to a block's finder waits until the block is on the disk; no other's does."""
        self._house.solved(
            block,
            submit.worker_name,
            partial(self._answer_after_record, submit, judgement.outcome),
        )

    def _only_worker(self) -> int:
        """The worker a malformed share is booked to, where there is no doubt whose it is."""
        workers = self.miner.workers if self.miner is not None else {}
        return next(iter(workers.values())).ref if len(workers) == 1 else NO_WORKER

    # --- the handshake -------------------------------------------------------------------

    def _other(self, request: Request | Response) -> None:
        match request:
            case Subscribe():
                self._subscribe(request)
            case Authorize():
                self._authorize(request)
            case Configure():
                self._configure(request)
            case SuggestDifficulty():
                self._suggest(request, request.difficulty)
            case SuggestTarget():
                self._suggest(request, difficulty_from_target(request.target))
            case GetTransactions():
                self._get_transactions(request)

    def _subscribe(self, request: Subscribe) -> None:
        miner = self._entered_or_refuse(request)
        if miner is None:
            return
        # Sessions are not resumed yet, so the id only names the subscription.
        self._protocol.connection.subscribed(
            request, extranonce1=miner.extranonce1, session_id=miner.extranonce1.hex()
        )
        self._send_first_job()

    def _authorize(self, request: Authorize) -> None:
        house = self._house
        miner = self._entered_or_refuse(request)
        if miner is None:
            return
        worker = house.pool.authorize(miner, request.username, house.journal.declare_worker)
        if worker is None:
            self._protocol.connection.refuse(request, UNAUTHORIZED)
            return
        self._protocol.connection.authorized(request)
        self._send_first_job()

    def _configure(self, request: Configure) -> None:
        miner = self._entered_or_refuse(request)
        if miner is None:
            return
        before, floor = miner.vardiff.difficulty, request.minimum_difficulty
        miner.version_mask = self._protocol.connection.configured(
            request,
            version_mask=self._house.pool.version_mask,
            minimum_difficulty=floor is not None and self._house.pool.raise_floor(miner, floor),
        )
        if self.has_work and miner.vardiff.difficulty != before:
            self._send_wished_job()

    def _suggest(self, request: Request, difficulty: float) -> None:
        """A hint for the start: once shares tell the hashrate they know better."""
        miner = self._entered_or_refuse(request)
        if miner is None:
            return
        if self._house.pool.suggest(miner, difficulty) and self.has_work:
            self._send_wished_job()
        self._protocol.connection.accept(request)

    def _get_transactions(self, request: GetTransactions) -> None:
        issued = self._house.pool.jobs.get(request.job_id)
        if issued is None:
            self._protocol.connection.refuse(request, ANSWERS[ShareOutcome.JOB_NOT_FOUND])
        else:
            # A block's transactions are megabytes, far over the outbox: their number must do.
            self._protocol.connection.answer(request, [])

    def _entered_or_refuse(self, request: Request) -> Miner | None:
        """The pool's state for this connection, made at the first request that needs it."""
        if self.miner is None:
            try:
                self.miner = self._house.pool.connect(self._vardiff, self._house.now())
            except ExtranonceExhausted as error:
                log.error("no_extranonce", reason=str(error))
                self._protocol.connection.refuse(request, POOL_FULL)
        return self.miner

    # --- jobs out ------------------------------------------------------------------------

    def _is_ready(self) -> bool:
        return self._protocol.connection.state is State.READY

    def _send_first_job(self) -> None:
        """Difficulty and job go out once both subscribed and authorized, and only then."""
        job = self._house.pool.jobs.current
        if job is not None and self._is_ready() and not self.has_work:
            self.send_job(job, job.notify_clean)

    @property
    def has_work(self) -> bool:
        """Whether a job went out on this connection."""
        return self.miner is not None and self.miner.last_job > 0

    def send_job(self, job: Job, line: bytes) -> None:
        """Send ``job``, rendered as ``line``, behind a new difficulty if there is one."""
        if self.miner is None or not self._is_ready():
            return
        difficulty = self._house.pool.issue(self.miner, job)
        if difficulty is not None:
            self._protocol.connection.set_difficulty(difficulty)
        self._protocol.write_rendered(line)

    def send_fresh_job(self) -> None:
        """A new difficulty goes out with a job that this connection has not had."""
        house, miner = self._house, self.miner
        if miner is None or not self._is_ready():
            return
        job = house.pool.next_job(miner, house.now(), house.unix_time())
        if job is not None:
            self.send_job(job, job.notify_refresh)

    def _send_wished_job(self) -> None:
        """A rig that wishes for one difficulty after the other cannot have a job made for each.

        Between two there are some seconds; what is left unsaid goes out with the next job.
        """
        now = self._house.now()
        if now >= self._next_wished_job_at:
            self._next_wished_job_at = now + MIN_CHANGE_INTERVAL_S
            self.send_fresh_job()

    def tick(self, now: float) -> None:
        """Silence eases the difficulty down."""
        if self.miner is not None and self._is_ready() and self._house.pool.tick(self.miner, now):
            self.send_fresh_job()

    def abort(self) -> None:
        """End the session at once."""
        self._protocol.abort()

    def close(self) -> None:
        """End the session: the rig goes to its backup pool."""
        self._protocol.close()
