"""Vardiff through days of all that befalls a rig, simulated: time is an argument.

A day has reconnects, a network that is cut off (the shares found meanwhile are lost or come
late in one burst), planned curtailments with the connection open or closed, and throttling. A
rig applies a difficulty with the job that carries it, and is judged by its job's.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from math import inf
from random import Random

import pytest

from poolserver.mining.vardiff import HASHES_PER_DIFFICULTY, Vardiff, VardiffTerms

TERMS = VardiffTerms(target_shares_per_minute=12, start=65536, minimum=1)
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
TICK_S = 10.0
JOB_DELAY_S = 0.2
SETTLING_S = 180.0
RAMP_S = 120.0
RAMP_STEPS = 24
SEEDS = 8
PROXY_SEEDS = 3


@dataclass
class Tally:
    """What a day came to. Seconds and changes are of settled time alone."""

    in_band_s: float = 0.0
    settled_s: float = 0.0
    checked: Counter[str] = field(default_factory=Counter)
    unsettled: Counter[str] = field(default_factory=Counter)
    changes_in_hours: list[int] = field(default_factory=list)
    steps: list[tuple[float, bool]] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.in_band_s += other.in_band_s
        self.settled_s += other.settled_s
        self.checked += other.checked
        self.unsettled += other.unsettled
        self.changes_in_hours += other.changes_in_hours
        self.steps += other.steps

    @property
    def in_band(self) -> float:
        return self.in_band_s / self.settled_s

    @property
    def settled_in_time(self) -> float:
        return 1 - self.unsettled.total() / self.checked.total()


class Day:
    """One rig and its connection; each step of the day says what happens and for how long."""

    def __init__(self, hashrate: float, seed: int, workers: int = 1) -> None:
        self.full = self.hashrate = hashrate
        self.workers = workers
        self.random = Random(seed)
        self.tally = Tally()
        self.now = 0.0
        self.is_cut_off = False
        self.backlog: list[float] | None = None
        self.remembered = 0.0
        self.next_tick = TICK_S
        self.event = ""
        self.event_at = -inf
        self.is_checked = True
        self.flood_until = -inf
        self.sent = 0
        self.changes_in_hour: Counter[int] = Counter()
        self.connect()

    # --- what happens ----------------------------------------------------------------------

    def connect(self) -> None:
        self.vardiff = Vardiff(TERMS, TERMS.start, self.now)
        self.vardiff.aim_for(self.workers)
        self.has_shares = False
        if self.remembered:
            self.vardiff.start_at_hashrate(self.remembered)
        self.is_connected = True
        self.applied = self.vardiff.difficulty
        self.on_its_way: list[tuple[float, float]] = []
        self.begin("start" if self.remembered else "first start")

    def disconnect(self) -> None:
        self.remembered = self.vardiff.hashrate(self.now) or self.remembered
        self.is_connected = False

    def begin(self, event: str) -> None:
        self.event, self.event_at, self.is_checked = event, self.now, False

    def reconnect(self, *, is_remembered: bool = True) -> None:
        self.disconnect()
        if not is_remembered:
            self.remembered = 0.0
        self.run(self.random.uniform(1, 60))
        self.connect()

    def silence(self, *, comes_late: bool) -> None:
        self.is_cut_off, self.backlog = True, [] if comes_late else None
        self.run(self.random.uniform(60, 600))
        self.is_cut_off = False
        for difficulty in self.backlog or []:
            self.share(difficulty)
        self.on_its_way = [(self.now + JOB_DELAY_S, d) for _, d in self.on_its_way]
        self.begin("silence")

    def curtail(
        self, *, keeps_connection: bool, seconds: float | None = None, ramp_steps: int = RAMP_STEPS
    ) -> None:
        self.hashrate = 0.0
        self.run(self.random.uniform(0, 60))
        if not keeps_connection:
            self.disconnect()
        self.run(self.random.uniform(HOUR_S, 3 * HOUR_S) if seconds is None else seconds)
        if not keeps_connection:
            self.connect()
        self.flood_until, self.sent = self.now + 60, 0
        for step in range(1, ramp_steps + 1):
            self.hashrate = self.full * step / ramp_steps
            self.begin("restore")  # settling counts from the last step
            self.run(RAMP_S / ramp_steps)

    def throttle(self) -> None:
        for event, factor in (("throttle", 0.6), ("unthrottle", 1.0)):
            self.hashrate = self.full * factor
            self.begin(event)
            self.run(HOUR_S if factor < 1 else 0)

    def incidents(self) -> Iterator[Callable[[], None]]:
        for _ in range(5):
            yield self.reconnect
        yield lambda: self.reconnect(is_remembered=False)
        for _ in range(3):
            yield lambda: self.silence(comes_late=True)
            yield lambda: self.silence(comes_late=False)
        yield lambda: self.curtail(keeps_connection=True)
        yield lambda: self.curtail(keeps_connection=False)
        yield self.throttle

    def run_a_day(self) -> Tally:
        """All incidents in random order, at random times of the day."""
        self.run(SETTLING_S)
        incidents = list(self.incidents())
        self.random.shuffle(incidents)
        # 8 hours at most are curtailed, throttled or silent.
        times = sorted(self.random.uniform(0, 16 * HOUR_S) for _ in incidents)
        before = 0.0
        for time, incident in zip(times, incidents, strict=True):
            self.run(time - before)
            before = time
            incident()
        self.run(max(DAY_S - self.now, HOUR_S))
        self.tally.changes_in_hours = list(self.changes_in_hour.values())
        return self.tally

    # --- how time goes by --------------------------------------------------------------------

    def rate_per_minute(self, difficulty: float) -> float:
        return self.hashrate / (difficulty * HASHES_PER_DIFFICULTY) * 60

    def is_in_band(self) -> bool:
        scale = min(self.workers, 50)
        return 6 * scale <= self.rate_per_minute(self.vardiff.difficulty) <= 16 * scale

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            per_s = self.rate_per_minute(self.applied) / 60 if self.is_connected else 0
            found_at = self.now + (self.random.expovariate(per_s) if per_s else inf)
            job_at = self.on_its_way[0][0] if self.on_its_way and not self.is_cut_off else inf
            settled_at = inf if self.is_checked else max(self.event_at + SETTLING_S, self.now)
            then = min(found_at, job_at, settled_at, self.next_tick, end)
            self.count_time(then)
            self.now = then
            if then == found_at:
                self.find()
            elif then == job_at:
                self.applied = self.on_its_way.pop(0)[1]
            elif then == settled_at:
                self.check_settled()
            elif then == self.next_tick:
                self.next_tick += TICK_S
                if self.is_connected:
                    self.told(self.vardiff.on_tick(self.now), self.vardiff.difficulty)

    @property
    def is_mining(self) -> bool:
        return self.hashrate > 0 and self.is_connected and not self.is_cut_off

    def count_time(self, then: float) -> None:
        if self.is_mining and self.is_checked:
            self.tally.settled_s += then - self.now
            self.tally.in_band_s += (then - self.now) * self.is_in_band()

    def check_settled(self) -> None:
        self.is_checked = True
        if self.is_mining:
            self.tally.checked[self.event] += 1
            self.tally.unsettled[self.event] += not self.is_in_band()

    def find(self) -> None:
        if not self.is_cut_off:
            self.share(self.applied)
        elif self.backlog is not None:
            self.backlog.append(self.applied)

    def share(self, difficulty: float) -> None:
        if self.now < self.flood_until:
            self.sent += 1
        before = self.vardiff.difficulty
        changed = self.vardiff.on_share(difficulty, self.now)
        self.told(changed, before)
        self.has_shares = True

    def told(self, difficulty: float | None, before: float) -> None:
        if difficulty is None:
            return
        self.on_its_way.append((self.now + JOB_DELAY_S, difficulty))
        self.tally.steps.append((difficulty / before, self.has_shares))
        if self.is_mining and self.is_checked:
            self.changes_in_hour[int(self.now // HOUR_S)] += 1


@cache
def days(hashrate: float, workers: int = 1) -> Tally:
    """The days of all seeds together; a proxy sends as much as fifty rigs, so it has fewer."""
    tally = Tally()
    for seed in range(SEEDS if workers == 1 else PROXY_SEEDS):
        tally.add(Day(hashrate, seed, workers).run_a_day())
    return tally


RIGS = [(1e12, 1), (13.5e12, 1), (100e12, 1), (234e12, 1), (1e15, 1), (10e15, 1), (10e15, 50)]
every_rig = pytest.mark.parametrize(("hashrate", "workers"), RIGS)


@every_rig
def test_a_settled_rig_is_in_the_band_for_95_percent_of_the_time(
    hashrate: float, workers: int
) -> None:
    assert days(hashrate, workers).in_band >= 0.95


def test_95_percent_of_all_that_befalls_is_settled_within_three_minutes() -> None:
    everything = Tally()
    for rig in RIGS:
        everything.add(days(*rig))
    assert everything.settled_in_time >= 0.95


@every_rig
def test_each_rig_is_settled_within_three_minutes(hashrate: float, workers: int) -> None:
    # 10 PH/s in one worker's name is the worst there is: throttled, its rate goes from 8.3 a
    # minute to 5.0, or from 10 to 16.7. Within three minutes that is 15 shares where 18 would
    # be the band's edge, or 50 where 48 would: nothing can tell them apart.
    hard = (hashrate, workers) == (10e15, 1)
    assert days(hashrate, workers).settled_in_time >= (0.75 if hard else 0.95)


@every_rig
def test_a_quiet_rig_is_left_alone(hashrate: float, workers: int) -> None:
    tally = days(hashrate, workers)
    hours = tally.settled_s / HOUR_S
    assert sum(tally.changes_in_hours) / hours < 3
    assert sum(count >= 6 for count in tally.changes_in_hours) <= 0.02 * hours


@every_rig
def test_no_step_is_too_big(hashrate: float, workers: int) -> None:
    for step, has_shares in days(hashrate, workers).steps:
        assert (1 / 16 if has_shares else 1 / 256) <= step <= 8


@pytest.mark.parametrize(("hashrate", "workers"), [(1e12, 1), (200e12, 1), (10e15, 1), (10e15, 50)])
@pytest.mark.parametrize("ramp_steps", [RAMP_STEPS, 1])
def test_a_rig_that_is_back_after_two_hours_floods_for_a_moment(
    hashrate: float, workers: int, ramp_steps: int
) -> None:
    for seed in range(4):
        day = Day(hashrate, seed, workers)
        day.run(HOUR_S / 4)
        day.curtail(keeps_connection=True, seconds=2 * HOUR_S, ramp_steps=ramp_steps)
        # 16 are in the band, and luck adds a third. The eased difficulty sends up to 51 a second
        # until the job with the first step up is there, 0.2 s later, and the next steps the rest.
        assert day.sent <= 60 * min(workers, 50)


def test_silence_ends_256_times_below_the_known_rate_however_long_it_is() -> None:
    day = Day(200e12, 0)
    day.run(HOUR_S)
    rate = day.vardiff.hashrate(day.now)
    day.hashrate = 0.0
    day.run(12 * HOUR_S)
    eased = rate / HASHES_PER_DIFFICULTY / 0.2 / 256
    assert eased / 2 <= day.vardiff.difficulty <= eased * 2
    assert day.vardiff.hashrate(day.now) == pytest.approx(rate, rel=0.1)


@pytest.mark.parametrize("factor", [0.1, 0.01, 0.001, 10.0, 100.0])
def test_a_rig_of_another_size_is_found_out_in_some_minutes(factor: float) -> None:
    settled = 0
    for seed in range(20):
        day = Day(234e12, seed)
        day.run(HOUR_S / 2)
        day.hashrate *= factor
        day.run(600)
        settled += day.is_in_band()
    assert settled >= 17
