"""Vardiff: the difficulty at which a connection sends a steady few shares a minute.

An estimate of the connection's hashrate is kept as an exponentially weighted average with
bias correction, fed by every proven share at the difficulty that it was judged by.
Nothing that a client says resets it, nor does a change of difficulty: one that goes on with
old jobs cannot hold its difficulty by that. Only proven work that contradicts what was known
makes the estimate forget it.

The expected rate of shares, hashrate / (difficulty x 2^32), is left alone inside a dead band
around the target (half to four thirds of it: ckpool's 0.15 to 0.4 around 0.3 a second). Out
of the band the difficulty becomes the power of two next to the ideal one. "Out of the band"
means beyond doubt: the estimate's own standard error is given way first, so a rig that is far
off is mended within seconds and one that is near the edge is not shaken by luck.

Silence tells that something is wrong, not how fast the rig is: it eases the difficulty, but
the estimate stays, and the first share that comes through again is met with it.
"""

from dataclasses import dataclass
from enum import IntEnum
from math import ceil, inf, log2, sqrt
from typing import Self

import msgspec

from poolserver.mining.rate_estimate import MAX_EASE, RateEstimate

HASHES_PER_DIFFICULTY = 2.0**32

BAND_LOW = 0.5
BAND_HIGH = 4 / 3
# The band spans more than a factor of two. A new difficulty is one that puts the rate into the
# middle octave of it, 0.58 to 1.15 of the target: an estimate that is off by 15% still hits.
AIM_HIGHEST = (2 * BAND_LOW * BAND_HIGH) ** 0.5
# After a change the rate is in the middle, so a change on weak evidence costs little. Over
# simulated days half an error less or more changes little but the number of changes.
DOUBT_SIGMAS = 0.5
MAX_RISE = 8.0
MAX_FALL = 16.0
MAX_FALL_NO_SHARE_YET = 256.0
# A rate at the band's lower edge has a chance of e^-5 to send no share for so long. A fast
# proxy's five shares are due within a second: so short a hitch of the network says nothing.
SILENT_EXPECTED_SHARES = 5.0
MIN_SILENCE_S = 30.0
# No network is near it (main: 2^47), and no rig: a wish above it is no difficulty.
MAX_DIFFICULTY = 2.0**64
# What a rig may be said to have done before: from a hash a second to MAX_DIFFICULTY a second.
MIN_HASHRATE = 1.0
MAX_HASHRATE = MAX_DIFFICULTY * HASHES_PER_DIFFICULTY
# At most one change in so many seconds: each costs the rig a new job. A flood costs more.
MIN_CHANGE_INTERVAL_S = 3.0
MIN_CHANGE_INTERVAL_IN_FLOOD_S = 0.5
FLOOD = 8 * BAND_HIGH
# A rig sends a share in some seconds. Only a flood is not looked at with each share.
MIN_LOOK_INTERVAL_S = 0.1


@dataclass(frozen=True, slots=True)
class VardiffTerms:
    """A listener's terms, all difficulties. ``min == max`` pins the difficulty.

    ``max_shares_per_minute`` bounds the target of a connection with many workers.
    """

    target_shares_per_minute: float
    start: float
    minimum: float
    maximum: float = inf
    max_shares_per_minute: float = 600.0


class StartRank(IntEnum):
    """Who said where to start; the higher knows better, and equals may change their mind."""

    LISTENER = 0
    SUGGESTED = 1
    LAST_HASHRATE = 2
    PASSWORD = 3


class VardiffState(msgspec.Struct, frozen=True):
    """What a ``Vardiff`` knows, for a process that takes its connection over; times too.

    Its terms are not part of it: they are the listener's, and may be others from then on.
    """

    difficulty: float
    floor: float
    rank: int
    has_shares: bool
    changed_at: float
    next_look_at: float
    target_per_s: float
    estimate: dict[str, float | bool]


