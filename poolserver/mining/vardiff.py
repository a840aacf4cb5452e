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
from math import ceil, exp, inf, log, log2, sqrt

HASHES_PER_DIFFICULTY = 2.0**32

TAU_S = 240.0  # at 12 shares a minute some 96 shares weigh in: the estimate is good to 10%
# What is known is held against the shares of the last so many seconds, and forgotten if they
# are this surprising. Luck alone does it (e^-12 at each look) less than once in some weeks.
WINDOW_S = 120.0
SURPRISE_NATS = 12.0
# After so many unsurprising shares what is known outlives a silence. A rig that has shrunk to
# a tenth does not get so far: fifty would have been due.
CONFIRMING_SHARES = 5.0
# A silence has a chance of e^-7 to be luck; that a rig is cut off some times a day is likelier.
SILENCE_NATS = 7.0
# The network delays and bunches shares: nothing is concluded from the spacing within a second,
# and no gap this short is called a silence, however many shares a proxy would have sent in it.
PACKET_S = 1.0
MIN_GAP_S = 3.0
# What was found in a silence comes at once, if it comes. Twice the work that was due, because
# luck doubles it only where a few shares are due, and no more: more is a faster rig.
BACKLOG_S = 5.0
BACKLOG_SLACK = 2.0
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
# Silence goes no lower than this below the rate that was known: a rig that lost more is no rig.
# When a curtailed one comes back it floods by 256 times the target (51 shares a second) until
# its first share has raised the difficulty: some 25 shares in the first minute. Eased 16-fold
# at a time down to 1, 200 TH/s would send 46,000 a second.
MAX_EASE = 256.0
# No network is near it (main: 2^47), and no rig: a wish above it is no difficulty.
MAX_DIFFICULTY = 2.0**64
# At most one change in so many seconds: each costs the rig a new job. A flood costs more.
MIN_CHANGE_INTERVAL_S = 3.0
MIN_CHANGE_INTERVAL_IN_FLOOD_S = 0.5
FLOOD = 8 * BAND_HIGH


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


class RateEstimate:
    """The rate of proven work, in difficulty-1 shares a second, and how sure that is.

    Sums over the past weighted by exp(-age / TAU_S): the work, its squares (for the standard
    error) and the seconds. They stand as of ``updated_at``, the last share. Silence is not
    among the seconds: it makes nothing known of a rig that the network or a curtailment cut off.
    """

    __slots__ = (
        "_backlog",
        "_backlog_until",
        "_is_trusted",
        "_window_at",
        "_window_squares",
        "_window_work",
        "known",
        "seconds",
        "squares",
        "updated_at",
        "work",
    )

    def __init__(self, now: float) -> None:
        self.updated_at = self._window_at = self._backlog_until = now
        self._backlog = 0.0
        self.presume(0.0, 0.0)

    def presume(self, rate: float, difficulty: float) -> None:
        """Begin with what was known of the rig, as if it had sent shares of ``difficulty``."""
        self.known = rate
        self.seconds = TAU_S if rate else 0.0
        self.work = rate * TAU_S
        self.squares = self.work * difficulty
        self._window_work = self._window_squares = 0.0
        self._is_trusted = True

    def rate(self, now: float) -> float:
        """The estimate if the time since the last share counts; 0 before there is one."""
        keep = exp((self.updated_at - now) / TAU_S)
        seconds = self.seconds * keep + TAU_S * (1 - keep)
        return self.work * keep / seconds if seconds > 0 else 0.0

    def is_silent(self, difficulty: float, now: float) -> bool:
        """Whether a rig of the known rate would by now have sent a share of ``difficulty``."""
        return self._is_silence(now - self.updated_at, difficulty)

    def _is_silence(self, seconds: float, difficulty: float) -> bool:
        nats = SILENCE_NATS if self._is_trusted else SURPRISE_NATS
        return self.known * seconds > nats * difficulty and seconds >= MIN_GAP_S

    def add(self, difficulty: float, in_force: float, now: float) -> None:
        """Count a share judged by ``difficulty``, where ``in_force`` is the connection's own."""
        elapsed = now - self.updated_at
        self.updated_at = now
        if self._backlog and self._is_backlog(difficulty, now):
            return
        if elapsed >= MIN_GAP_S and self._is_silence(elapsed, in_force):
            self._end_silence(difficulty, elapsed, now)
            return
        if elapsed > 0:
            keep = exp(-elapsed / TAU_S)
            self.work *= keep
            self.squares *= keep * keep
            self.seconds = self.seconds * keep + TAU_S * (1 - keep)
        squared = difficulty * difficulty
        self.work += difficulty
        self.squares += squared
        self._window_work += difficulty
        self._window_squares += squared
        # The squared deviation, in variances, is never less than the surprise in nats.
        seconds = now - self._window_at
        due = self.known * seconds
        excess, work = self._window_work - due, self._window_work
        if seconds >= WINDOW_S or (
            excess * excess * work > SURPRISE_NATS * due * self._window_squares
        ):
            self._look_at_window(seconds, now)

    def _look_at_window(self, seconds: float, now: float) -> None:
        work, squares = self._window_work, self._window_squares
        if self.known and seconds >= PACKET_S:
            # Shares of mixed difficulties count as fewer of one, as many as are as sure.
            shares = work * work / squares
            due = self.known * seconds * work / squares
            if due - shares + shares * log(shares / due) > SURPRISE_NATS:
                self._know_only(work, squares, seconds, now)
                return
        if seconds >= WINDOW_S:
            self.known = self.work / self.seconds
            self._is_trusted = True
            self._open_window(now)

    def _end_silence(self, difficulty: float, seconds: float, now: float) -> None:
        """Leave a silence out; a second one in a row tells that the rig is not what it was."""
        work, squares = self._window_work, self._window_squares
        if self._is_trusted or work * work > CONFIRMING_SHARES * squares:
            self._backlog = BACKLOG_SLACK * self.known * seconds
            self._backlog_until = now + BACKLOG_S
            self._is_trusted = False
            self._open_window(now)
        else:
            # As slow as 256 times below what was known, no more: a curtailment is not a rate.
            most = min(TAU_S, MAX_EASE * difficulty / self.known)
            self._know_only(difficulty, difficulty * difficulty, min(seconds, most), now)

    def _is_backlog(self, difficulty: float, now: float) -> bool:
        """Whether a share was found in the silence: its work is what was left out with it."""
        if now > self._backlog_until or difficulty > self._backlog:
            self._backlog = 0.0
            return False
        self._backlog -= difficulty
        self._open_window(now)
        return True

    def _know_only(self, work: float, squares: float, seconds: float, now: float) -> None:
        self.work, self.squares, self.seconds = work, squares, seconds
        self.known = work / seconds
        self._is_trusted = False
        self._open_window(now)

    def _open_window(self, now: float) -> None:
        self._window_at = now
        self._window_work = self._window_squares = 0.0


