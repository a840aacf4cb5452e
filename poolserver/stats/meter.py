"""A meter: hashrates over seven windows with their error, rejects, and the round's best share.

A share of work w that came k seconds ago weighs exp(-k/tau). The weighted work is divided by
the weighted time of observation, tau * (1 - exp(-age/tau)), not by tau: a rig that has been
there for a minute is not reported at 1/60 of its rate in the window of an hour.

Shares are a Poisson process, so the variance of the weighted work is the sum of its squares:
the relative sigma is sqrt(sum w^2 k^2) / sum w k, 1/sqrt(n) for n shares of one difficulty.

A meter is 24 numbers packed into bytes that are never changed: a third of the memory of as many
objects, and whoever saves them needs no copy. Times are in seconds of a monotonic clock.
"""

from collections.abc import Sequence
from math import exp, expm1, inf, sqrt
from struct import Struct
from typing import NamedTuple

from poolserver._native import update_meter
from poolserver.ledger.totals import ShareTotals

WINDOWS_S = (60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0, 604_800.0)
WINDOWS = ("1m", "5m", "15m", "1h", "6h", "1d", "7d")
REJECT_WINDOWS = ("1h", "1d")

_N = len(WINDOWS_S)
_H1, _D1 = WINDOWS.index("1h"), WINDOWS.index("1d")
_GLANCED = (WINDOWS.index("5m"), _H1, _D1)

# When the last share came and when the meter began; the work and its squares of each window;
# judged, stale and rejected shares of an hour and of a day; the best share and its round.
_STATE = Struct(f"<2d {_N}d {_N}d 3d 3d 2d")
_LAST = Struct("<d")
_DECAYS = Struct(f"<{2 * _N}d")
STATE_SIZE = _STATE.size
_WORK, _SQUARES, _HOUR, _DAY, _BEST = 2, 2 + _N, 2 + 2 * _N, 5 + 2 * _N, 8 + 2 * _N


class Hashrates(NamedTuple):
    """A figure for each window."""

    m1: float
    m5: float
    m15: float
    h1: float
    h6: float
    d1: float
    d7: float


class Rejects(NamedTuple):
    """Parts of all judged shares, 0 to 1."""

    stale: float
    rejected: float

    @classmethod
    def of(cls, judged: float, stale: float, rejected: float) -> "Rejects | None":
        """The parts, None where there is no share."""
        return cls(stale / judged, rejected / judged) if judged else None


class Reading(NamedTuple):
    """What a meter shows at one moment."""

    hashrates: Hashrates
    """In H/s; 0 at the very start, where there is no time to divide by."""
    relative_sigmas: Hashrates
    """The Poisson error of each, relative to it; infinite before the first share."""
    rejects: tuple[Rejects | None, Rejects | None]
    """Over REJECT_WINDOWS, None where there is no share."""
    best_in_round: float
    """The difficulty that the round's best share would have met; 0 before the first one."""
    age_s: float = 0.0
    """For how long it has been measured."""


class Glance(NamedTuple):
    """What of a meter a list of rigs has: hashrates in H/s over 5 minutes, an hour and a day, each
    with its error; late and rejected parts over an hour, -1 where there is no share."""

    m5: float
    m5_sigma: float
    h1: float
    h1_sigma: float
    d1: float
    d1_sigma: float
    stale: float
    rejected: float
    best_in_round: float
    last_s: float
    """When the last share came, accepted or not, by the meter's clock; -inf before the first."""


NO_GLANCE = Glance(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, -1.0, 0.0, -inf)
NO_READING = Reading(Hashrates(*[0.0] * _N), Hashrates(*[inf] * _N), (None, None), 0.0)


class Judged:
    """Some shares of one moment: work in hashes and its squares, how they were judged."""

    __slots__ = ("best_difficulty", "judged", "rejected", "stale", "work", "work_sq")

    def __init__(self) -> None:
        self.work = 0.0
        self.work_sq = 0.0
        self.judged = 0
        self.stale = 0
        self.rejected = 0
        self.best_difficulty = 0.0

    @classmethod
    def of(cls, totals: ShareTotals, work_scale: int = 1) -> "Judged":
        """What ``totals`` sum up, each proven hash standing for ``work_scale`` of them."""
        self = cls()
        (
            self.work,
            self.work_sq,
            self.judged,
            self.stale,
            self.rejected,
            self.best_difficulty,
        ) = totals.figures(work_scale)
        return self

    def add(self, other: "Judged") -> None:
        self.work += other.work
        self.work_sq += other.work_sq
        self.judged += other.judged
        self.stale += other.stale
        self.rejected += other.rejected
        if other.best_difficulty > self.best_difficulty:
            self.best_difficulty = other.best_difficulty


