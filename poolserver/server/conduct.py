"""Rigs that send nothing but rubbish: the ladder for one session, strikes and bans for all.

Bad events are rejected shares (but never stale ones), malformed messages and refused
authorizes; the one good event is an accepted share. Nothing else is told to this module. A rig
that is idle, such as one in a curtailed hall, makes no events, and time alone moves nothing
here: it cannot climb the ladder, take a strike or be banned, however long it is silent.

Pure: no sockets and no clock. ``now`` is in monotonic seconds and never goes back.
"""

from collections import OrderedDict
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class ConductTerms:
    """When bad conduct has what consequence; times in seconds.

    The invalid run, a time with bad events and without an accepted share:

    ``resend_after_s``: the rig may have lost its job or difficulty; it gets all work anew. A
    minute holds a dozen shares at the usual pace, too many for bad luck.
    ``reconnect_after_s``: then a new session, with a new extranonce1, may mend it. A minute
    leaves time for the new work to show.
    ``drop_after_s``: the rig did not go by itself. It had its minute for that.
    ``run_gap_s``: bad events further apart than this are not one run. Silence is no abuse, and
    a rig in trouble sends its shares every few seconds.

    The ratio, which ends what only looks like work:

    ``window_submits``: so few shares tell 90% from the 50% of a rig in some trouble by more than
    five standard errors.
    ``rejected_percent``: a rig that gets one share in ten through costs more than it brings.

    Bans:

    ``strikes_to_ban``, ``strike_window_s``: the ladder takes 180 s, so a rig that is as bad after
    each reconnect has three strikes within 600 s; one that is mended by a reconnect never has.
    ``ban_s``: a rig on its backup pool or one that somebody mends loses little in 900 s, and one
    dropped session in that time costs the pool nothing.
    ``proof_s``: an accepted share so long ago still speaks for an address or a name: as long as
    strikes are counted.
    ``max_records``: strikes, and bans, that are remembered at once; some 70 MB when both are full.

    Is it us? (see ``pool_at_fault``)

    ``rejecting_events``, ``rejecting_s``: see ``Conduct.rejecting``.
    ``fault_percent``: rigs break one by one. More than a fifth at once is work of ours.
    ``fault_quorum``: so many rejecting sessions are more than one or two broken rigs.
    """

    resend_after_s: float = 60.0
    reconnect_after_s: float = 120.0
    drop_after_s: float = 180.0
    run_gap_s: float = 60.0
    window_submits: int = 50
    rejected_percent: int = 90
    strikes_to_ban: int = 3
    strike_window_s: float = 600.0
    ban_s: float = 900.0
    proof_s: float = 600.0
    max_records: int = 100_000
    rejecting_events: int = 10
    rejecting_s: float = 10.0
    fault_percent: int = 20
    fault_quorum: int = 5


class Step(IntEnum):
    """What a session has to do after a bad event, from the mildest to the hardest."""

    NONE = 0
    RESEND = 1  # difficulty and job anew
    RECONNECT = 2  # client.reconnect
    DROP = 3  # close the connection and count a strike


class Conduct:
    """One session's conduct since its first bad event.

    Most sessions never have one: the session makes this object at the first bad event, tells it
    of that one and all further ones, and forgets it again once ``is_over``. Nothing but a bad
    event ever gives a step.
    """

    __slots__ = (
        "_last_bad_at",
        "_rejected",
        "_run_began_at",
        "_run_events",
        "_run_step",
        "_submits",
        "_terms",
        "is_over",
    )

    def __init__(self, terms: ConductTerms, now: float) -> None:
        self._terms = terms
        self._run_began_at = self._last_bad_at = now
        self._run_events = 0
        self._run_step = Step.NONE
        self._submits = self._rejected = 0
        # No run is under way and the last window was fine: a new object would know as much.
        self.is_over = False

    def bad(self, now: float, *, is_submit: bool = True) -> Step:
        """Count a rejected share, or with ``is_submit`` False another bad event; the step due.

        A stale share must not be told, and neither must a method that is not known: it is
        answered with an error and no more. ``DROP`` comes again with each bad event until the
        session is gone.
        """
        self.is_over = False
        ladder = self._climb(now)
        if is_submit:
            self._submits += 1
            self._rejected += 1
        if self._window_is_full():
            if self._is_mostly_rejected():
                return Step.DROP
            self._submits = self._rejected = 0
        return ladder

    def good(self, now: float) -> None:
        """Count an accepted share: it ends the invalid run.

        A full window that is bad goes on until a bad event, or enough good ones, decide.
        """
        if self.is_over:  # the next window begins with a bad event, as the first one did
            return
        self._run_events = 0
        self._submits += 1
        if self._window_is_full() and not self._is_mostly_rejected():
            self._submits = self._rejected = 0
            self.is_over = True

    def rejecting(self, now: float) -> bool:
        """Whether the session is in an invalid run that is no accident; for ``pool_at_fault``.

        Ten events tell that of a proxy with many shares a second, which may have a strike after
        five seconds. A rig at 12 shares a minute would need most of a minute for ten; two bad
        events ten seconds apart with no accepted share between are rare enough by luck. The run
        is measured to its last bad event, so that silence after a single one adds nothing.
        """
        terms = self._terms
        if not self._run_events or now - self._last_bad_at > terms.run_gap_s:
            return False
        lasted_s = self._last_bad_at - self._run_began_at
        return self._run_events >= terms.rejecting_events or lasted_s >= terms.rejecting_s

    def _climb(self, now: float) -> Step:
        """The step of the ladder that the run has come to; each but the last only once a run."""
        terms = self._terms
        if not self._run_events or now - self._last_bad_at > terms.run_gap_s:
            self._run_began_at = now
            self._run_events = 0
            self._run_step = Step.NONE
        self._run_events += 1
        self._last_bad_at = now
        lasted_s = now - self._run_began_at
        if lasted_s < terms.resend_after_s:
            return Step.NONE
        if lasted_s >= terms.drop_after_s:
            return Step.DROP
        due = Step.RECONNECT if lasted_s >= terms.reconnect_after_s else Step.RESEND
        if due <= self._run_step:
            return Step.NONE
        self._run_step = due
        return due

    def _window_is_full(self) -> bool:
        return self._submits >= self._terms.window_submits

    def _is_mostly_rejected(self) -> bool:
        return self._rejected * 100 >= self._submits * self._terms.rejected_percent


