"""A sample of rigs one by one, for what sums cannot tell: which of them fell silent.

Each has a hashrate of its own and sends its own shares. It may hang (connected, and silent), die
or restart (disconnected). The pool's watch for silent rigs gets just what it gets at run time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from poolserver.config.simulation import SimulationConfig
from poolserver.power.silence import RigState, SilenceWatch
from poolserver.sim.programme.fleets import DAY_S, YEAR_S, Floats

SHARE_WORK = 10**15
HASHING, HUNG, GONE = range(3)
LONG_S = 600.0
"""A rig that hangs for longer should have been found."""


@dataclass(slots=True)
class SilenceFigures:
    """How the watch did."""

    rig_days: float = 0.0
    false_alarms: int = 0
    """Rigs called silent that had hashed all the time."""
    found_s: list[float] = field(default_factory=list)
    """Of rigs that hung: how long after that they were told."""
    missed: int = 0
    """Rigs that hung for ``LONG_S`` and were not told."""

    @property
    def median_s(self) -> float | None:
        return median(self.found_s) if self.found_s else None


class WatchedRigs:
    """The sample, and the watch over it."""

    def __init__(
        self,
        count: int,
        shares_per_minute: float,
        config: SimulationConfig,
        random: np.random.Generator,
        begin_s: float,
    ) -> None:
        self._config, self._random = config, random
        self.watch = SilenceWatch()
        self.figures = SilenceFigures()
        self.names = [f"rig-{number:05d}" for number in range(count)]
        own = random.standard_normal(count) * config.hashrate_sigma_percent / 100
        self._rate: Floats = shares_per_minute / 60 * (1 + own)
        self._state = np.full(count, HASHING)
        self._since_s = np.full(count, begin_s)
        self._back_s = np.full(count, np.inf)
        self._told = np.zeros(count, bool)
        for name in self.names:
            self.watch.note(name, SHARE_WORK, 1, begin_s)

    def step(self, begin_s: float, end_s: float, warmth: float) -> None:
        """One tick: shares are sent, the watch looks, and then some rigs stop and some are back."""
        span_s = end_s - begin_s
        heat = 1 - warmth * self._config.heat_percent / 400
        expected = np.where(self._state == HASHING, self._rate * heat * span_s, 0.0)
        counts = self._random.poisson(expected)
        sent = np.flatnonzero(counts)
        # The last of n moments that are spread evenly.
        last_s = begin_s + span_s * self._random.random(len(sent)) ** (1 / counts[sent])
        names, watch = self.names, self.watch
        for rig, shares, at_s in zip(
            sent.tolist(), counts[sent].tolist(), last_s.tolist(), strict=True
        ):
            watch.shares(names[rig], shares * SHARE_WORK, shares * SHARE_WORK**2, at_s)
        self._look(end_s)
        self._come_back(end_s)
        self._stop(span_s, end_s)
        self.figures.rig_days += float((self._state == HASHING).sum()) * span_s / DAY_S

    def _look(self, now_s: float) -> None:
        for change in self.watch.look(now_s):
            if change.state is RigState.SILENT:
                rig = self.names.index(change.worker)
                if self._state[rig] == HUNG:
                    self.figures.found_s.append(now_s - float(self._since_s[rig]))
                    self._told[rig] = True
                elif self._since_s[rig] <= now_s - change.silent_s:
                    self.figures.false_alarms += 1

    def _come_back(self, now_s: float) -> None:
        for rig in np.flatnonzero(self._back_s <= now_s).tolist():
            if self._state[rig] == GONE:
                self.watch.note(self.names[rig], SHARE_WORK, 1, now_s)
            elif not self._told[rig] and now_s - self._since_s[rig] >= LONG_S:
                self.figures.missed += 1
            self._set([rig], HASHING, now_s, [np.inf])

    def _stop(self, span_s: float, now_s: float) -> None:
        config, random = self._config, self._random
        draw = random.random(len(self.names))
        failing = config.failures_per_year * span_s / YEAR_S
        restarting = config.restarts_per_day * span_s / DAY_S
        hashing = self._state == HASHING
        hung = np.flatnonzero(hashing & (draw < failing / 2))
        dead = np.flatnonzero(hashing & (draw >= failing / 2) & (draw < failing))
        restarted = np.flatnonzero(hashing & (draw >= failing) & (draw < failing + restarting))
        mending_s = config.repair_h * 3600
        self._set(hung, HUNG, now_s, now_s + random.exponential(mending_s, len(hung)))
        self._set(dead, GONE, now_s, now_s + random.exponential(mending_s, len(dead)))
        self._set(restarted, GONE, now_s, np.full(len(restarted), now_s + config.start_s))
        for rig in (*dead.tolist(), *restarted.tolist()):
            self.watch.note(self.names[rig], SHARE_WORK, 0, now_s)

    def _set(
        self, rigs: Sequence[int] | np.ndarray, state: int, now_s: float, back_s: object
    ) -> None:
        self._state[rigs] = state
        self._since_s[rigs] = now_s
        self._back_s[rigs] = back_s
        self._told[rigs] = False
