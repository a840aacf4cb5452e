"""The watch for silent rigs against simulated rigs whose hashrate drifts; see bench/coverage.py.

10,000 rigs of ten days send 1.7 billion shares at 12 a minute, and the goal is ten false alarms
in them. So of each share of fewer rigs the chance is computed, by the true rate, that the next one
comes after the watch's deadline: the sum over all shares is the expected number of false alarms,
with an error that is known. That this is so is shown by counting real alarms of a watch that
puts up with 10,000 times as many.
"""

from math import cos, exp, pi, sqrt
from random import Random
from statistics import fmean, quantiles, stdev

from poolserver.power.silence import FALSE_ALARMS, LOOK_S, RigState, SilenceWatch

DAY_S = 86_400.0
SHARE_WORK = 10**15


class DriftingRig:
    """A rig's hashrate about its mean, its difficulty, and its shares.

    It wanders by 3 % within half an hour, swings by 3 % with the heat of a day, is throttled to
    80 % for an hour once in two days, and loses a board of three for a day once in a hundred. Its
    difficulty is doubled or halved every six hours, and it takes that up to 30 s later.
    """

    def __init__(self, random: Random, per_minute: float) -> None:
        self._random = random
        self._rate = per_minute / 60
        self._mean = random.uniform(0.95, 1.05)
        self._noise = random.gauss(0, 0.03)
        self._phase_s = random.uniform(0, DAY_S)
        self._factor, self._factor_until_s = 1.0, 0.0
        self._next_step_s = random.expovariate(1 / 21_600)
        self.announced = self.difficulty = 1
        self._taken_s = 0.0
        self.now_s = 0.0

    def rate(self) -> float:
        """True expected shares a second now."""
        heat = 1 + 0.03 * cos(2 * pi * (self.now_s + self._phase_s) / DAY_S)
        hashrate = self._mean * heat * self._factor * (1 + self._noise)
        return self._rate * hashrate / self.difficulty

    def next_share(self) -> None:
        """Go to its next share."""
        random = self._random
        passed_s = random.expovariate(self.rate())
        self.now_s += passed_s
        left = exp(-passed_s / 1800)
        self._noise = self._noise * left + random.gauss(0, 0.03 * sqrt(1 - left * left))
        if self.now_s > self._factor_until_s:
            self._factor = 1.0
            if random.random() < passed_s / (2 * DAY_S):
                self._factor, self._factor_until_s = 0.8, self.now_s + 3600
            elif random.random() < passed_s / (100 * DAY_S):
                self._factor, self._factor_until_s = 2 / 3, self.now_s + DAY_S
        if self.now_s > self._taken_s:
            self.difficulty = self.announced

    def vardiff(self) -> bool:
        """Whether its difficulty is now another one."""
        if self.now_s < self._next_step_s:
            return False
        self._next_step_s = self.now_s + self._random.expovariate(1 / 21_600)
        self.announced = 1 if self.announced == 2 else 2
        self._taken_s = self.now_s + self._random.uniform(0, 30)
        return True


def false_alarms(
    rigs: int, days: float, per_minute: float, allowed: float, random: Random
) -> tuple[list[float], int]:
    """By rig, the expected number a day; and all that really came."""
    expected, counted = [], 0
    for _ in range(rigs):
        watch, rig = SilenceWatch(allowed), DriftingRig(random, per_minute)
        watch.note("rig", SHARE_WORK, 1, 0.0)
        chances = 0.0
        while rig.now_s < days * DAY_S:
            deadline_s = watch.deadline_s("rig")
            rig.next_share()
            counted += rig.now_s > deadline_s
            work = SHARE_WORK * rig.difficulty
            watch.shares("rig", work, work * work, rig.now_s)
            if rig.vardiff():
                watch.note("rig", SHARE_WORK * rig.announced, 1, rig.now_s)
            chances += exp(-rig.rate() * (watch.deadline_s("rig") - rig.now_s))
        expected.append(chances / days)
    return expected, counted


def times_to_find(rigs: int, per_minute: float, random: Random) -> tuple[list[float], int]:
    """How long after it stopped each rig was told, and how many were not within ten minutes."""
    found, missed = [], 0
    for _ in range(rigs):
        watch, rig = SilenceWatch(), DriftingRig(random, per_minute)
        watch.note("rig", SHARE_WORK, 1, 0.0)
        stops_s = random.uniform(1200, 2400)
        rig.next_share()
        while rig.now_s < stops_s:
            work = SHARE_WORK * rig.difficulty
            watch.shares("rig", work, work * work, rig.now_s)
            rig.next_share()
        watch.look(stops_s)
        look_s = stops_s
        while look_s < stops_s + 600:
            look_s += LOOK_S[0]
            if any(change.state is RigState.SILENT for change in watch.look(look_s)):
                found.append(look_s - stops_s)
                break
        else:
            missed += 1
    return found, missed


def silence(rigs: int, days: float, seed: int) -> None:
    """Print what comes of it, for a site of 10,000 rigs."""
    for per_minute in (12.0, 6.0):
        random = Random(seed)
        expected, _ = false_alarms(rigs, days, per_minute, FALSE_ALARMS, random)
        site = 10_000 * fmean(expected)
        error = 10_000 * stdev(expected) / sqrt(rigs)
        print(
            f"{per_minute:.0f} a minute: {site:.2f} +- {error:.2f} false alarms a day"
            " of 10,000 rigs"
        )
        loose, counted = false_alarms(max(1, rigs // 2), days, per_minute, 1.0, random)
        print(
            f"  of a watch that puts up with one a rig and day: {sum(loose) * days:.0f} expected,"
            f" {counted} counted in {len(loose) * days:.0f} rig days"
        )
        found, missed = times_to_find(1000, per_minute, random)
        tenths = quantiles(found, n=20)
        print(
            f"  a rig that stopped is told after {fmean(found):.0f} s on the average,"
            f" {tenths[9]:.0f} s in the middle, {tenths[18]:.0f} s of 95 %; missed in ten minutes:"
            f" {missed} of 1,000"
        )
