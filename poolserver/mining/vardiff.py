"""Vardiff: the difficulty at which a connection sends a steady few shares a minute.

An estimate of the connection's hashrate is kept as an exponentially weighted average with
bias correction, fed by every proven share at the difficulty that it was judged by. Nothing
resets it: a client that goes on with old jobs cannot hold its difficulty by that.

The expected rate of shares, hashrate / (difficulty x 2^32), is left alone inside a dead band
around the target (half to four thirds of it: ckpool's 0.15 to 0.4 around 0.3 a second). Out
of the band the difficulty becomes the power of two at or above the ideal one. "Out of the
band" means beyond doubt: the estimate's own standard error is given way first, so a rig that
is far off is mended within seconds and one that is near the edge is not shaken by luck.
"""

from dataclasses import dataclass
from math import ceil, exp, inf, log2, sqrt

HASHES_PER_DIFFICULTY = 2.0**32

TAU_S = 180.0  # at 12 shares a minute some 72 shares weigh in: the estimate is good to 12%
BAND_LOW = 0.5
BAND_HIGH = 4 / 3
DOUBT_SIGMAS = 1.5
MAX_RISE = 8.0
MAX_FALL = 16.0
MAX_FALL_NO_SHARE_YET = 256.0
# A rate at the band's lower edge has a chance of e^-5 to send no share for so long.
SILENT_EXPECTED_SHARES = 5.0
# No network is near it (main: 2^47), and no rig: a wish above it is no difficulty.
MAX_DIFFICULTY = 2.0**64
# At most one change in so many seconds: each costs the rig a new job. A flood costs more.
MIN_CHANGE_INTERVAL_S = 3.0
MIN_CHANGE_INTERVAL_IN_FLOOD_S = 0.5
FLOOD = 8 * BAND_HIGH


@dataclass(frozen=True, slots=True)
class VardiffTerms:
    """A listener's terms, all difficulties. ``min == max`` pins the difficulty."""

    target_shares_per_minute: float
    start: float
    minimum: float
    maximum: float = inf


class Vardiff:
    """The estimator and the decision for one connection. ``now`` is monotonic, in seconds."""

    __slots__ = (
        "_changed_at",
        "_decayed_seconds",
        "_decayed_squares",
        "_decayed_work",
        "_shares",
        "_terms",
        "_updated_at",
        "difficulty",
        "floor",
    )

    def __init__(self, terms: VardiffTerms, difficulty: float, now: float) -> None:
        self._terms = terms
        self.floor = terms.minimum
        self.difficulty = difficulty
        self._updated_at = self._changed_at = now
        self._decayed_work = 0.0
        self._decayed_squares = 0.0
        self._decayed_seconds = 0.0
        self._shares = 0

    def on_share(self, difficulty: float, now: float, ceiling: float = inf) -> float | None:
        """Count a proven share, judged by ``difficulty``; the new difficulty, if it should change.

        ``ceiling`` is the network's difficulty: above it a block would go unsent.
        """
        self._decay(now)
        self._decayed_work += difficulty
        self._decayed_squares += difficulty * difficulty
        self._shares += 1
        return self._decide(now, ceiling)

    def on_tick(self, now: float, ceiling: float = inf) -> float | None:
        """Look at the connection without a share: silence eases the difficulty down."""
        self._decay(now)
        return self._decide(now, ceiling)

    def start_at_hashrate(self, hashrate: float, ceiling: float = inf) -> None:
        """Start at the difficulty that fits a hashrate known from before, in hashes a second."""
        target_per_s = self._terms.target_shares_per_minute / 60
        ideal = hashrate / HASHES_PER_DIFFICULTY / target_per_s
        self.difficulty = self.clamp(power_of_two_at_least(ideal), ceiling)

    def suggest(self, difficulty: float, ceiling: float = inf) -> bool:
        """Take a rig's wish for its start; whether that changed anything. Shares know better."""
        before = self.difficulty
        if not self._shares:
            self.difficulty = self.clamp(difficulty, ceiling)
        return self.difficulty != before

    def raise_floor(self, difficulty: float, ceiling: float = inf) -> bool:
        """Go no lower than a rig asks for; False, and nothing changes, if that is out of reach."""
        if difficulty > min(self._terms.maximum, MAX_DIFFICULTY):
            return False
        self.floor = max(self.floor, difficulty)
        self.difficulty = self.clamp(self.difficulty, ceiling)
        return True

    def cap(self, ceiling: float) -> None:
        """Come down to ``ceiling`` at once: the network's difficulty has fallen below ours."""
        self.difficulty = min(self.difficulty, ceiling)

    def hashrate(self, now: float) -> float:
        """The estimate in hashes a second; 0 before there is one."""
        self._decay(now)
        return self._rate() * HASHES_PER_DIFFICULTY

    def _decay(self, now: float) -> None:
        elapsed = now - self._updated_at
        if elapsed > 0:
            keep = exp(-elapsed / TAU_S)
            self._decayed_work *= keep
            self._decayed_squares *= keep * keep
            self._decayed_seconds = self._decayed_seconds * keep + TAU_S * (1 - keep)
            self._updated_at = now

    def _rate(self) -> float:
        """Difficulty-1 shares a second."""
        return self._decayed_work / self._decayed_seconds if self._decayed_seconds > 0 else 0.0

    def _decide(self, now: float, ceiling: float) -> float | None:
        since_change_s = now - self._changed_at
        if since_change_s < MIN_CHANGE_INTERVAL_IN_FLOOD_S:
            return None
        target_per_s = self._terms.target_shares_per_minute / 60
        relative = self._rate() / self.difficulty / target_per_s
        if since_change_s < MIN_CHANGE_INTERVAL_S and relative < FLOOD:
            return None
        if self._decayed_work == 0.0:
            if BAND_LOW * target_per_s * since_change_s < SILENT_EXPECTED_SHARES:
                return None
        else:
            doubt = DOUBT_SIGMAS * sqrt(self._decayed_squares) / self._decayed_work
            if relative * (1 + doubt) >= BAND_LOW and relative * (1 - doubt) <= BAND_HIGH:
                return None
        return self._change_to(relative * self.difficulty, now, ceiling)

    def _change_to(self, ideal: float, now: float, ceiling: float) -> float | None:
        max_fall = MAX_FALL if self._shares else MAX_FALL_NO_SHARE_YET
        lowest, highest = self.difficulty / max_fall, self.difficulty * MAX_RISE
        stepped = min(max(power_of_two_at_least(ideal), lowest), highest)
        wanted = self.clamp(stepped, ceiling)
        if wanted == self.difficulty:
            return None
        self.difficulty = wanted
        self._changed_at = now
        return wanted

    def clamp(self, difficulty: float, ceiling: float = inf) -> float:
        """``difficulty`` within the terms and this connection's floor; the upper bounds win."""
        wanted = max(difficulty, self.floor, self._terms.minimum)
        return min(wanted, self._terms.maximum, ceiling, MAX_DIFFICULTY)


def power_of_two_at_least(difficulty: float) -> float:
    """The power of two at or above; 0 gives the smallest that is of any use, 2^-32."""
    if difficulty <= 2.0**-32:
        return 2.0**-32
    return float(2.0 ** ceil(log2(difficulty)))
