"""Rigs that fall silent: which, since when, and how likely it is that they only had bad luck. Pure.

A rig's shares are a Poisson process of a rate that is known by n of them: the chance of no share
for a time t is (1 + rate t / n)^-n, the gamma-Poisson predictive probability. Each gap between
shares is a trial, so for ``false_alarms`` per rig and day one gap may be so long with a chance of
false_alarms / (rate 86,400): at 12 a minute and one of 10,000 rigs a day, 105 s.

The hashrate is that of exponential windows (MEMORY_S), in which n is twice the weighted count; it
is kept in hashes, so it stays right when the difficulty changes. A rig drifts: DRIFT bounds n.

Silence is not absence: a rig whose last connection has ended is disconnected, which is certain.
Silence is not "off" either: it may mine elsewhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from heapq import heappop, heappush
from math import exp, expm1, inf, log, log1p
from typing import NamedTuple

FALSE_ALARMS = 1e-4
"""A rig and day: one of 10,000 rigs a day (design: power.md)."""
MEMORY_S = 600.0
DRIFT = 0.1
"""One relative sigma of how far a rig's true rate is from its mean: it is as if n was 1/DRIFT^2."""
MIN_SHARES = 4.0
"""Of fewer nothing is said: a rig that just came may not have begun."""
LOOK_S = (5.0, 60.0)
"""A rig is looked at no more and no less often; a silence is told up to the first later."""
LATE_S = 15.0
"""Shares are folded once a second, later by a busy machine, and looked at in ticks: a shorter
silence is the pool's. It matters for a name that a whole farm or a proxy mines under: that sends
hundreds of shares a second."""
_DAY_S = 86_400.0


class RigState(StrEnum):
    """What a rig does, as far as shares tell."""

    NEW = "new"
    """Connected; too few shares to tell."""
    HASHING = "hashing"
    SILENT = "silent"
    """Connected, and silent for longer than luck explains."""
    DISCONNECTED = "disconnected"


class RigChange(NamedTuple):
    """A rig's state has changed."""

    worker: str
    state: RigState
    was: RigState
    silent_s: float
    """For how long there had been no share."""
    chance: float
    """That a rig which hashes on as before is silent for so long."""


class GroupCheck(NamedTuple):
    """What shares say of rigs that were told to stop."""

    silent: tuple[str, ...]
    sending: tuple[str, ...]
    """Those that have sent shares since."""
    unknown: tuple[str, ...]
    """Those of which too little is known, or which are not connected."""
    chance: float
    """That all of ``silent`` hash on and were silent by luck, together."""


@dataclass(slots=True)
class WatchedRig:
    """What is known of a rig."""

    sessions: int = 0
    state: RigState = RigState.DISCONNECTED
    began_s: float = 0.0
    """Since when its hashrate is measured."""
    last_s: float = 0.0
    """Of its last share, or of its coming."""
    updated_s: float = 0.0
    work: float = 0.0
    """Weighted by age, as of ``updated_s``; ``squares`` too."""
    squares: float = 0.0
    share_work: float = 0.0
    """What the next share is taken to stand for."""
    announced_work: float = 0.0
    last_work: float = 0.0
    """What the last one stood for."""
    left_s: float = 0.0
    """When its last connection ended."""
    in_heap: bool = False


class SilenceState(NamedTuple):
    """All that is known of rigs, by name, and since when nobody is silent, if that is so."""

    rigs: dict[str, WatchedRig]
    held_since_s: float | None


