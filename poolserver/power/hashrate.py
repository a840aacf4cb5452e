"""Hashrate from shares: exponentially weighted, right from the first second, with its error.

A share of work w that came k seconds ago weighs exp(-k/tau). The weighted work is divided by
the weighted time of observation, tau * (1 - exp(-age/tau)), not by tau: a rig that has been
there for a minute is not reported at 1/60 of its rate in the window of an hour.

Shares are a Poisson process, so the variance of the weighted work is the sum of its squares:
the relative sigma is sqrt(sum w^2 k^2) / sum w k, 1/sqrt(n) for n shares of one difficulty.
"""

from math import exp, expm1, inf, sqrt
from typing import NamedTuple

import msgspec

WINDOWS_S = (60.0, 300.0, 900.0, 3600.0)


class RateState(msgspec.Struct, frozen=True):
    """A DecayingRate at one moment, free of any clock: to be saved and resumed."""

    tau_s: float
    work: float
    work_sq: float
    observed_s: float


class DecayingRate:
    """The rate of work in H/s over the last ``tau_s`` seconds or so. ``now_s`` is monotonic."""

    __slots__ = ("_last_s", "_started_s", "_tau_s", "_work", "_work_sq")

    def __init__(self, tau_s: float, started_s: float) -> None:
        """``started_s`` is when the rig could begin to send shares, not when the first came."""
        self._tau_s = tau_s
        self._started_s = started_s
        self._last_s = started_s
        self._work = 0.0
        self._work_sq = 0.0

    @classmethod
    def resume(cls, state: RateState, now_s: float) -> "DecayingRate":
        """Go on from ``state``; the time between, when nobody measured, counts as never passed."""
        rate = cls(state.tau_s, now_s - state.observed_s)
        rate._last_s = now_s
        rate._work = state.work
        rate._work_sq = state.work_sq
        return rate

    def state(self, now_s: float) -> RateState:
        """The state at ``now_s``."""
        decay = self._decay(now_s)
        return RateState(
            self._tau_s, self._work * decay, self._work_sq * decay**2, now_s - self._started_s
        )

    def update(self, now_s: float, work: int, work_sq: int) -> None:
        """Add the work of the shares that came since the last call, and the sum of its squares.

        Raises:
            ValueError: ``now_s`` is before the last call's.
        """
        if not work:
            return  # silence shows when the rate is read
        decay = self._decay(now_s)
        self._work = self._work * decay + work
        self._work_sq = self._work_sq * decay * decay + work_sq
        self._last_s = now_s

    def rate(self, now_s: float) -> float:
        """The rate at ``now_s`` in H/s; 0 at the very start, where there is no time to divide by.

        Raises:
            ValueError: ``now_s`` is before the last update.
        """
        decay = self._decay(now_s)
        observed_s = -self._tau_s * expm1((self._started_s - now_s) / self._tau_s)
        return self._work * decay / observed_s if observed_s > 0 else 0.0

    @property
    def relative_sigma(self) -> float:
        """The Poisson error of the rate, relative to it; infinite before the first share."""
        return sqrt(self._work_sq) / self._work if self._work else inf

    def _decay(self, now_s: float) -> float:
        if now_s < self._last_s:
            raise ValueError(f"time went back from {self._last_s} s to {now_s} s")
        return exp((self._last_s - now_s) / self._tau_s)


class Hashrates(NamedTuple):
    """A figure for each window."""

    m1: float
    m5: float
    m15: float
    h1: float


class HashrateMeter:
    """The hashrate of one worker, account or site over 1, 5, 15 and 60 minutes."""

    __slots__ = ("_rates",)

    def __init__(self, started_s: float) -> None:
        """``started_s`` is when the first rig was let in."""
        self._rates = tuple(DecayingRate(tau_s, started_s) for tau_s in WINDOWS_S)

    @classmethod
    def resume(cls, states: tuple[RateState, ...], now_s: float) -> "HashrateMeter":
        """Go on from what state() gave."""
        meter = cls(now_s)
        meter._rates = tuple(DecayingRate.resume(state, now_s) for state in states)
        return meter

    def state(self, now_s: float) -> tuple[RateState, ...]:
        """The state of each window at ``now_s``."""
        return tuple(rate.state(now_s) for rate in self._rates)

    def update(self, now_s: float, work: int, work_sq: int) -> None:
        """Add proven work (hashes) and the sum of its squares, once per batch."""
        for rate in self._rates:
            rate.update(now_s, work, work_sq)

    def rates(self, now_s: float) -> Hashrates:
        """The hashrates in H/s."""
        return Hashrates(*(rate.rate(now_s) for rate in self._rates))

    @property
    def relative_sigmas(self) -> Hashrates:
        """The Poisson error of each, relative to it; infinite before the first share."""
        return Hashrates(*(rate.relative_sigma for rate in self._rates))
