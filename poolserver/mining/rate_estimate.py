"""How fast a connection proves work: an average that luck, silence and bursts do not mislead.

An exponentially weighted average with bias correction, fed by every proven share. What was
known is held against the newest shares, and forgotten only if they contradict it. Silence is
told from a slow rig, and left out: a curtailment is not a hashrate.
"""

from collections.abc import Mapping
from math import exp, log, log1p
from typing import Self

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
# Silence goes no lower than this below the rate that was known: a rig that lost more is no rig.
# When a curtailed one comes back it floods by 256 times the target (51 shares a second) until
# its first share has raised the difficulty: some 25 shares in the first minute. Eased 16-fold
# at a time down to 1, 200 TH/s would send 46,000 a second.
MAX_EASE = 256.0


class RateEstimate:
    """The rate of proven work, in difficulty-1 shares a second, and how sure that is.

    Sums over the past weighted by exp(-age / TAU_S): the work, its squares (for the standard
    error) and the seconds. They stand as of ``updated_at``, the last share. Silence is not
    among the seconds: it makes nothing known of a rig that the network or a curtailment cut off.

    ``known`` is the rate that new shares are held against, 0 until the first window is over.
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
        # As presume(0.0, 0.0), with one 0.0 for all: 100 bytes less a connection.
        self.known = self.seconds = self.work = self.squares = 0.0
        self._window_work = self._window_squares = self._backlog = 0.0
        self._is_trusted = False

    def state(self) -> dict[str, float]:
        """All that it knows, for a process that takes the connection over."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def restored(cls, state: Mapping[str, float]) -> Self:
        """The inverse of ``state``; what it does not name is as at the beginning."""
        estimate = cls(state["updated_at"])
        for name in cls.__slots__:
            setattr(estimate, name, state.get(name, getattr(estimate, name)))
        return estimate

    def presume(self, rate: float, difficulty: float) -> None:
        """Begin with what was known of the rig, as if it had sent shares of ``difficulty``."""
        self.known = rate
        self.seconds = TAU_S if rate else 0.0
        self.work = rate * TAU_S
        self.squares = self.work * difficulty
        self._window_work = self._window_squares = 0.0
        self._is_trusted = rate > 0.0

    def last_rate(self) -> float:
        """The estimate as of the last share; 0 before there is one."""
        return self.work / max(self.seconds, PACKET_S)

    def believed(self) -> float:
        """What is known or, where nothing is yet, what the few shares say."""
        return self.known or self.last_rate()

    def rate(self, now: float) -> float:
        """The estimate if the time since the last share counts; 0 before there is one."""
        keep = exp((self.updated_at - now) / TAU_S)
        seconds = self.seconds * keep + TAU_S * (1 - keep)
        return max(self.work * keep / max(seconds, PACKET_S), self.last_rate() / MAX_EASE)

    def is_silent(self, difficulty: float, now: float) -> bool:
        """Whether a rig of the believed rate would by now have sent a share of ``difficulty``."""
        return self._is_silence(now - self.updated_at, difficulty)

    def _is_silence(self, seconds: float, difficulty: float) -> bool:
        if seconds < MIN_GAP_S:
            return False
        nats = SILENCE_NATS if self._is_trusted else SURPRISE_NATS
        if self.known:
            return self.known * seconds > nats * difficulty
        if self.work == 0.0:
            return False
        # Few shares tell the rate badly: one that came soon may have been luck. The chance of
        # such a gap after n shares, where m are due at the rate they tell, is (1 + m/n)^-n.
        shares = self.work * self.work / self.squares
        due = self.last_rate() * seconds / difficulty
        return shares * log1p(due / shares) > nats

    def add(self, difficulty: float, in_force: float, now: float, count: int = 1) -> None:
        """Count shares judged by ``difficulty``, where ``in_force`` is the connection's own.

        Several that came at once are as if told one by one, but for one look at the window.
        """
        elapsed = now - self.updated_at
        self.updated_at = now
        while self._backlog and self._is_backlog(difficulty, now):
            count, elapsed = count - 1, 0.0  # the time up to now was that one's
            if not count:
                return
        if (
            elapsed >= MIN_GAP_S
            and self._is_silence(elapsed, in_force)
            and self._end_silence(difficulty, elapsed, now)
        ):
            if count > 1:
                self.add(difficulty, in_force, now, count - 1)
            return
        if elapsed > 0:
            keep = exp(-elapsed / TAU_S)
            self.work *= keep
            self.squares *= keep * keep
            self.seconds = self.seconds * keep + TAU_S * (1 - keep)
        work = difficulty * count
        squared = difficulty * work
        self.work += work
        self.squares += squared
        self._window_work += work
        self._window_squares += squared
        # The squared deviation, in variances, is never less than the surprise in nats.
        seconds = now - self._window_at
        due = self.known * seconds
        excess, work = self._window_work - due, self._window_work
        if seconds >= WINDOW_S or (
            due  # else nothing is known that could be contradicted
            and excess * excess * work > SURPRISE_NATS * due * self._window_squares
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

    def _end_silence(self, difficulty: float, seconds: float, now: float) -> bool:
        """Leave a silence out; a second one in a row tells that the rig is not what it was.

        False, and nothing changes, if it is to count: a few shares are too few to leave it out,
        and too many to forget.
        """
        work, squares = self._window_work, self._window_squares
        believed = self.believed()
        # As slow as 256 times below what was known, no more: a curtailment is not a rate.
        most = min(TAU_S, MAX_EASE * difficulty / believed)
        if self._is_trusted or work * work > CONFIRMING_SHARES * squares:
            self.known = believed
            self._backlog = BACKLOG_SLACK * believed * seconds
            self._backlog_until = now + BACKLOG_S
            self._is_trusted = False
            self._open_window(now)
        elif self.known == 0.0 and seconds <= most:
            return False
        else:
            self._know_only(difficulty, difficulty * difficulty, min(seconds, most), now)
        return True

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