class SilenceWatch:
    """Watches all rigs. Times are Unix seconds, and mostly grow."""

    def __init__(self, false_alarms: float = FALSE_ALARMS) -> None:
        """``false_alarms`` is how many are put up with per rig and day."""
        self._false_alarms = false_alarms
        self._rigs: dict[str, WatchedRig] = {}
        self._due: list[tuple[float, str]] = []
        self._changes: list[RigChange] = []
        self._held_since_s: float | None = None

    def state(self) -> SilenceState:
        """All of it, for ``restore``."""
        return SilenceState(self._rigs, self._held_since_s)

    def restore(self, state: SilenceState, now_s: float) -> None:
        """Go on from what another watch knew, in place of what is known here."""
        self._rigs, self._held_since_s = state.rigs, state.held_since_s
        self._due.clear()
        for worker, rig in state.rigs.items():
            if rig.in_heap:
                rig.in_heap = False
                self._watch(worker, rig, now_s)

    def note(self, worker: str, share_work: float, sessions: int, now_s: float) -> None:
        """What is known of its connections: how many, and what its shares now stand for."""
        rig = self._rigs.get(worker)
        if rig is None:
            if not sessions:
                return
            rig = self._rigs[worker] = WatchedRig()
        if sessions and not rig.sessions:
            # What it did before does not tell when it begins again: the clock starts anew.
            rig.last_s = now_s
            if now_s - rig.updated_s > MEMORY_S:
                _begin(rig, now_s)
            self._change(worker, rig, RigState.NEW, now_s)
        elif rig.sessions and not sessions:
            self._change(worker, rig, RigState.DISCONNECTED, now_s)
            rig.left_s = now_s
            self._watch(worker, rig, now_s)
        rig.sessions = sessions
        if share_work > 0:
            rig.announced_work = share_work
            # A lower difficulty is waited out until a share has it: it comes with the next job,
            # and a rig that is silent gets one too. A higher one is believed at once.
            rig.share_work = max(rig.share_work, share_work)

    def shares(self, worker: str, work: int, work_sq: int, at_s: float) -> None:
        """Proven work in hashes of its shares, and their squares, of about ``at_s``."""
        if not work:
            return
        rig = self._rigs.get(worker)
        if rig is None:
            rig = self._rigs[worker] = WatchedRig(began_s=at_s, updated_s=at_s)
            self._watch(worker, rig, at_s)
        elif at_s - rig.updated_s > MEMORY_S:  # it is back from a long silence
            _begin(rig, at_s)
        left = exp((rig.updated_s - at_s) / MEMORY_S) if at_s > rig.updated_s else 1.0
        rig.work = rig.work * left + work
        rig.squares = rig.squares * left * left + float(work_sq)
        rig.last_work = work_sq / work
        rig.share_work = max(rig.last_work, rig.announced_work)
        rig.updated_s = max(rig.updated_s, at_s)
        is_known = _shares(rig) >= MIN_SHARES
        if rig.sessions and (
            rig.state is RigState.SILENT or (is_known and rig.state is RigState.NEW)
        ):
            self._change(worker, rig, RigState.HASHING, at_s)
            self._watch(worker, rig, at_s)
        rig.last_s = max(rig.last_s, at_s)

    def look(self, now_s: float) -> list[RigChange]:
        """All that changed since the last look. Cheap: a rig is looked at when it may be late."""
        while self._held_since_s is None and self._due and self._due[0][0] <= now_s:
            _, worker = heappop(self._due)
            rig = self._rigs[worker]
            rig.in_heap = False
            if rig.state is RigState.HASHING:
                if _deadline_s(rig, self._false_alarms) <= now_s:
                    self._change(worker, rig, RigState.SILENT, now_s)
                else:
                    self._watch(worker, rig, now_s)
            elif not rig.sessions:
                self._wait_or_forget(worker, rig, now_s)
        changes, self._changes = self._changes, []
        return changes

    def hold(self, now_s: float) -> None:
        """Shares may fail to come by the pool's own fault from now on: nobody is silent."""
        if self._held_since_s is None:
            self._held_since_s = now_s

    def resume(self, now_s: float) -> None:
        """They come again; the time between was not seen."""
        if self._held_since_s is None:
            return
        for rig in self._rigs.values():
            seen_s = max(0.0, self._held_since_s - rig.last_s)
            rig.last_s = max(rig.last_s, now_s - seen_s)
        self._held_since_s = None

    def __len__(self) -> int:
        """How many rigs are kept: those that are connected, or were in the last MEMORY_S."""
        return len(self._rigs)

    def state_of(self, worker: str) -> RigState:
        """What a rig does now; one never heard of is disconnected."""
        rig = self._rigs.get(worker)
        return RigState.DISCONNECTED if rig is None else rig.state

    def chance(self, worker: str, now_s: float) -> float:
        """That a rig which hashes as before is silent for as long as this one is; 1: not known."""
        rig = self._rigs.get(worker)
        return 1.0 if rig is None else _chance(rig, now_s - rig.last_s)

    def deadline_s(self, worker: str) -> float:
        """When a rig will have been silent for too long, if no share comes; inf: not known."""
        rig = self._rigs.get(worker)
        return inf if rig is None else _deadline_s(rig, self._false_alarms)

    def check(self, workers: Iterable[str], since_s: float, now_s: float) -> GroupCheck:
        """Of rigs that were told to stop: are they silent since ``since_s``, when it was to work?

        One rig at 12 a minute is silent beyond doubt (1 in 1,000) after 35 s, a row of 100
        together after 0.35 s.
        """
        silent, sending, unknown = [], [], []
        logarithm = 0.0
        for worker in workers:
            rig = self._rigs.get(worker)
            if rig is None or not rig.sessions or _shares(rig) < MIN_SHARES:
                unknown.append(worker)
            elif rig.last_s > since_s:
                sending.append(worker)
            else:
                silent.append(worker)
                logarithm += _log_chance(rig, now_s - since_s)
        return GroupCheck(tuple(silent), tuple(sending), tuple(unknown), exp(logarithm))

    def _watch(self, worker: str, rig: WatchedRig, now_s: float) -> None:
        if not rig.in_heap:
            soonest, latest = LOOK_S
            due_s = min(now_s + latest, max(now_s + soonest, _deadline_s(rig, self._false_alarms)))
            heappush(self._due, (due_s, worker))
            rig.in_heap = True

    def _wait_or_forget(self, worker: str, rig: WatchedRig, now_s: float) -> None:
        """Names are made up by whoever connects. Of one that left long ago nothing is of use."""
        if now_s - max(rig.left_s, rig.updated_s) > MEMORY_S:
            del self._rigs[worker]
        else:
            self._watch(worker, rig, now_s)

    def _change(self, worker: str, rig: WatchedRig, state: RigState, now_s: float) -> None:
        silent_s = max(0.0, now_s - rig.last_s)
        change = RigChange(worker, state, rig.state, silent_s, _chance(rig, silent_s))
        self._changes.append(change)
        rig.state = state