class Moment:
    """A moment at which many meters take shares.

    Of 2,000 rigs that send in one second most sent their last shares in one of a few others:
    what has passed for one has passed for many, and exp() is asked once.
    """

    __slots__ = ("_decays", "at_s")

    def __init__(self, at_s: float) -> None:
        self.at_s = at_s
        self._decays: dict[float, bytes] = {}

    def packed_decays(self, last_s: float) -> bytes:
        """What is left of the work of ``last_s`` in each window, and of its squares."""
        decays = self._decays.get(last_s)
        if decays is None:
            decays = self._decays[last_s] = _DECAYS.pack(*_decays(self.at_s - last_s))
        return decays


def begin(now_s: float) -> bytes:
    """A meter that begins when its first rig is let in, not with its first share."""
    return _STATE.pack(now_s, now_s, *[0.0] * (_STATE.size // 8 - 2))


def last_s(state: bytes) -> float:
    """When its last share came, or else when it began."""
    return float(_STATE.unpack(state)[0])


def round_of(state: bytes) -> int:
    """The round that its best share is of."""
    return int(_STATE.unpack(state)[-1])


def updated(state: bytes, moment: Moment, shares: Judged, round_number: int) -> bytes:
    """The meter with ``shares`` in it. They may have been made before the last ones."""
    (last,) = _LAST.unpack_from(state)
    if moment.at_s < last:
        return _late(state, moment.at_s, shares, round_number)
    return update_meter(
        state,
        moment.packed_decays(last),
        moment.at_s,
        shares.work,
        shares.work_sq,
        shares.judged,
        shares.stale,
        shares.rejected,
        shares.best_difficulty,
        round_number,
    )


def moved(state: bytes, by_s: float) -> bytes:
    """The same meter on a clock that shows ``by_s`` more."""
    last, began, *rest = _STATE.unpack(state)
    return _STATE.pack(last + by_s, began + by_s, *rest)


def read(state: bytes, now_s: float, round_number: int) -> Reading:
    """What the meter shows at ``now_s``. Before its last share it shows what it did then."""
    numbers = _STATE.unpack(state)
    last, began = numbers[:2]
    now_s = max(now_s, last)
    decays = _decays(now_s - last)
    work, squares = numbers[_WORK:_SQUARES], numbers[_SQUARES:_HOUR]
    best, best_of = numbers[_BEST:]
    return Reading(
        Hashrates(*map(_rate, WINDOWS_S, work, decays, [now_s - began] * _N)),
        # Both decay alike, so it is as it was at the last share.
        Hashrates(*map(_relative_sigma, work, squares)),
        (Rejects.of(*numbers[_HOUR:_DAY]), Rejects.of(*numbers[_DAY:_BEST])),
        best if best_of == round_number else 0.0,
        now_s - began,
    )


def glance(state: bytes, now_s: float, round_number: int) -> Glance:
    """A part of what read() shows, in a fourth of its time: for 100,000 in a row."""
    numbers = _STATE.unpack(state)
    last, began = numbers[:2]
    now_s = max(now_s, last)
    passed_s, age_s = now_s - last, now_s - began
    rates: list[float] = []
    for window in _GLANCED:
        tau_s, work = WINDOWS_S[window], numbers[_WORK + window]
        observed_s = -tau_s * expm1(-age_s / tau_s)
        if observed_s > 0:
            left = exp(-passed_s / tau_s)
            sigma = sqrt(numbers[_SQUARES + window])
            rates += (work * left / observed_s, sigma * left / observed_s)
        else:
            rates += (0.0, 0.0)
    judged, stale, rejected = numbers[_HOUR:_DAY]
    best, best_of = numbers[_BEST:]
    parts = (stale / judged, rejected / judged) if judged else (-1.0, -1.0)
    best = best if best_of == round_number else 0.0
    return Glance._make((*rates, *parts, best, last if judged else -inf))


def _rate(tau_s: float, work: float, decay: float, age_s: float) -> float:
    observed_s = -tau_s * expm1(-age_s / tau_s)
    return work * decay / observed_s if observed_s > 0 else 0.0


def _relative_sigma(work: float, squares: float) -> float:
    return sqrt(squares) / work if work else inf


def _decays(passed_s: float) -> tuple[float, ...]:
    decays = [exp(-passed_s / tau_s) for tau_s in WINDOWS_S]
    return (*decays, *(decay * decay for decay in decays))


def _late(state: bytes, at_s: float, shares: Judged, round_number: int) -> bytes:
    """Shares that were made before the last ones: these do not decay, the new ones have."""
    last, began, *sums, best, best_of = _STATE.unpack(state)
    left = _decays(last - at_s)
    counts = (shares.judged, shares.stale, shares.rejected)
    news: Sequence[float] = [
        *(shares.work * each for each in left[:_N]),
        *(shares.work_sq * each for each in left[_N:]),
        *(count * left[_H1] for count in counts),
        *(count * left[_D1] for count in counts),
    ]
    sums = [a + b for a, b in zip(sums, news, strict=True)]
    best = max(best if best_of == round_number else 0.0, shares.best_difficulty)
    return _STATE.pack(last, min(began, at_s), *sums, best, round_number)
