"""Meters as they are: of a class, with noise, in steps, silent at times.

A meter of class 0.5 may be 0.5 % off (IEC 62053-22) and stays as far off as it is: its error is
drawn once, evenly within its class, which is the widest that the standard leaves room for. Its
counter goes on while it cannot be read, and so is off by the same part.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from poolserver.config.simulation import EventConfig, SimulationConfig
from poolserver.power.state import MeterReading

POWER_STEP_W = 1000
ENERGY_STEP_J = 3_600_000
"""Counters of this size tell whole kilowatt-hours."""


@dataclass(slots=True)
class SimulatedMeter:
    """One meter. ``gain`` is what it makes of one watt."""

    name: str
    gain: float
    config: SimulationConfig
    random: np.random.Generator
    silent_until_s: float = 0.0
    kilowatts_until_s: float = 0.0
    silent_s: float = field(default=0.0, init=False)
    """How long it has been so."""
    _asked_s: float | None = field(default=None, init=False)

    def read(self, true_w: float, true_j: float, at_s: float) -> MeterReading | None:
        """What it tells when it is asked; None if it does not answer."""
        span_s = 0.0 if self._asked_s is None else at_s - self._asked_s
        self._asked_s = at_s
        if at_s < self.silent_until_s:
            self.silent_s += span_s
            return None
        config, random = self.config, self.random
        if random.random() < config.meter_outages_per_day * span_s / 86_400:
            self.silent_until_s = at_s + random.exponential(config.meter_outage_minutes * 60)
            return None
        noise = random.standard_normal() * config.meter_noise_percent / 100
        power_w = round(true_w * self.gain * (1 + noise) / POWER_STEP_W) * POWER_STEP_W
        energy_j = int(true_j * self.gain) // ENERGY_STEP_J * ENERGY_STEP_J
        unit = 1000 if at_s < self.kilowatts_until_s else 1
        return MeterReading(self.name, at_s, power_w / unit, energy_j)

    def suffer(self, event: EventConfig, now_s: float) -> None:
        """What an event of the configuration does to it."""
        until_s = now_s + event.minutes * 60 if event.minutes else float("inf")
        if event.kind == "meter_out":
            self.silent_until_s = max(self.silent_until_s, until_s)
        else:
            self.kilowatts_until_s = until_s


def make_meter(
    name: str, accuracy_class: float, config: SimulationConfig, random: np.random.Generator
) -> SimulatedMeter:
    """A meter of a class, as 0.5."""
    gain = 1 + random.uniform(-accuracy_class, accuracy_class) / 100
    return SimulatedMeter(name, float(gain), config, random)


def suffer(meters: Iterable[SimulatedMeter], event: EventConfig, now_s: float) -> None:
    """Find the meter of an event.

    Raises:
        ValueError: there is none of that name.
    """
    for meter in meters:
        if meter.name == event.name:
            return meter.suffer(event, now_s)
    raise ValueError(f"no meter is named {event.name}")