def _begin(rig: WatchedRig, now_s: float) -> None:
    """Forget the rate: it was long ago."""
    rig.work = rig.squares = 0.0
    rig.began_s = rig.updated_s = now_s


def _shares(rig: WatchedRig) -> float:
    """As how many shares its rate is known."""
    if not rig.squares:
        return 0.0
    return 1.0 / (rig.squares / (rig.work * rig.work) + DRIFT * DRIFT)


def _rate(rig: WatchedRig) -> float:
    """Expected shares a second, at the difficulty that it has now.

    The last share is left out: one who looks right after a share always sees one too many.
    """
    seen_s = max(1.0, rig.updated_s - rig.began_s)
    work = rig.work - rig.last_work
    return work / (-MEMORY_S * expm1(-seen_s / MEMORY_S)) / rig.share_work


def _deadline_s(rig: WatchedRig, false_alarms: float) -> float:
    """When it has been silent for too long, if no share comes."""
    shares = _shares(rig)
    rate = _rate(rig) if shares >= MIN_SHARES else 0.0
    if rate <= 0:
        return inf
    # (1 + rate t / n)^-n = false_alarms / (rate * day), of one gap a day at least.
    gaps = max(1.0, rate * _DAY_S)
    return rig.last_s + max(LATE_S, shares / rate * expm1(log(gaps / false_alarms) / shares))


def _log_chance(rig: WatchedRig, silent_s: float) -> float:
    shares = _shares(rig)
    rate = _rate(rig) if shares else 0.0
    if rate <= 0 or silent_s <= 0:
        return 0.0
    return -shares * log1p(rate * silent_s / shares)


def _chance(rig: WatchedRig, silent_s: float) -> float:
    return exp(_log_chance(rig, silent_s))
