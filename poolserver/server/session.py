"""One rig's session: its requests to the pool, its answers and jobs back.

The share path runs through ``_submit``: synchronous, from the typed request to the queued
answer. The answer leaves when the journal says that the share's record is as safe as the
operator wants it; only the answer to a found block waits for more, its spool file.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from math import inf
from typing import TYPE_CHECKING

import structlog

from poolserver._vendor.asyncio_stratum import (
    Dropped,
    ErrorCode,
    Fault,
    Malformed,
    Request,
    Response,
    ServerProtocol,
    State,
    StratumError,
    Submit,
    render_set_difficulty,
)
from poolserver.judge import NO_HASH, Judgement, SolvedBlock
from poolserver.ledger.records import NO_WORKER, ShareRecord
from poolserver.mining.job import Job
from poolserver.mining.miner import AuthorizedWorker, ChangePoint, Miner
from poolserver.mining.share import ShareOutcome
from poolserver.mining.vardiff import MIN_CHANGE_INTERVAL_S, VardiffTerms
from poolserver.server.admission import Address
from poolserver.server.answering import ANSWERERS
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
NEVER = -inf  # one object: each -inf worked out anew is 24 bytes more
READY = State.READY  # looking a member up in its enum takes 0.1 us in Python 3.11
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
        "_next_wished_job_at",
        "accepted_at",
        "address",
        "conduct",
        "has_work",
        "house",
        "is_dismissed",
        "lane",
        "miner",
        "names",
        "next_transactions_at",
        "protocol",
        "taken_over_at",
        "terms",
    )

    def __init__(self, house: House, vardiff: VardiffTerms, address: Address | None = None) -> None:
        """``address`` where the connection was let in already, before its handshake."""
        self.house = house
        self.terms = vardiff
        """Those of its listener."""
        self.protocol: ServerProtocol
        self._answers: list[tuple[Submit, ShareOutcome]] | None = None
        self._answers_turn = 0
        self._next_wished_job_at = self.next_transactions_at = self.taken_over_at = NEVER
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
        self.protocol = session
        self.miner = self.house.pool.connect(self.terms, self.house.now())
        self.miner.lane = self.lane
        self.house.enter(self)

    def taken_up(
        self, session: ServerProtocol, miner: Miner, *, accepted_at: float, has_work: bool
    ) -> None:
        """In place of ``on_connect``: the connection was begun in another process."""
        self.protocol = session
        self.miner = miner
        self.accepted_at, self.has_work = accepted_at, has_work
        self.house.enter_again(self)

    def pause(self) -> None:
        """Have no more read of what the rig sends, if that is not the wire's to do."""
        if self.lane is None and self.protocol.transport is not None:
            self.protocol.transport.pause_reading()

    def go_on(self) -> None:
        """Have it read again."""
        if self.lane is None and self.protocol.transport is not None:
            self.protocol.transport.resume_reading()

    def on_request(self, session: ServerProtocol, request: Request | Response) -> None:
        if type(request) is Submit:  # nearly every request is one
            self._submit(request)
        elif (answer := ANSWERERS.get(type(request))) is not None:
            answer(self, request)

    def on_malformed(self, session: ServerProtocol, malformed: Malformed) -> None:
        house = self.house
        house.malformed += 1
        if malformed.method == "mining.submit":
            outcome = REFUSED_SUBMITS[malformed.fault]
            house.journal.append_share(self._only_worker(), outcome, False, 0, 0, NO_HASH)
        if malformed.fault is not Fault.UNKNOWN_METHOD:  # a rig of tomorrow is no abuse
            is_submit = malformed.method == "mining.submit"
            house.guard.bad(self, house.now(), is_submit=is_submit)

    def on_disconnect(self, session: ServerProtocol, error: Exception | None) -> None:
        house = self.house
        house.by_session_id.pop(self.miner.session_id, None)
        house.leave(self)
        self.leave_lane()
        if isinstance(error, Dropped):
            house.guard.refused[str(error)] += 1
        house.pool.disconnect(self.miner, house.now())

    def leave_lane(self) -> None:
        """Nothing more of it is ordinary; and a cycle of objects is broken."""
        self.miner.close_lane()
        self.miner.lane = self.lane = None

    @property
    def host(self) -> str:
        """The rig's address; empty where it has none, as on a Unix socket."""
        peername = self.protocol.peername
        return str(peername[0]) if isinstance(peername, tuple) and peername else ""

    # --- the share path ------------------------------------------------------------------

    def _submit(self, submit: Submit) -> None:
        house, now = self.house, self.house.now()
        judgement = house.pool.judge.submit_share(self.miner, submit, now)
        if judgement.block is not None:  # before all else: its way to the nodes begins
            self._answer_after_spool(submit, judgement, judgement.block, now)
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
            self._answer_after_record(submit, judgement.outcome, now)
        else:
            self.protocol.connection.refuse(submit, NOT_RECORDED)
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
        difficulty = self.house.pool.judge.credit(self.miner, worker, change, count, now)
        for _ in range(count if self.conduct is not None else 1):
            self._was_accepted(now)
        if difficulty is not None:
            self.send_fresh_job()

    def _was_accepted(self, now: float) -> None:
        self.accepted_at = now
        if self.address is not None:
            self.address.accepted_at = now
        if self.conduct is not None:
            self.house.guard.good(self, now)

    def _answer_after_record(self, submit: Submit, outcome: ShareOutcome, began_at: float) -> None:
        """The answers to the shares of one turn wait together until their records are safe."""
        journal = self.house.journal
        if self._answers is not None and self._answers_turn == journal.turn:
            self._answers.append((submit, outcome))
            return
        answers = self._answers = [(submit, outcome)]
        self._answers_turn = journal.turn
        journal.release(partial(self._release, answers, began_at))

    def _release(self, answers: list[tuple[Submit, ShareOutcome]], began_at: float) -> None:
        if self._answers is answers:
            self._answers = None
        for submit, outcome in answers:
            self._answer(submit, outcome)
        self.protocol.flush()
        self.house.latency.note(self.house.now() - began_at, len(answers))

    def _answer(self, submit: Submit, outcome: ShareOutcome) -> None:
        if outcome is ShareOutcome.ACCEPTED:
            self.protocol.connection.accept(submit)
        else:
            self.protocol.connection.refuse(submit, ANSWERS[outcome])

    def _answer_after_spool(
        self, submit: Submit, judgement: Judgement, block: SolvedBlock, began_at: float
    ) -> None:
        """The answer to a block's finder waits until the block is on the disk; no other's does."""
        self.house.solved(
            block,
            submit.worker_name,
            partial(self._answer_after_record, submit, judgement.outcome, began_at),
        )

    def _only_worker(self) -> int:
        """The worker a malformed share is booked to, where there is no doubt whose it is."""
        workers = self.miner.workers
        return next(iter(workers.values())).ref if len(workers) == 1 else NO_WORKER

    # --- jobs out ------------------------------------------------------------------------

    def _is_ready(self) -> bool:
        return self.protocol.connection.state is READY

    def send_first_job(self) -> None:
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
        difficulty = self.house.pool.issue(self.miner, job)
        if difficulty is None:
            return line
        self.house.roll.changed(self)
        return render_set_difficulty(difficulty) + line

    def write(self, lines: bytes) -> None:
        """Write behind what is queued."""
        self.protocol.write_rendered(lines)

    @property
    def free_transport(self) -> asyncio.Transport | None:
        """To write to past this session; None where something would be overtaken."""
        return self.protocol.free_transport

    def send_fresh_job(self) -> None:
        """A new difficulty goes out with a job that this connection has not had."""
        if self._is_ready():
            job = self._next_job()
            if job is not None:
                self.send_job(job, clean=False)

    def _next_job(self) -> Job | None:
        house = self.house
        return house.pool.next_job(self.miner, house.now(), house.unix_time())

    def send_wished_job(self, before: float) -> None:
        """A new difficulty that the rig asked for; ``before`` is the one until then.

        A rig that wishes for one after the other cannot have a job made for each: between two
        there are some seconds, and what is left unsaid goes out with the next job.
        """
        now = self.house.now()
        wished = self.has_work and self.miner.vardiff.difficulty != before
        if wished and now >= self._next_wished_job_at:
            self._next_wished_job_at = now + MIN_CHANGE_INTERVAL_S
            self.send_fresh_job()

    def tick(self, now: float) -> None:
        """Silence eases the difficulty down."""
        if self.has_work and self._is_ready() and self.house.pool.tick(self.miner, now):
            self.send_fresh_job()

    # --- with a rig that goes wrong, and at the end ----------------------------------------

    def resend_work(self) -> None:
        """Tell a rig anew all that it has to know: what it has must have gone wrong.

        The job is a clean one: in what it does now there is nothing to lose.
        """
        job = self._next_job() if self._is_ready() else None
        if job is None:
            return
        connection, pool, miner = self.protocol.connection, self.house.pool, self.miner
        if connection.extranonce_subscribed:
            connection.set_extranonce(pool.renew_extranonce1(miner))
        if connection.version_mask:
            miner.version_mask = connection.set_version_mask(pool.version_mask)
        miner.announced = None
        self.send_job(job, clean=True)

    def ask_to_reconnect(self) -> None:
        """To this same pool, for no host is named."""
        self.protocol.connection.reconnect()
        self.protocol.flush()

    def dismiss(self, why: str) -> None:
        """Say why and end the session, once all that has come in is looked at."""
        if not self.is_dismissed:
            self.is_dismissed = True
            self.protocol.connection.show_message(why)
            self.protocol.flush()
            asyncio.get_running_loop().call_soon(self.protocol.close)

    def send_to(self, host: str, port: int) -> None:
        """End the session: the rig goes to another pool of the operator's."""
        self.protocol.connection.reconnect(host, port)
        self.protocol.close()

    def abort(self) -> None:
        """End the session at once."""
        self.protocol.abort()

    def close(self) -> None:
        """End the session: the rig goes to its backup pool."""
        self.protocol.close()
