"""What a rig asks besides the shares that it submits, and how it is answered."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import structlog

from poolserver._vendor.asyncio_stratum import (
    Authorize,
    Configure,
    ErrorCode,
    GetTransactions,
    StratumError,
    Subscribe,
    SuggestDifficulty,
    SuggestTarget,
)
from poolserver.bitcoin.target import difficulty_from_target
from poolserver.mining.extranonce import ExtranonceExhausted
from poolserver.mining.share import ShareOutcome

if TYPE_CHECKING:
    from poolserver.server.session import MinerSession

POOL_FULL = StratumError(ErrorCode.OTHER, "pool_full")
# An answer may be hundreds of times as long as its question.
TRANSACTIONS_INTERVAL_S = 10.0
TOO_OFTEN = StratumError(ErrorCode.OTHER, "too_often")
TOO_MANY_TRANSACTIONS = StratumError(ErrorCode.OTHER, "transactions_too_large")
BANNED = StratumError(ErrorCode.UNAUTHORIZED, "banned")
UNAUTHORIZED = StratumError(ShareOutcome.UNAUTHORIZED.code, ShareOutcome.UNAUTHORIZED.reason)
NO_SUCH_JOB = StratumError(ShareOutcome.JOB_NOT_FOUND.code, ShareOutcome.JOB_NOT_FOUND.reason)
# Connections of one proxy that all name the id it was told last would throw each other out
# for ever; so who has just taken a session over keeps it for a while.
TAKE_OVER_INTERVAL_S = 60.0

log = structlog.get_logger(__name__)


def subscribe(session: "MinerSession", request: Subscribe) -> None:
    """An extranonce1, or the session that it names."""
    house, miner, now = session.house, session.miner, session.house.now()
    if request.session_id is not None:
        _close_half_open(session, request.session_id, now)
    try:
        house.pool.subscribe(miner, request.session_id, now)
    except ExtranonceExhausted as error:
        log.error("no_extranonce", reason=str(error))
        session.protocol.connection.refuse(request, POOL_FULL)
        return
    house.by_session_id[miner.session_id] = session
    _recognise(session, user_agent=request.user_agent)
    session.protocol.connection.subscribed(
        request, extranonce1=miner.extranonce1, session_id=miner.session_id
    )
    session.send_first_job()


def _close_half_open(session: "MinerSession", session_id: str, now: float) -> None:
    """A rig that comes back may be quicker than the news that its old connection is dead."""
    house = session.house
    old = house.by_session_id.get(session_id)
    if old is not None and now - old.taken_over_at >= TAKE_OVER_INTERVAL_S:
        session.taken_over_at = now
        del house.by_session_id[session_id]
        house.roll.leave(old)
        old.leave_lane()
        house.pool.disconnect(old.miner, now)
        old.miner = house.pool.connect(old.terms, now)  # nothing is left in its hands
        old.abort()


def _recognise(session: "MinerSession", **told: Any) -> None:
    session.house.pool.recognise(session.miner, **told)
    session.house.roll.changed(session)
    firmware = session.miner.firmware
    session.protocol.connection.pads_nonce = firmware is not None and firmware.short_nonce


def authorize(session: "MinerSession", request: Authorize) -> None:
    """A worker of this connection, if it may mine."""
    house, miner, now = session.house, session.miner, session.house.now()
    if house.guard.is_banned(request.username, session, now):
        session.protocol.connection.refuse(request, BANNED)
        session.dismiss("banned for a while: too many shares were rejected")
        return
    before, known = miner.vardiff.difficulty, len(miner.workers)
    worker = None
    if request.username in miner.workers or house.guard.has_room(session, now):
        worker = house.pool.authorize(
            miner, request.username, request.password, house.journal.declare_worker, now
        )
    house.guard.added(session, len(miner.workers) - known)
    if worker is None:
        session.protocol.connection.refuse(request, UNAUTHORIZED)
        house.guard.bad(session, now, is_submit=False)
        return
    house.roll.enter(session, worker.name)
    session.protocol.connection.authorized(request)
    if session.has_work:
        session.send_wished_job(before)
    else:
        session.send_first_job()


def configure(session: "MinerSession", request: Configure) -> None:
    """Extensions (BIP310)."""
    pool, miner = session.house.pool, session.miner
    before, floor = miner.vardiff.difficulty, request.minimum_difficulty
    version_mask = session.protocol.connection.configured(
        request,
        version_mask=pool.version_mask,
        minimum_difficulty=floor is not None and pool.raise_floor(miner, floor),
    )
    if request.version_rolling is not None:
        miner.version_mask = version_mask
    if request.info is not None:
        _recognise(session, info=request.info)
    session.send_wished_job(before)


def suggest_difficulty(session: "MinerSession", request: SuggestDifficulty) -> None:
    """See _suggest()."""
    _suggest(session, request, request.difficulty)


def suggest_target(session: "MinerSession", request: SuggestTarget) -> None:
    """See _suggest()."""
    _suggest(session, request, difficulty_from_target(request.target))


def _suggest(
    session: "MinerSession", request: SuggestDifficulty | SuggestTarget, difficulty: float
) -> None:
    """A hint for the start: once shares tell the hashrate they know better."""
    before = session.miner.vardiff.difficulty
    session.house.pool.suggest(session.miner, difficulty)
    session.send_wished_job(before)
    session.protocol.connection.accept(request)


def get_transactions(session: "MinerSession", request: GetTransactions) -> None:
    """The transactions of a job, now and then."""
    house, connection, now = session.house, session.protocol.connection, session.house.now()
    if now < session.next_transactions_at:
        connection.refuse(request, TOO_OFTEN)
        return
    session.next_transactions_at = now + TRANSACTIONS_INTERVAL_S
    issued = house.pool.jobs.get(request.job_id, now) if session.has_work else None
    if issued is None:
        connection.refuse(request, NO_SUCH_JOB)
        return
    transactions = issued.job.template.transactions
    if len(transactions.data_hex) > house.transactions_limit:
        # A full block is megabytes: nobody who reads so slowly as rigs do could be sent it.
        connection.refuse(request, TOO_MANY_TRANSACTIONS)
    else:
        connection.answer(request, transactions.each_hex())


ANSWERERS: Mapping[type, Callable[["MinerSession", Any], None]] = {
    Subscribe: subscribe,
    Authorize: authorize,
    Configure: configure,
    SuggestDifficulty: suggest_difficulty,
    SuggestTarget: suggest_target,
    GetTransactions: get_transactions,
}
"""By type of request; what is not here needs no answer of the pool's."""
