"""The rigs, by cohorts: so many of one model at one node. Nobody but the simulation knows all this.

Rigs of a cohort differ in hashrate and efficiency, each drawn once. What a cohort does is then
its mean times the number of rigs in each state: which one of them fails does not matter to any
sum, so that half a million rigs cost what their cohorts do. Numbers of rigs that change state in a
step are binomial, as they are for rigs that do so each by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poolserver.config.simulation import SimulationConfig
from poolserver.power.models import MinerModel
from poolserver.power.rating import Rating

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

H_PER_TH = 1e12
YEAR_S = 365 * 86_400.0
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Cohort:
    """Rigs of one model at one node, as they are when the simulation begins."""

    node: str
    site: str
    model: MinerModel
    rating: Rating
    """What the pool takes them for."""
    rigs: int
    bias: float
    """How far the true J/TH of the model lies above the nameplate, as a fraction."""
    off: int = 0
    elsewhere: int = 0
    parked: int = 0
    """On, and never hashing."""


class Fleets:
    """All cohorts, advanced together. Arrays have one entry for each cohort."""

    def __init__(
        self,
        cohorts: Sequence[Cohort],
        site_bias: dict[str, float],
        config: SimulationConfig,
        random: np.random.Generator,
    ) -> None:
        """``site_bias``: how far J/TH at a site lies above what models say, as a fraction."""
        self.cohorts = tuple(cohorts)
        self._config = config
        self._random = random
        self.rigs = np.array([each.rigs for each in cohorts], np.int64)
        self.off = np.array([each.off for each in cohorts], np.int64)
        self.elsewhere = np.array([each.elsewhere for each in cohorts], np.int64)
        self.parked = np.array([each.parked for each in cohorts], np.int64)
        self.hashing = self.rigs - self.off - self.elsewhere - self.parked
        if (self.hashing < 0).any():
            raise ValueError("more rigs of a cohort are off, elsewhere or idle than there are")
        # As many have failed as when this has gone on for long.
        failed = config.failures_per_year * config.repair_h * 3600 / YEAR_S
        self.idle = random.binomial(self.hashing, failed / 2 / (1 + failed))
        self.dead = random.binomial(self.hashing - self.idle, failed / 2 / (1 + failed / 2))
        self.hashing -= self.idle + self.dead
        self.starting = np.zeros_like(self.rigs)
        self._starts: list[tuple[float, Counts]] = []
        """When those that start now will hash; the first is the first."""
        drawn = [self._draw(each, site_bias[each.site]) for each in cohorts]
        self.rig_h_s = np.array([hashrate for hashrate, _ in drawn])
        """Mean hashrate of a rig at the year's mean temperature."""
        self.rig_w = np.array([power for _, power in drawn])
        """Mean power of a rig that hashes, at its plug."""

    def _draw(self, cohort: Cohort, site_bias: float) -> tuple[float, float]:
        """The means over all rigs of a cohort, each drawn by itself."""
        config, random = self._config, self._random
        nameplate_h_s = float(cohort.model.hashrate_th_s) * H_PER_TH
        own = random.standard_normal(cohort.rigs) * (config.hashrate_sigma_percent / 100)
        hashrate = nameplate_h_s * (1 + own)
        own = random.standard_normal(cohort.rigs) * (config.rig_sigma_percent / 100)
        common = (1 + cohort.bias) * (1 + site_bias) * float(cohort.model.j_per_th) / H_PER_TH
        return float(hashrate.mean()), float((hashrate * (1 + own)).mean() * common)

    def step(self, begin_s: float, end_s: float) -> None:
        """Let rigs fail, be mended, restart and come up between two moments."""
        config, span_s = self._config, end_s - begin_s
        self._come_up(begin_s)
        failed = self._some(self.hashing, config.failures_per_year * span_s / YEAR_S)
        idle = self._random.binomial(failed, 0.5)
        self.hashing -= failed
        self.idle += idle
        self.dead += failed - idle
        mending = span_s / (config.repair_h * 3600)
        mended, woken = self._some(self.dead, mending), self._some(self.idle, mending)
        self.dead -= mended
        self.idle -= woken
        restarted = self._some(self.hashing, config.restarts_per_day * span_s / DAY_S)
        self.hashing -= restarted
        self._start(mended + woken + restarted, begin_s)

    def _some(self, of: Counts, chance: float) -> Counts:
        return self._random.binomial(of, -np.expm1(-chance))

    def _start(self, rigs: Counts, now_s: float) -> None:
        self.starting += rigs
        self._starts.append((now_s + self._config.start_s, rigs))

    def _come_up(self, now_s: float) -> None:
        while self._starts and self._starts[0][0] <= now_s:
            _, rigs = self._starts.pop(0)
            self.starting -= rigs
            self.hashing += rigs

    def switch_off(self, at: NDArray[np.bool_], part: float) -> None:
        """A part of the rigs that hash, of the cohorts ``at``."""
        chosen = self._part(self.hashing, at, part)
        self.hashing -= chosen
        self.off += chosen

    def switch_on(self, at: NDArray[np.bool_], part: float, now_s: float) -> None:
        """A part of those that are off; they start cold."""
        chosen = self._part(self.off, at, part)
        self.off -= chosen
        self._start(chosen, now_s)

    def fail(self, at: NDArray[np.bool_], part: float) -> None:
        """A part of those that hash; they idle."""
        chosen = self._part(self.hashing, at, part)
        self.hashing -= chosen
        self.idle += chosen

    def leave(self, at: NDArray[np.bool_], part: float) -> None:
        """A part of those that hash mines elsewhere from now on."""
        chosen = self._part(self.hashing, at, part)
        self.hashing -= chosen
        self.elsewhere += chosen

    @staticmethod
    def _part(of: Counts, at: NDArray[np.bool_], part: float) -> Counts:
        return np.where(at, np.rint(of * part), 0).astype(np.int64)

    def hashrate_h_s(self, warmth: Floats) -> Floats:
        """Of each cohort, what the pool gets. ``warmth`` of each: -1 (4 h) to 1 (16 h)."""
        hashrate_h_s: Floats = self.hashing * self.rig_h_s * (1 - self._heat(warmth) / 4)
        return hashrate_h_s

    def power_w(self, warmth: Floats) -> Floats:
        """Of each cohort, at the rigs' plugs."""
        config, heat = self._config, self._heat(warmth)
        # Less hashrate at more J/TH.
        full = self.rig_w * (1 + heat) * (1 - heat / 4)
        rigs = (
            self.hashing
            + self.elsewhere
            + self.starting * (config.start_percent_of_power / 100)
            + (self.idle + self.parked) * (config.idle_percent_of_power / 100)
        )
        power_w: Floats = full * rigs
        return power_w

    def _heat(self, warmth: Floats) -> Floats:
        return warmth * (self._config.heat_percent / 100)
