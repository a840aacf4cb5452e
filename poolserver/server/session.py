"""One rig's session: its requests to the pool, its answers and jobs back.

The share path runs through ``_submit``: synchronous, from the typed request to the queued
answer. The answer leaves when the journal says that the share's record is as safe as the
operator wants it; only the answer to a found block waits for more, its spool file.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

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
    render_set_difficulty,
)
from poolserver.bitcoin.target import difficulty_from_target
from poolserver.ledger.records import NO_WORKER, ShareRecord
from poolserver.mining.extranonce import ExtranonceExhausted
from poolserver.mining.job import Job
from poolserver.mining.miner import AuthorizedWorker, ChangePoint, Miner
from poolserver.mining.share import ShareOutcome
from poolserver.mining.vardiff import MIN_CHANGE_INTERVAL_S, VardiffTerms
from poolserver.pool import NO_HASH, Judgement, SolvedBlock
from poolserver.server.admission import Address
from poolserver.server.conduct import Conduct
from poolserver.server.house import House, Journal

if TYPE_CHECKING:
    from poolserver._native import LaneRig

ANSWERS: Mapping[ShareOutcome, StratumError] = {
    outcome: StratumError(outcome.code, outcome.reason)
    for outcome in ShareOutcome
    if outcome is not ShareOutcome.ACCEPTED
}
# The disk is full, and what was done cannot be booked: not the rig's fault, and no credit.
NOT_RECORDED = StratumError(ErrorCode.OTHER, "not_recorded")
POOL_FULL = StratumError(ErrorCode.OTHER, "pool_full")
# An answer may be hundreds of times as long as its question.
TRANSACTIONS_INTERVAL_S = 10.0
TOO_OFTEN = StratumError(ErrorCode.OTHER, "too_often")
TOO_MANY_TRANSACTIONS = StratumError(ErrorCode.OTHER, "transactions_too_large")
BANNED = StratumError(ErrorCode.UNAUTHORIZED, "banned")
# Connections of one proxy that all name the id it was told last would throw each other out
# for ever; so who has just taken a session over keeps it for a while.
TAKE_OVER_INTERVAL_S = 60.0
NEVER = -inf  # one object: each -inf worked out anew is 24 bytes more
READY = State.READY  # looking a member up in its enum takes 0.1 us in Python 3.11
UNAUTHORIZED = ANSWERS[ShareOutcome.UNAUTHORIZED]
# What the library refuses by itself and what is booked as a judged share all the same.
REFUSED_SUBMITS = {
    Fault.MALFORMED: ShareOutcome.MALFORMED,
    Fault.NOT_SUBSCRIBED: ShareOutcome.NOT_SUBSCRIBED,
}

log = structlog.get_logger(__name__)


def _record_block(journal: Journal, ref: int, judgement: Judgement, block: SolvedBlock) -> None:
    """A share that is a block, the block, and what it pays: whatever the state of the disk."""
    journal.append_solution(
        ShareRecord(
            ref,
            judgement.outcome,
            judgement.proven,
            judgement.job_number,
            0,
            judgement.work,
            judgement.hash_le,
        )
    )
    journal.append_block(block.height, judgement.hash_le, ref, block.distribution)


class MinerSession:
    """The application of one ``ServerProtocol``."""

    __slots__ = (
        "_answers",
        "_answers_turn",
        "_house",
        "_next_transactions_at",
        "_next_wished_job_at",
        "_protocol",
        "_taken_over_at",
        "_vardiff",
        "accepted_at",
        "address",
        "conduct",
        "has_work",
        "is_dismissed",
        "lane",
        "miner",
        "names",
    )

    def __init__(self, house: House, vardiff: VardiffTerms, address: Address | None = None) -> None:
        """``address`` where the connection was let in already, before its handshake."""
        self._house = house
        self._vardiff = vardiff
        self._protocol: ServerProtocol
        self._answers: list[tuple[Submit, ShareOutcome]] | None = None
        self._answers_turn = 0
        self._next_wished_job_at = self._next_transactions_at = self._taken_over_at = NEVER
        self.miner: Miner  # from on_connect on
        self.lane: LaneRig | None = None
        """Where its ordinary shares are judged, if its socket has one."""
        self.address = address
        self.conduct: Conduct | None = None  # once something was wrong; most never have one
        self.accepted_at = NEVER
        self.names = 0  # workers authorized here, for the guard
        self.has_work = False
        """Whether a job went out on this connection."""
        self.is_dismissed = False

    # --- called by the library -----------------------------------------------------------

    def on_connect(self, session: ServerProtocol) -> None:
        self._protocol = session
        self.miner = self._house.pool.connect(self._vardiff, self._house.now())
        self.miner.lane = self.lane
        self._house.enter(self)

    def taken_up(
        self, session: ServerProtocol, miner: Miner, *, accepted_at: float, has_work: bool
    ) -> None:
        """In place of ``on_connect``: the connection was begun in another process."""
        self._protocol = session
        self.miner = miner
        self.accepted_at, self.has_work = accepted_at, has_work
        self._house.enter_again(self)

    def pause(self) -> None:
        """Have no more read of what the rig sends, if that is not the wire's to do."""
        if self.lane is None and self._protocol.transport is not None:
            self._protocol.transport.pause_reading()

    def go_on(self) -> None:
        """Have it read again."""
        if self.lane is None and self._protocol.transport is not None:
            self._protocol.transport.resume_reading()

    @property
    def protocol(self) -> ServerProtocol:
        """Its connection's."""
        return self._protocol

    @property
    def terms(self) -> VardiffTerms:
        """Those of its listener."""
        return self._vardiff

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
        if malformed.fault is not Fault.UNKNOWN_METHOD:  # a rig of tomorrow is no abuse
            is_submit = malformed.method == "mining.submit"
            house.guard.bad(self, house.now(), is_submit=is_submit)

    def on_disconnect(self, session: ServerProtocol, error: Exception | None) -> None:
        house = self._house
        house.by_session_id.pop(self.miner.session_id, None)
        house.leave(self)
        self._leave_lane()
        if isinstance(error, Dropped):
            house.guard.refused[str(error)] += 1
        house.pool.disconnect(self.miner, house.now())

    def _leave_lane(self) -> None:
        """Nothing more of it is ordinary; and a cycle of objects is broken."""
        self.miner.close_lane()
        self.miner.lane = self.lane = None

    @property
    def host(self) -> str:
        """The rig's address; empty where it has none, as on a Unix socket."""
        peername = self._protocol.peername
        return str(peername[0]) if isinstance(peername, tuple) and peername else ""

    # --- the share path ------------------------------------------------------------------

    def _submit(self, submit: Submit) -> None:
        house, now = self._house, self._house.now()
        judgement = house.pool.submit_share(self.miner, submit, now)
        if judgement.block is not None:  # before all else: its way to the nodes begins
            self._answer_after_spool(submit, judgement, judgement.block)
        ref = NO_WORKER if judgement.worker is None else judgement.worker.ref
        if (block := judgement.block) is not None:
            _record_block(house.journal, ref, judgement, block)
        elif (
            house.journal.append_share(
                ref,
                judgement.outcome,
                judgement.proven,
                judgement.work,
                judgement.job_number,
                judgement.hash_le,
            )
            or judgement.outcome is not ShareOutcome.ACCEPTED
        ):
            self._answer_after_record(submit, judgement.outcome)
        else:
            self._protocol.connection.refuse(submit, NOT_RECORDED)
        if judgement.outcome is ShareOutcome.ACCEPTED:
            self._was_accepted(now)
            if self.lane is not None:  # what the plain path takes once, the lane takes from then on
                house.offer(submit.job_id)
                self.miner.open_lane()
        elif judgement.outcome is not ShareOutcome.STALE:  # being late is no abuse
            house.guard.bad(self, now)
        if judgement.difficulty is not None:
            self.send_fresh_job()

    def credit(self, worker: AuthorizedWorker, change: ChangePoint, count: int, now: float) -> None:
        """Shares were judged and accepted in the lane, and are recorded there."""
        difficulty = self._house.pool.credit(self.miner, worker, change, count, now)
        for _ in range(count if self.conduct is not None else 1):
            self._was_accepted(now)
        if difficulty is not None:
            self.send_fresh_job()

    def _was_accepted(self, now: float) -> None:
        self.accepted_at = now
        if self.address is not None:
            self.address.accepted_at = now
        if self.conduct is not None:
            self._house.guard.good(self, now)

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
        workers = self.miner.workers
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
        house, now = self._house, self._house.now()
        if request.session_id is not None:
            self._close_half_open(request.session_id, now)
        try:
            house.pool.subscribe(self.miner, request.session_id, now)
        except ExtranonceExhausted as error:
            log.error("no_extranonce", reason=str(error))
            self._protocol.connection.refuse(request, POOL_FULL)
            return
        house.by_session_id[self.miner.session_id] = self
        self._recognise(user_agent=request.user_agent)
        self._protocol.connection.subscribed(
            request, extranonce1=self.miner.extranonce1, session_id=self.miner.session_id
        )
        self._send_first_job()

    def _close_half_open(self, session_id: str, now: float) -> None:
        """A rig that comes back may be quicker than the news that its old connection is dead."""
        house = self._house
        old = house.by_session_id.get(session_id)
        if old is not None and now - old._taken_over_at >= TAKE_OVER_INTERVAL_S:
            self._taken_over_at = now
            del house.by_session_id[session_id]
            house.roll.leave(old)
            old._leave_lane()
            house.pool.disconnect(old.miner, now)
            old.miner = house.pool.connect(old._vardiff, now)  # nothing is left in its hands
            old.abort()

    def _recognise(self, **told: Any) -> None:
        self._house.pool.recognise(self.miner, **told)
        self._house.roll.changed(self)
        firmware = self.miner.firmware
        self._protocol.connection.pads_nonce = firmware is not None and firmware.short_nonce

    def _authorize(self, request: Authorize) -> None:
        house, now = self._house, self._house.now()
        if house.guard.is_banned(request.username, self, now):
            self._protocol.connection.refuse(request, BANNED)
            self.dismiss("banned for a while: too many shares were rejected")
            return
        before, known = self.miner.vardiff.difficulty, len(self.miner.workers)
        worker = None
        if request.username in self.miner.workers or house.guard.has_room(self, now):
            worker = house.pool.authorize(
                self.miner, request.username, request.password, house.journal.declare_worker, now
            )
        house.guard.added(self, len(self.miner.workers) - known)
        if worker is None:
            self._protocol.connection.refuse(request, UNAUTHORIZED)
            house.guard.bad(self, now, is_submit=False)
            return
        house.roll.enter(self, worker.name)
        self._protocol.connection.authorized(request)
        if self.has_work:
            self._send_wished_job(before)
        else:
            self._send_first_job()

    def _configure(self, request: Configure) -> None:
        pool, miner = self._house.pool, self.miner
        before, floor = miner.vardiff.difficulty, request.minimum_difficulty
        version_mask = self._protocol.connection.configured(
            request,
            version_mask=pool.version_mask,
            minimum_difficulty=floor is not None and pool.raise_floor(miner, floor),
        )
        if request.version_rolling is not None:
            miner.version_mask = version_mask
        if request.info is not None:
            self._recognise(info=request.info)
        self._send_wished_job(before)

    def _suggest(self, request: Request, difficulty: float) -> None:
        """A hint for the start: once shares tell the hashrate they know better."""
        before = self.miner.vardiff.difficulty
        self._house.pool.suggest(self.miner, difficulty)
        self._send_wished_job(before)
        self._protocol.connection.accept(request)

    def _get_transactions(self, request: GetTransactions) -> None:
        now = self._house.now()
        if now < self._next_transactions_at:
            self._protocol.connection.refuse(request, TOO_OFTEN)
            return
        self._next_transactions_at = now + TRANSACTIONS_INTERVAL_S
        issued = self._house.pool.jobs.get(request.job_id, now) if self.has_work else None
        if issued is None:
            self._protocol.connection.refuse(request, ANSWERS[ShareOutcome.JOB_NOT_FOUND])
            return
        transactions = issued.job.template.transactions
        if len(transactions.data_hex) > self._house.transactions_limit:
            # A full block is megabytes: nobody who reads so slowly as rigs do could be sent it.
            self._protocol.connection.refuse(request, TOO_MANY_TRANSACTIONS)
        else:
            self._protocol.connection.answer(request, transactions.each_hex())

    # --- jobs out ------------------------------------------------------------------------

    def _is_ready(self) -> bool:
        return self._protocol.connection.state is READY

    def _send_first_job(self) -> None:
        """Difficulty and job go out once both subscribed and authorized, and only then.

        To a resumed session as well: with a job that it has not had.
        """
        if self._is_ready() and not self.has_work:
            job = self._next_job()
            if job is not None:
                self.send_job(job, clean=True)

    def send_job(self, job: Job, *, clean: bool) -> None:
        """Send ``job`` behind a new difficulty if there is one; ``clean``: drop all before it."""
        if line := self.take_job(job, clean=clean):
            self.write(line)

    def take_job(self, job: Job, *, clean: bool) -> bytes:
        """What ``send_job`` would write, for who writes it; empty where nothing is to be."""
        if not self._is_ready():
            return b""
        variant = job.variants[self.miner.coinbase_class]
        line = variant.notify_clean if clean or not self.has_work else variant.notify_refresh
        self.has_work = True
        difficulty = self._house.pool.issue(self.miner, job)
        if difficulty is None:
            return line
        self._house.roll.changed(self)
        return render_set_difficulty(difficulty) + line

    def write(self, lines: bytes) -> None:
        """Write behind what is queued."""
        self._protocol.write_rendered(lines)

    @property
    def free_transport(self) -> asyncio.Transport | None:
        """To write to past this session; None where something would be overtaken."""
        return self._protocol.free_transport

    def send_fresh_job(self) -> None:
        """A new difficulty goes out with a job that this connection has not had."""
        if self._is_ready():
            job = self._next_job()
            if job is not None:
                self.send_job(job, clean=False)

    def _next_job(self) -> Job | None:
        house = self._house
        return house.pool.next_job(self.miner, house.now(), house.unix_time())

    def _send_wished_job(self, before: float) -> None:
        """A new difficulty that the rig asked for; ``before`` is the one until then.

        A rig that wishes for one after the other cannot have a job made for each: between two
        there are some seconds, and what is left unsaid goes out with the next job.
        """
        now = self._house.now()
        wished = self.has_work and self.miner.vardiff.difficulty != before
        if wished and now >= self._next_wished_job_at:
            self._next_wished_job_at = now + MIN_CHANGE_INTERVAL_S
            self.send_fresh_job()

    def tick(self, now: float) -> None:
        """Silence eases the difficulty down."""
        if self.has_work and self._is_ready() and self._house.pool.tick(self.miner, now):
            self.send_fresh_job()

    # --- with a rig that goes wrong, and at the end ----------------------------------------

    def resend_work(self) -> None:
        """Tell a rig anew all that it has to know: what it has must have gone wrong.

        The job is a clean one: in what it does now there is nothing to lose.
        """
        job = self._next_job() if self._is_ready() else None
        if job is None:
            return
        connection, pool, miner = self._protocol.connection, self._house.pool, self.miner
        if connection.extranonce_subscribed:
            connection.set_extranonce(pool.renew_extranonce1(miner))
        if connection.version_mask:
            miner.version_mask = connection.set_version_mask(pool.version_mask)
        miner.announced = None
        self.send_job(job, clean=True)

    def ask_to_reconnect(self) -> None:
        """To this same pool, for no host is named."""
        self._protocol.connection.reconnect()
        self._protocol.flush()

    def dismiss(self, why: str) -> None:
        """Say why and end the session, once all that has come in is looked at."""
        if not self.is_dismissed:
            self.is_dismissed = True
            self._protocol.connection.show_message(why)
            self._protocol.flush()
            asyncio.get_running_loop().call_soon(self._protocol.close)

    def send_to(self, host: str, port: int) -> None:
        """End the session: the rig goes to another pool of the operator's."""
        self._protocol.connection.reconnect(host, port)
        self._protocol.close()

    def abort(self) -> None:
        """End the session at once."""
        self._protocol.abort()

    def close(self) -> None:
        """End the session: the rig goes to its backup pool."""
        self._protocol.close()
