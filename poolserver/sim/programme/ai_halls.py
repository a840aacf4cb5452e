"""AI halls: a base load and jobs that come and go, with ramps between."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from poolserver.config.simulation import AiHallConfig


@dataclass(slots=True)
class AiHall:
    """One hall. Jobs begin by chance and last an exponential time."""

    node: str
    """The path of the node that it hangs at."""
    config: AiHallConfig
    random: np.random.Generator
    power_w: float = field(init=False)
    jobs: int = field(init=False)
    added_w: float = 0.0
    """By events."""

    def __post_init__(self) -> None:
        """It has been running for long already."""
        self.jobs = int(self.random.poisson(self.config.jobs_per_hour * self.config.job_hours))
        self.power_w = self.target_w

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def target_w(self) -> float:
        """Where its load goes."""
        config = self.config
        return max(0.0, float(config.base_mw + self.jobs * config.job_mw) * 1e6 + self.added_w)

    def step(self, span_s: float) -> float:
        """Go on for so long; the energy that it took, in J."""
        config, random = self.config, self.random
        self.jobs -= random.binomial(self.jobs, -np.expm1(-span_s / (config.job_hours * 3600)))
        self.jobs += int(random.poisson(config.jobs_per_hour * span_s / 3600))
        ramp_w_s = config.ramp_mw_per_s * 1e6
        change_w = self.target_w - self.power_w
        ramping_s = min(span_s, abs(change_w) / ramp_w_s)
        reached_w = self.power_w + np.sign(change_w) * ramp_w_s * ramping_s
        energy_j = (self.power_w + reached_w) / 2 * ramping_s + reached_w * (span_s - ramping_s)
        self.power_w = float(reached_w)
        return float(energy_j)


def hall_named(halls: Sequence[AiHall], name: str) -> AiHall:
    """The hall of that name.

    Raises:
        ValueError: there is none.
    """
    for hall in halls:
        if hall.name == name:
            return hall
    raise ValueError(f"no AI hall is named {name}")
