"""The world, tick by tick, as the pool gets to see it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from poolserver.config import Config
from poolserver.ledger.delta import NodeKey, NodeWork
from poolserver.power.state import MeterReading
from poolserver.sim.programme.meters import make_meter, suffer
from poolserver.sim.programme.shares import ShareSource
from poolserver.sim.programme.world import Snapshot, World

METER_LAG_S = 1.0
"""Meters are read so long before the tick that their readings are looked at in."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What has come to the pool since the last one, and the truth beside it."""

    at_s: float
    truth: Snapshot
    readings: Sequence[MeterReading]
    work: Mapping[NodeKey, NodeWork]


class Run:
    """One simulated span. Iterate over ``ticks()`` once.

    ``hold_out``: patterns of the names of meters that the pool is not told of.
    """

    def __init__(
        self,
        config: Config,
        seed: int,
        hours: float = 24.0,
        tick_s: float | None = None,
        hold_out: Sequence[str] = (),
    ) -> None:
        """
        Raises:
            ValueError: the simulation's settings name something that is not there.
        """
        self.config, self.hours = config, hours
        self.tick_s = config.power.tick_s if tick_s is None else tick_s
        self.world = World(config, seed)
        self.source = ShareSource(
            self.world.fleets.cohorts,
            config.stratum.target_shares_per_minute,
            config.simulation.stale_percent / 100,
            config.power.interval_s,
            np.random.default_rng([seed, 2]),
        )
        random = np.random.default_rng([seed, 3])
        self.meters = {
            meter.name: make_meter(meter.name, meter.accuracy_class, config.simulation, random)
            for meter in config.meters
        }
        self._held_out = {
            name for name in self.meters for each in hold_out if fnmatchcase(name, each)
        }
        self._at = _places_of_meters(self.world)

    def true_j(self, meter: str, truth: Snapshot) -> float:
        """The energy that has gone through a meter since the beginning."""
        return self._at[meter].look(truth)[1]

    def ticks(self) -> Iterator[Tick]:
        """From the beginning to the end."""
        world, count = self.world, round(self.hours * 3600 / self.tick_s)
        for number in range(1, count + 1):
            end_s = world.begin_s + number * self.tick_s
            shares = np.zeros(len(world.fleets.cohorts), np.int64)
            accepted = shares.copy()
            readings: list[MeterReading] = []
            read_s = end_s - METER_LAG_S if self.tick_s > METER_LAG_S else end_s
            for truth in self._steps(read_s, end_s):
                drawn = self.source.draw(world.hashrate_h_s, world.span_s)
                shares += drawn[0]
                accepted += drawn[1]
                if truth.at_s == read_s:
                    readings = list(self._read(truth))
            yield Tick(end_s, truth, readings, self.source.delta(shares, accepted, end_s))

    def _steps(self, *moments_s: float) -> Iterator[Snapshot]:
        """Steps to these moments, with what happens on the way."""
        world = self.world
        for end_s in moments_s:
            while (next_s := world.next_event_s()) < end_s:
                if next_s > world.now_s:
                    yield world.step(next_s)
                for event in world.happen():
                    suffer(self.meters.values(), event, world.now_s)
            if end_s > world.now_s:
                yield world.step(end_s)

    def _read(self, truth: Snapshot) -> Iterator[MeterReading]:
        for name, meter in self.meters.items():
            true_w, true_j = self._at[name].look(truth)
            reading = meter.read(true_w, true_j, truth.at_s)
            if reading is not None and name not in self._held_out:
                yield reading


@dataclass(frozen=True, slots=True)
class _Place:
    """What a meter is on: a node or an AI load."""

    row: int | None
    load: str = ""

    def look(self, truth: Snapshot) -> tuple[float, float]:
        if self.row is None:
            return truth.ai_w[self.load], truth.ai_j[self.load]
        return float(truth.node_w[self.row]), float(truth.node_j[self.row])


def _places_of_meters(world: World) -> dict[str, _Place]:
    places = {}
    for row, node in enumerate(world.tree):
        if node.meter:
            places[node.meter] = _Place(row)
        for load in node.ai_loads:
            if load.meter:
                places[load.meter] = _Place(None, load.name)
    return places