def pool_at_fault(rejecting: int, sessions: int, terms: ConductTerms) -> bool:
    """Whether so many of all sessions are rejecting at once that the pool must be the cause.

    The quorum: of three rigs one bad one is a third, of ten rigs three bad ones are 30%, and
    neither is the pool's fault. Independent faults of five rigs at once are rare in a pool so
    small that five are a fifth of it; in a larger one the percentage decides.
    """
    return rejecting >= terms.fault_quorum and rejecting * 100 > sessions * terms.fault_percent


@dataclass(frozen=True, slots=True)
class Ban:
    """What a strike has led to: a ban of the name at this address, of all at it, or of both."""

    username: str
    host_key: str
    until: float  # monotonic seconds
    of_name: bool
    of_address: bool


# A name at an address, or with None the address itself.
_Key = tuple[str | None, str]


class BansState(NamedTuple):
    """What ``Bans`` remembers: ``(name or None, host key, times of strikes or end of the ban)``."""

    strikes: list[tuple[str | None, str, tuple[float, ...]]]
    until: list[tuple[str | None, str, float]]


class Bans:
    """Strikes and bans of all sessions. ``host_key`` is an address's key in admission.

    A strike, and ``active``, forgets what is over: each record once, so it costs next to nothing.
    """

    def __init__(self, terms: ConductTerms) -> None:
        self._terms = terms
        # Both with the oldest first: a strike moves its record to the end, and all bans last
        # equally long. (In a plain dict the first key of many is slow to find once those before
        # it are deleted.)
        self._strikes: OrderedDict[_Key, tuple[float, ...]] = OrderedDict()
        self._until: OrderedDict[_Key, float] = OrderedDict()

    def strike(
        self,
        username: str,
        host_key: str,
        now: float,
        *,
        address_has_proven: bool,
        others_prove: bool,
        pool_at_fault: bool,
        trusted: bool,
    ) -> Ban | None:
        """Count a strike against a dropped session; the ban that it leads to, if any.

        ``username`` is empty before any authorize, and then only the address can be banned.
        ``address_has_proven``: a session from the address had an accepted share within
        ``proof_s``; one bad rig must not switch off a site behind NAT. ``others_prove``: a
        session of the same name and address, other than the dropped one, had; all rigs of a site
        may share one name. While the pool is at fault nothing is a strike; neither is what
        somebody does who is banned already, so that no ban prolongs itself.
        """
        self._forget(now)
        if pool_at_fault or self.is_banned(username, host_key, now):
            return None
        of_name = bool(username) and self._count((username, host_key), now, spared=others_prove)
        of_address = self._count((None, host_key), now, spared=address_has_proven or trusted)
        if not of_name and not of_address:
            return None
        return Ban(username, host_key, now + self._terms.ban_s, of_name, of_address)

    def is_banned(self, username: str, host_key: str, now: float) -> bool:
        """Whether ``username`` may not authorize from there: itself or all of the address."""
        return (
            self._until.get((username, host_key), now) > now
            or self._until.get((None, host_key), now) > now
        )

    def address_is_banned(self, host_key: str, now: float) -> bool:
        """Whether nobody may connect from there."""
        return self._until.get((None, host_key), now) > now

    def state(self) -> BansState:
        """All strikes and bans, for a process that takes the rigs over."""
        return BansState(
            [(name, host_key, times) for (name, host_key), times in self._strikes.items()],
            [(name, host_key, until) for (name, host_key), until in self._until.items()],
        )

    def restore(self, state: BansState) -> None:
        """Go on where another process left off."""
        self._strikes = OrderedDict(((name, key), times) for name, key, times in state.strikes)
        self._until = OrderedDict(((name, key), until) for name, key, until in state.until)

    def active(self, now: float) -> int:
        """Bans in force, of names and of addresses."""
        self._forget(now)
        return len(self._until)

    def _count(self, key: _Key, now: float, *, spared: bool) -> bool:
        """Note a strike; whether it makes a ban. One who is spared keeps his strikes."""
        terms = self._terms
        since = now - terms.strike_window_s
        recent = [at for at in self._strikes.pop(key, ()) if at >= since]
        recent.append(now)
        if len(recent) >= terms.strikes_to_ban and not spared:
            self._until[key] = now + terms.ban_s
            _bound(self._until, terms.max_records)
            return True
        self._strikes[key] = tuple(recent[-terms.strikes_to_ban :])
        _bound(self._strikes, terms.max_records)
        return False

    def _forget(self, now: float) -> None:
        since = now - self._terms.strike_window_s
        while self._strikes and next(iter(self._strikes.values()))[-1] < since:
            self._strikes.popitem(last=False)
        while self._until and next(iter(self._until.values())) <= now:
            self._until.popitem(last=False)


def _bound(
    records: OrderedDict[_Key, float] | OrderedDict[_Key, tuple[float, ...]], n: int
) -> None:
    while len(records) > n:
        records.popitem(last=False)
