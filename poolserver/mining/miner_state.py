"""A connection's state in a form that can be sent to another process, and restored there.

Times in it are of the monotonic clock, which all processes of one boot of a machine share.
"""

from collections.abc import Callable
from fractions import Fraction

import msgspec

from poolserver._vendor.asyncio_stratum import RigInfo
from poolserver.bitcoin.target import Difficulty
from poolserver.mining.lost import LostSession
from poolserver.mining.miner import AuthorizedWorker, ChangePoint, Miner, PowerHint
from poolserver.mining.vardiff import Vardiff, VardiffState, VardiffTerms


class ChangeState(msgspec.Struct, frozen=True, array_like=True):
    """A ``ChangePoint``; all of a difficulty follows from its value."""

    first_job: int
    difficulty: float
    version_mask: int
    extranonce1: bytes
    coinbase_class: int


class WorkerState(msgspec.Struct, frozen=True):
    """An ``AuthorizedWorker`` but for its number, which is another in each journal."""

    account: str
    name: str
    watts: int | None
    j_per_th: str | None
    counters: dict[str, int | float | bool]


class MinerState(msgspec.Struct, frozen=True):
    """A ``Miner`` but for its firmware, which follows from what the rig told."""

    extranonce1: bytes
    session_id: str
    user_agent: str
    info: RigInfo | None
    version_mask: int
    changes: tuple[ChangeState, ...]
    last_job: int
    is_resumable: bool
    expected_workers: int
    announced: float | None
    workers: tuple[WorkerState, ...]
    vardiff: VardiffState


class LostState(msgspec.Struct, frozen=True):
    """A ``LostSession``, and until when it is kept."""

    until: float
    session_id: str
    extranonce1: bytes
    changes: tuple[ChangeState, ...]
    last_job: int
    hashrate: float
    workers: int


def state_of(miner: Miner) -> MinerState:
    """All that another process needs to go on with the connection."""
    return MinerState(
        extranonce1=miner.extranonce1,
        session_id=miner.session_id,
        user_agent=miner.user_agent,
        info=miner.info,
        version_mask=miner.version_mask,
        changes=_states_of(miner.changes),
        last_job=miner.last_job,
        is_resumable=miner.is_resumable,
        expected_workers=miner.expected_workers,
        announced=miner.announced,
        workers=tuple(_state_of(worker) for worker in miner.workers.values()),
        vardiff=miner.vardiff.state(),
    )


def restored(
    state: MinerState, terms: VardiffTerms, declare: Callable[[str, str], int], coinbase_class: int
) -> Miner:
    """The inverse, whose firmware is not known yet.

    ``declare(account, name)`` gives the number under which the journal books a worker.
    """
    miner = Miner(Vardiff.restored(terms, state.vardiff), coinbase_class)
    miner.extranonce1 = state.extranonce1
    miner.session_id = state.session_id
    miner.user_agent = state.user_agent
    miner.info = state.info
    miner.version_mask = state.version_mask
    miner.changes = _changes_of(state.changes)
    miner.last_job = state.last_job
    miner.is_resumable = state.is_resumable
    miner.expected_workers = state.expected_workers
    miner.announced = state.announced
    for each in state.workers:
        worker = AuthorizedWorker.restored(
            declare(each.account, each.name), each.account, each.name, each.counters
        )
        j_per_th = None if each.j_per_th is None else Fraction(each.j_per_th)
        worker.hint = PowerHint(each.watts, j_per_th)
        miner.workers[each.name] = worker
    return miner


def state_of_lost(lost: LostSession, until: float) -> LostState:
    """A session whose rig may come back to another process."""
    return LostState(
        until=until,
        session_id=lost.session_id,
        extranonce1=lost.extranonce1,
        changes=_states_of(lost.changes),
        last_job=lost.last_job,
        hashrate=lost.hashrate,
        workers=lost.workers,
    )


def restored_lost(state: LostState) -> LostSession:
    """The inverse of ``state_of_lost``."""
    return LostSession(
        state.session_id,
        state.extranonce1,
        _changes_of(state.changes),
        state.last_job,
        state.hashrate,
        state.workers,
    )


def _state_of(worker: AuthorizedWorker) -> WorkerState:
    watts, j_per_th = worker.hint
    return WorkerState(
        worker.account,
        worker.name,
        watts,
        None if j_per_th is None else str(j_per_th),
        worker.counters(),
    )


def _states_of(changes: list[ChangePoint]) -> tuple[ChangeState, ...]:
    return tuple(
        ChangeState(
            each.first_job,
            each.difficulty.value,
            each.version_mask,
            each.extranonce1,
            each.coinbase_class,
        )
        for each in changes
    )


def _changes_of(states: tuple[ChangeState, ...]) -> list[ChangePoint]:
    return [
        ChangePoint(
            each.first_job,
            Difficulty.of(each.difficulty),
            each.version_mask,
            each.extranonce1,
            each.coinbase_class,
        )
        for each in states
    ]