class StartRank(IntEnum):
    """Who said where to start; the higher knows better, and equals may change their mind."""

    LISTENER = 0
    SUGGESTED = 1
    LAST_HASHRATE = 2
    PASSWORD = 3


class Vardiff:
    """The decision for one connection. ``now`` is monotonic, in seconds."""

    __slots__ = (
        "_changed_at",
        "_estimate",
        "_has_shares",
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
        self.floor = terms.minimum
        self.difficulty = difficulty

    # --- what shares and silence tell ----------------------------------------------------

    def on_share(self, difficulty: float, now: float, ceiling: float = inf) -> float | None:
        """Count a proven share, judged by ``difficulty``; the new difficulty, if it should change.

        ``ceiling`` is the network's difficulty: above it a block would go unsent.
        """
        self._has_shares = True
        estimate = self._estimate
        estimate.add(difficulty, self.difficulty, now)
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
        if estimate.is_silent(self.difficulty, now):
            now = estimate.updated_at
        return estimate.rate(now) * HASHES_PER_DIFFICULTY

    # --- where to start ------------------------------------------------------------------

    def suggest(self, difficulty: float, ceiling: float = inf) -> bool:
        """Take a rig's wish for its start; whether that changed anything. Shares know better."""
        return self._start(StartRank.SUGGESTED, difficulty, ceiling)

    def start_at_hashrate(self, hashrate: float, ceiling: float = inf) -> bool:
        """Start with a hashrate known from before, in hashes a second; whether it changed."""
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

        False, and nothing changes, if that is out of reach.
        """
        if difficulty > min(self._terms.maximum, MAX_DIFFICULTY):
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
        known, ideal = self._estimate.known, 0.0
        if self._estimate.work == 0.0:
            # Without any share the time at too high a difficulty tells little of the rate.
            self._estimate = RateEstimate(now)
        elif known:
            # A share might have come just now: the rate at which one comes in such a time.
            ideal = max(self.difficulty / quiet_s, known / MAX_EASE) / self._target_per_s
        return self._change_to(ideal, now, ceiling) if next_to(ideal) < self.difficulty else None

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
    """The power of two at or above; 0 gives the smallest that is of any use, 2^-32."""
    if difficulty <= 2.0**-32:
        return 2.0**-32
    return float(2.0 ** ceil(log2(difficulty)))
