"""Who may connect and mine, and what becomes of a rig whose shares do not count.

The figures and the rules are in admission.py and conduct.py, which are pure; here they meet the
sessions.
"""

from collections import Counter
from collections.abc import Collection
from typing import NamedTuple, Protocol

import structlog

from poolserver.mining.miner import Miner
from poolserver.pool import MAX_WORKERS
from poolserver.server.admission import (
    Address,
    AddressState,
    Admission,
    AdmissionTerms,
    Refusal,
)
from poolserver.server.conduct import (
    Bans,
    BansState,
    Conduct,
    ConductTerms,
    Step,
    pool_at_fault,
)

log = structlog.get_logger(__name__)


class Guarded(Protocol):
    """What the guard needs of a session."""

    miner: Miner
    address: Address | None
    conduct: Conduct | None
    accepted_at: float
    names: int
    has_work: bool
    is_dismissed: bool

    def resend_work(self) -> None: ...
    def ask_to_reconnect(self) -> None: ...
    def dismiss(self, why: str) -> None: ...


class GuardState(NamedTuple):
    """What a ``Guard`` hands to the one of the next process."""

    addresses: list[AddressState]
    bans: BansState
    refused: dict[str, int]


class Guard:
    """For all sessions of one worker process. ``now`` is monotonic seconds."""

    def __init__(
        self, admission: AdmissionTerms, conduct: ConductTerms, sessions: Collection[Guarded]
    ) -> None:
        """``sessions`` are those that live, at any time."""
        self._terms = conduct
        self._sessions = sessions
        self._bans = Bans(conduct)
        self._admission = Admission(admission, self._bans.address_is_banned)
        self._suspects: set[Guarded] = set()
        self.refused: Counter[str] = Counter()
        """Connections and rigs that were not let in, or thrown out, by reason."""
        self.rejecting = 0
        """Sessions that have nothing but rejects just now."""
        self.pool_at_fault = False

    # --- from one process to the next ----------------------------------------------------

    def state(self) -> GuardState:
        """What is remembered of addresses and names, and counted.

        Not how sessions have behaved so far: what goes wrong on one shows again within a minute.
        """
        return GuardState(self._admission.state(), self._bans.state(), dict(self.refused))

    def restore(self, state: GuardState, now: float) -> None:
        """Go on where another process left off, before its sessions come."""
        self._admission.restore(state.addresses, now)
        self._bans.restore(state.bans)
        self.refused.update(state.refused)

    def enter_again(self, host: str) -> Address:
        """Count a connection that another process let in."""
        return self._admission.enter_again(host)

    # --- who comes in --------------------------------------------------------------------

    def enter(self, host: str, now: float) -> Address | None:
        """Let a connection in; None where it must be closed."""
        address = self._admission.enter(host, now)
        if isinstance(address, Refusal):
            self.refused[address.value] += 1
            return None
        return address

    def give_up(self, address: Address, now: float) -> None:
        """A connection that was let in never became a session."""
        self._admission.leave(address, now)

    def leave(self, session: Guarded, now: float) -> None:
        """A connection that was let in has ended."""
        self._suspects.discard(session)
        if session.address is not None:
            session.address.names -= session.names
            self._admission.leave(session.address, now)
            session.address = None

    def is_banned(self, username: str, session: Guarded, now: float) -> bool:
        """Whether ``username`` must not mine from the session's address."""
        banned = self._bans.is_banned(username, _key(session), now)
        if banned:
            self.refused[Refusal.BANNED.value] += 1
        return banned

    def has_room(self, session: Guarded, now: float) -> bool:
        """Whether one more worker may be authorized.

        All connections of a stranger together may have as many as one of anybody else's: each
        costs memory for as long as its connection lives.
        """
        address = session.address
        return (
            address is None
            or address.trusted
            or address.names < MAX_WORKERS
            or self._admission.is_known(address, now)
        )

    def added(self, session: Guarded, names: int) -> None:
        """So many workers were authorized."""
        session.names += names
        if session.address is not None:
            session.address.names += names

    # --- what they do --------------------------------------------------------------------

    def bad(self, session: Guarded, now: float, *, is_submit: bool = True) -> None:
        """A share was rejected, or something malformed came: perhaps a step on the ladder."""
        if session.conduct is None:
            session.conduct = Conduct(self._terms, now)
            self._suspects.add(session)
        step = session.conduct.bad(now, is_submit=is_submit)
        if step is Step.NONE or session.is_dismissed:
            return
        if step is Step.RESEND:
            session.resend_work()
        elif self.pool_at_fault:
            pass  # to send rigs away mends nothing that is wrong here
        elif step is Step.RECONNECT:
            session.miner.is_resumable = False  # a new extranonce1 may be what mends it
            session.ask_to_reconnect()
        else:
            self._drop(session, now)

    def good(self, session: Guarded, now: float) -> None:
        """A share was accepted on a session that has had something wrong."""
        assert session.conduct is not None
        session.miner.is_resumable = True
        session.conduct.good(now)
        if session.conduct.is_over:
            session.conduct = None
            self._suspects.discard(session)

    def _drop(self, session: Guarded, now: float) -> None:
        self.look(now)  # a flood is quicker than the second between two looks
        if self.pool_at_fault:
            return
        username = next(iter(session.miner.workers), "")
        address = session.address
        lately = now - self._terms.proof_s
        ban = self._bans.strike(
            username,
            _key(session),
            now,
            address_has_proven=address is not None and address.accepted_at >= lately,
            others_prove=any(
                other is not session
                and other.address is address
                and other.accepted_at >= lately
                and username in other.miner.workers
                for other in self._sessions
            ),
            pool_at_fault=False,
            trusted=address is None or address.trusted,
        )
        self.refused["dropped"] += 1
        session.miner.is_resumable = False
        log.warning("rig_dropped", worker=username, address=_key(session), banned=bool(ban))
        session.dismiss("dropped: nearly all that this rig sends is rejected")

    def look(self, now: float) -> None:
        """Once a second: see whether it is the rigs or the pool that is wrong."""
        rejecting = [
            session
            for session in self._suspects
            if session.conduct is not None and session.conduct.rejecting(now)
        ]
        self.rejecting = len(rejecting)
        before = self.pool_at_fault
        self.pool_at_fault = bool(rejecting) and pool_at_fault(
            self._heads(rejecting, now), self._heads(self._sessions, now), self._terms
        )
        if self.pool_at_fault and not before:
            log.error("pool_at_fault", rejecting=self.rejecting, sessions=len(self._sessions))
        elif before and not self.pool_at_fault:
            log.info("pool_at_fault_no_more", rejecting=self.rejecting)
            self._forgive()

    def _heads(self, sessions: Collection[Guarded], now: float) -> int:
        """Sessions that were given work; those of a stranger's address together count as one.

        Else one stranger with some connections could make it look as if the pool were wrong.
        """
        known, strangers = 0, set()
        for session in sessions:
            address = session.address
            if not session.has_work or address is None:
                continue
            if address.trusted or self._admission.is_known(address, now):
                known += 1
            else:
                strangers.add(address.key)
        return known + len(strangers)

    def _forgive(self) -> None:
        """What was rejected while the pool was wrong is nobody's conduct."""
        for session in self._suspects:
            session.conduct = None
        self._suspects.clear()

    def bans(self, now: float) -> int:
        """How many bans are in force."""
        return self._bans.active(now)


def _key(session: Guarded) -> str:
    return session.address.key if session.address is not None else ""
