"""What is true: what each node of the tree draws, and what happens, from step to step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import cos, tau
from zoneinfo import ZoneInfo

import numpy as np

from poolserver.config import Config
from poolserver.config.simulation import EventConfig, FleetConfig
from poolserver.control_room.outfit import power_tree
from poolserver.power.models import MinerModels, load_models
from poolserver.power.rating import Rating, RatingSource
from poolserver.power.tree import PROGRAMME, PowerTree
from poolserver.sim.programme.ai_halls import AiHall, hall_named
from poolserver.sim.programme.fleets import Cohort, Fleets, Floats

HOTTEST_H = 16
"""Local time, in hours."""


def paths_matching(tree: PowerTree, pattern: str) -> list[str]:
    """The nodes that ``Sahiwal/F*/T1`` means; ``*`` stands within one name, not over a ``/``."""
    parts = pattern.split("/")
    return [
        node.path
        for node in tree
        if node.path == pattern
        or (
            node.path != PROGRAMME
            and len(names := node.path.split("/")) == len(parts)
            and all(map(fnmatchcase, names, parts))
        )
    ]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The truth at a moment. By node in the tree's order, or by cohort."""

    at_s: float
    node_w: Floats
    node_j: Floats
    """Energy since the beginning."""
    rig_w: Floats
    """By cohort, at the rigs' plugs."""
    ai_w: dict[str, float]
    """By AI load."""
    ai_j: dict[str, float]