class Vardiff:
    """The decision for one connection. ``now`` is monotonic, in seconds."""

    __slots__ = (
        "_changed_at",
        "_estimate",
        "_has_shares",
        "_next_look_at",
        "_rank",
        "_target_per_s",
        "_terms",
        "difficulty",
        "floor",
    )

    def __init__(self, terms: VardiffTerms, difficulty: float, now: float) -> None:
        self._terms = terms
        self._target_per_s = terms.target_shares_per_minute / 60
        self._estimate = RateEstimate(now)
        self._rank = StartRank.LISTENER
        self._has_shares = False
        self._changed_at = now
        # Where the difficulty is pinned there is nothing to decide: a third of all this costs.
        self._next_look_at = inf if terms.minimum == terms.maximum else now
        self.floor = terms.minimum
        self.difficulty = difficulty

    def state(self) -> VardiffState:
        """All that it knows but for its terms."""
        return VardiffState(
            self.difficulty,
            self.floor,
            self._rank,
            self._has_shares,
            self._changed_at,
            self._next_look_at,
            self._target_per_s,
            self._estimate.state(),
        )

    @classmethod
    def restored(cls, terms: VardiffTerms, state: VardiffState) -> Self:
        """The inverse of ``state``."""
        vardiff = cls(terms, state.difficulty, state.changed_at)
        vardiff.floor = state.floor
        vardiff._rank = StartRank(state.rank)
        vardiff._has_shares = state.has_shares
        if state.next_look_at < inf:  # else the difficulty was pinned, and may not be now
            vardiff._next_look_at = max(vardiff._next_look_at, state.next_look_at)
        vardiff._target_per_s = state.target_per_s
        vardiff._estimate = RateEstimate.restored(state.estimate)
        return vardiff

    # --- what shares and silence tell ----------------------------------------------------

    def on_share(
        self, difficulty: float, now: float, ceiling: float = inf, count: int = 1
    ) -> float | None:
        """Count proven shares, judged by ``difficulty``; the new difficulty, if it should change.

        ``ceiling`` is the network's difficulty: above it a block would go unsent.
        """
        self._has_shares = True
        estimate = self._estimate
        estimate.add(difficulty, self.difficulty, now, count)
        if now < self._next_look_at:  # a look costs as much again as the share did: 0.6 us
            return None
        self._next_look_at = now + MIN_LOOK_INTERVAL_S
        return self._decide(estimate.work / (estimate.seconds or inf), now, ceiling)

    def on_tick(self, now: float, ceiling: float = inf) -> float | None:
        """Look at the connection without a share: silence eases the difficulty down."""
        estimate = self._estimate
        if estimate.work == 0.0 or estimate.is_silent(self.difficulty, now):
            return self._ease(now, ceiling)
        return self._decide(estimate.rate(now), now, ceiling)

    def aim_for(self, workers: int) -> None:
        """Aim at so many workers' shares, so that each is resolved; from the next decision on."""
        own, most = self._terms.target_shares_per_minute, self._terms.max_shares_per_minute
        self._target_per_s = max(own, min(own * max(1, workers), most)) / 60

    def hashrate(self, now: float) -> float:
        """The estimate in hashes a second, in silence the last; 0 before there is one."""
        estimate = self._estimate
        is_silent = estimate.is_silent(self.difficulty, now)
        rate = estimate.last_rate() if is_silent else estimate.rate(now)
        return rate * HASHES_PER_DIFFICULTY

    # --- where to start ------------------------------------------------------------------

    def suggest(self, difficulty: float, ceiling: float = inf) -> bool:
        """Take a rig's wish for its start; whether that changed anything. Shares know better."""
        return self._start(StartRank.SUGGESTED, difficulty, ceiling)

    def start_at_hashrate(self, hashrate: float, ceiling: float = inf) -> bool:
        """Start with a hashrate known from before, in hashes a second; whether it changed.

        It aims at the shares of as many workers as ``aim_for`` was told of last. A hashrate that
        no rig has is ignored.
        """
        if not MIN_HASHRATE <= hashrate <= MAX_HASHRATE:
            return False
        rate = hashrate / HASHES_PER_DIFFICULTY
        ideal = rate / self._target_per_s
        return self._start(StartRank.LAST_HASHRATE, next_to(ideal), ceiling, rate)

    def start_at(self, difficulty: float, ceiling: float = inf) -> bool:
        """Start where the password says (``d=``), within the terms; whether it changed."""
        return self._start(StartRank.PASSWORD, difficulty, ceiling)

    def _start(self, rank: StartRank, difficulty: float, ceiling: float, rate: float = 0.0) -> bool:
        before = self.difficulty
        if not self._has_shares and rank >= self._rank:
            self._rank = rank
            self.difficulty = self.clamp(difficulty, ceiling)
            self._estimate.presume(rate, self.difficulty)
        return self.difficulty != before

    # --- bounds --------------------------------------------------------------------------

    def raise_floor(self, difficulty: float, ceiling: float = inf) -> bool:
        """Go no lower than a rig asks for or needs, the highest of all that is asked.

        False, and nothing changes, if that is above the terms or the ceiling.
        """
        if difficulty > min(self._terms.maximum, ceiling, MAX_DIFFICULTY):
            return False
        self.floor = max(self.floor, difficulty)
        self.difficulty = self.clamp(self.difficulty, ceiling)
        return True

    def cap(self, ceiling: float) -> None:
        """Come down to ``ceiling`` at once: the network's difficulty has fallen below ours."""
        self.difficulty = min(self.difficulty, ceiling)

    def clamp(self, difficulty: float, ceiling: float = inf) -> float:
        """``difficulty`` within the terms and this connection's floor; the upper bounds win."""
        wanted = max(difficulty, self.floor, self._terms.minimum)
        return min(wanted, self._terms.maximum, ceiling, MAX_DIFFICULTY)

    # --- decisions -----------------------------------------------------------------------

    def _decide(self, rate: float, now: float, ceiling: float) -> float | None:
        since_change_s = now - self._changed_at
        if since_change_s < MIN_CHANGE_INTERVAL_IN_FLOOD_S:
            return None
        relative = rate / self.difficulty / self._target_per_s
        if since_change_s < MIN_CHANGE_INTERVAL_S and relative < FLOOD:
            return None
        estimate = self._estimate
        doubt = DOUBT_SIGMAS * sqrt(estimate.squares) / estimate.work
        if relative * (1 + doubt) >= BAND_LOW and relative * (1 - doubt) <= BAND_HIGH:
            return None
        return self._change_to(relative * self.difficulty, now, ceiling)

    def _ease(self, now: float, ceiling: float) -> float | None:
        quiet_s = now - max(self._changed_at, self._estimate.updated_at)
        due = BAND_LOW * self._target_per_s * quiet_s
        if due < SILENT_EXPECTED_SHARES or quiet_s < MIN_SILENCE_S:
            return None
        has_work, ideal = self._estimate.work > 0.0, 0.0
        if has_work:
            # A share might have come just now: the rate at which one comes in such a time.
            lowest = self._estimate.believed() / MAX_EASE
            ideal = max(self.difficulty / quiet_s, lowest) / self._target_per_s
        if next_to(ideal) >= self.difficulty:
            return None
        changed = self._change_to(ideal, now, ceiling)
        if changed is not None and not has_work:
            # Without any share the time at too high a difficulty tells little of the rate; that
            # at the lowest one tells all.
            self._estimate = RateEstimate(now)
        return changed

    def _change_to(self, ideal: float, now: float, ceiling: float) -> float | None:
        max_fall = MAX_FALL if self._has_shares else MAX_FALL_NO_SHARE_YET
        lowest, highest = self.difficulty / max_fall, self.difficulty * MAX_RISE
        wanted = self.clamp(min(max(next_to(ideal), lowest), highest), ceiling)
        if wanted == self.difficulty:
            return None
        self.difficulty = wanted
        self._changed_at = now
        return wanted


def next_to(ideal: float) -> float:
    """The power of two that puts a rig of this ideal difficulty into the middle of the band."""
    return power_of_two_at_least(ideal / AIM_HIGHEST)


def power_of_two_at_least(difficulty: float) -> float:
    """The power of two at or above, from 2^-32 to MAX_DIFFICULTY: no others are of any use."""
    if difficulty <= 2.0**-32:
        return 2.0**-32
    if difficulty >= MAX_DIFFICULTY:
        return MAX_DIFFICULTY
    return float(2.0 ** ceil(log2(difficulty)))