class World:
    """All that is true of a programme. Time goes on by ``step`` alone, in Unix seconds."""

    def __init__(self, config: Config, seed: int, models: MinerModels | None = None) -> None:
        """
        Raises:
            ValueError: the simulation's settings name a node, model or load that is not there.
        """
        simulation = config.simulation
        self.config = simulation
        self.tree = power_tree(config)
        self.paths = [node.path for node in self.tree]
        self.begin_s = self.now_s = simulation.begin.timestamp()
        self._zone = {site.name: ZoneInfo(site.time_zone) for site in config.sites}
        self._random = np.random.default_rng([seed, 1])
        site_bias = {
            site.name: float(self._random.standard_normal()) * simulation.site_sigma_percent / 100
            for site in config.sites
        }
        self.site_bias = site_bias
        cohorts = list(self._cohorts(config, models or load_models()))
        self.fleets = Fleets(cohorts, site_bias, simulation, self._random)
        self.halls = [self._hall(config, index) for index in range(len(simulation.ai_halls))]
        self._events = sorted(simulation.events, key=lambda event: event.at_h)
        self._ending: list[tuple[float, AiHall, float]] = []
        self._lay_out(cohorts)

    def _cohorts(self, config: Config, models: MinerModels) -> Iterator[Cohort]:
        biases: dict[str, float] = {}
        of_all = float(self._random.standard_normal()) * self.config.nameplate_sigma_percent / 100
        defaults = {site.name: site.default_j_per_th for site in config.sites}
        for fleet in config.simulation.fleets:
            model = models.find(fleet.model)
            drawn = float(self._random.standard_normal()) * self.config.model_sigma_percent / 100
            bias = biases.setdefault(str(model), drawn + of_all)
            if fleet.bias_percent is not None:
                bias = fleet.bias_percent / 100
            paths = paths_matching(self.tree, fleet.node)
            if not paths:
                raise ValueError(f"no node is named {fleet.node}")
            source = RatingSource[fleet.rated_by.upper().replace(" ", "_")]
            for path in paths:
                site = self.tree[path].site
                if not site:
                    raise ValueError("rigs are at sites, not at the programme")
                rating = (
                    Rating(defaults[site], source, "")
                    if source is RatingSource.SITE_DEFAULT
                    else Rating(model.j_per_th, source, str(model))
                )
                yield _cohort(fleet, Cohort(path, site, model, rating, fleet.rigs, bias))

    def _hall(self, config: Config, index: int) -> AiHall:
        hall = config.simulation.ai_halls[index]
        for node in self.tree:
            if node.site == hall.site and hall.name in [load.name for load in node.ai_loads]:
                return AiHall(node.path, hall, self._random)
        raise ValueError(f"{hall.site} has no AI load named {hall.name}")

    def _lay_out(self, cohorts: Sequence[Cohort]) -> None:
        """Which cohorts and halls are at a node or below it, as matrices."""
        nodes, row = list(self.tree), {path: index for index, path in enumerate(self.paths)}
        self._row = row
        self._rigs_below = np.zeros((len(nodes), len(cohorts)))
        self._ai_below = np.zeros((len(nodes), len(self.halls)))
        self._auxiliary_w = np.zeros(len(nodes))
        for column, cohort in enumerate(cohorts):
            for node in self.tree.lineage(cohort.node):
                self._rigs_below[row[node.path], column] = 1.0
        for column, hall in enumerate(self.halls):
            for node in self.tree.lineage(hall.node):
                self._ai_below[row[node.path], column] = 1.0
        for node in nodes:
            for above in self.tree.lineage(node.path):
                self._auxiliary_w[row[above.path]] += node.auxiliary_w
        # A node below a site is before its transformers' and coolers' part, a site is after.
        self._behind_pue = np.array([node.kind in ("site", "programme") for node in nodes])
        bias = 1 + self.config.pue_bias_percent / 100
        self._pue = np.array([float(self.tree[cohort.site].pue) * bias for cohort in cohorts])
        self._sites = [cohort.site for cohort in cohorts]
        self._node_j = np.zeros(len(nodes))
        self._ai_j = np.zeros(len(self.halls))
        self.span_s = 0.0
        """How long the last step was."""
        self.hashrate_h_s = np.zeros(len(cohorts))
        """Of each cohort in the last step, what the pool gets."""

    def row(self, path: str) -> int:
        """Where a node is in arrays of nodes."""
        return self._row[path]

    def warmth(self) -> Floats:
        """Of each cohort now: -1 at four in the morning, 1 at four in the afternoon."""
        by_site = {
            site: cos(tau * (self._local_h(zone) - HOTTEST_H) / 24)
            for site, zone in self._zone.items()
        }
        return np.array([by_site[site] for site in self._sites])

    def _local_h(self, zone: ZoneInfo) -> float:
        offset = self.config.begin.astimezone(zone).utcoffset()
        return (self.now_s + (offset.total_seconds() if offset else 0.0)) / 3600 % 24

    def next_event_s(self) -> float:
        """When something happens next; infinity if nothing does."""
        moments = [ends_s for ends_s, _, _ in self._ending]
        if self._events:
            moments.append(self.begin_s + self._events[0].at_h * 3600)
        return min(moments, default=float("inf"))

    def step(self, to_s: float) -> Snapshot:
        """Go on to a moment that is not after the next event, which then happens."""
        span_s = self.span_s = to_s - self.now_s
        warmth = self.warmth()
        self.fleets.step(self.now_s, to_s)
        ai_j = np.array([hall.step(span_s) for hall in self.halls])
        rig_w = self.fleets.power_w(warmth)
        self.hashrate_h_s = self.fleets.hashrate_h_s(warmth)
        self._ai_j += ai_j
        self._node_j += self._nodes(rig_w * span_s, ai_j, self._auxiliary_w * span_s, warmth)
        self.now_s = to_s
        ai_w = np.array([hall.power_w for hall in self.halls])
        node_w = self._nodes(rig_w, ai_w, self._auxiliary_w, warmth)
        return Snapshot(
            to_s,
            node_w,
            self._node_j.copy(),
            rig_w,
            {hall.name: hall.power_w for hall in self.halls},
            {hall.name: float(each) for hall, each in zip(self.halls, self._ai_j, strict=True)},
        )

    def _nodes(self, rigs: Floats, ai: Floats, auxiliary: Floats, warmth: Floats) -> Floats:
        """What rigs, AI and the rest come to at each node, in whatever unit they are."""
        pue = self._pue + warmth * self.config.pue_swing_percent / 100
        plain, behind = self._rigs_below @ rigs, self._rigs_below @ (rigs * pue)
        total: Floats = np.where(self._behind_pue, behind, plain) + auxiliary
        return total + self._ai_below @ ai if len(ai) else total

    def happen(self) -> list[EventConfig]:
        """Let happen what is due now; the meters' events are given back for the meters."""
        for_meters = []
        while self._events and self.begin_s + self._events[0].at_h * 3600 <= self.now_s:
            event = self._events.pop(0)
            if event.kind.startswith("meter"):
                for_meters.append(event)
            elif event.kind == "ai":
                hall = hall_named(self.halls, event.name or "")
                hall.added_w += event.mw * 1e6
                if event.minutes:
                    self._ending.append((self.now_s + event.minutes * 60, hall, event.mw * 1e6))
            else:
                self._move_rigs(event)
        for ending in [each for each in self._ending if each[0] <= self.now_s]:
            self._ending.remove(ending)
            ending[1].added_w -= ending[2]
        return for_meters

    def _move_rigs(self, event: EventConfig) -> None:
        found = paths_matching(self.tree, event.node or PROGRAMME)
        if not found:
            raise ValueError(f"no node is named {event.node}")
        rows = [self.row(path) for path in found]
        at = self._rigs_below[rows].sum(axis=0) > 0
        part = event.percent / 100
        match event.kind:
            case "rigs_off":
                self.fleets.switch_off(at, part)
            case "rigs_on":
                self.fleets.switch_on(at, part, self.now_s)
            case "rigs_fail":
                self.fleets.fail(at, part)
            case "rigs_leave":
                self.fleets.leave(at, part)


def _cohort(fleet: FleetConfig, cohort: Cohort) -> Cohort:
    """With those that do not hash from the beginning on."""
    off, elsewhere, parked = (
        round(fleet.rigs * percent / 100)
        for percent in (fleet.off_percent, fleet.elsewhere_percent, fleet.idle_percent)
    )
    return Cohort(
        cohort.node, cohort.site, cohort.model, cohort.rating, cohort.rigs, cohort.bias,
        off=off, elsewhere=elsewhere, parked=parked,
    )  # fmt: skip
