"""What a run shows: the pool's figures held against the truth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from poolserver.power.rating import Rating
from poolserver.power.readings import MeterBook
from poolserver.power.state import Quality
from poolserver.power.tree import PROGRAMME, PowerTree
from poolserver.power.uncertain import Uncertain
from poolserver.sim.programme.counters import CounterBook
from poolserver.sim.programme.energy import Held, WorkBook
from poolserver.sim.programme.overruns import Overrun
from poolserver.sim.programme.run import METER_LAG_S, Run, Tick
from poolserver.sim.programme.watched import SilenceFigures

J_PER_MWH = 3.6e9


@dataclass(frozen=True, slots=True)
class EnergyRow:
    """A site's or the programme's energy by one way of knowing it, in MWh."""

    node: str
    how: str
    true_mwh: float
    told_mwh: float
    sigma_percent: float | None
    """One standard error that the pool states; None where it is a meter's."""
    error_percent: float
    is_inside: bool | None
    """Whether the truth is in the 95 % interval."""


@dataclass(frozen=True, slots=True)
class Report:
    """A run."""

    seed: int
    begin_s: float
    hours: float
    tick_s: float
    rigs: int
    nodes: int
    meters: int
    took_s: float
    """Of the processor: all of it is one thread."""
    energies: Sequence[EnergyRow]
    overruns: Sequence[Overrun]
    false_s: Mapping[str, float]
    """For how long an overrun was shown that was none, over all nodes, by way."""
    told: Sequence[tuple[float, str]]
    """What the controller said that it would do, and when."""
    silence: SilenceFigures
    readings: int
    not_believed: Mapping[str, int]
    """Readings that were not, by what was thought of them."""
    books_off_j: int
    """The most by which the energy of a meter's intervals differs from what its counter gained."""
    silent_meters_s: float
    """For how long meters told nothing, all together."""

    @property
    def times_real(self) -> float:
        """How many times faster than real time."""
        return self.hours * 3600 / self.took_s

    def plain(self) -> dict[str, object]:
        """As JSON takes it."""
        return {**asdict(self), "times_real": self.times_real}


class EnergyBooks:
    """Work and counters of a run."""

    def __init__(self, run: Run) -> None:
        tree, cohorts = run.world.tree, run.world.fleets.cohorts
        self._run = run
        rigs: dict[tuple[str, Rating], int] = {}
        for each in cohorts:
            rigs[each.node, each.rating] = rigs.get((each.node, each.rating), 0) + each.rigs
        self._work = WorkBook(tree, rigs)
        self._counters = CounterBook(tree, run.world.begin_s)
        self._last: Tick | None = None

    def take(self, tick: Tick) -> None:
        """One tick."""
        self._work.add(tick.work)
        self._counters.take(tick.readings)
        self._last = tick

    def rows(self) -> Iterator[EnergyRow]:
        """Of each site and the programme: by shares alone, by its meter, by those below it."""
        if self._last is None:
            return
        tree: PowerTree = self._run.world.tree
        end_s = self._last.at_s
        for path in (PROGRAMME, *(site.path for site in tree.children(PROGRAMME))):
            true_j = float(self._last.truth.node_j[self._run.world.row(path)])
            other_j = self._other_j(path, self._last)
            yield _row(path, "mining, by shares", self._work.energy_j(path), true_j - other_j)
            for how, by_own in (("all, by its own meter", True), ("all, by meters below", False)):
                if by_own and tree[path].meter not in self._counters.newest:
                    continue
                told_j = self._counters.node_j(path, end_s, by_own=by_own)
                if told_j is not None:
                    yield _row(path, how, Uncertain(told_j), true_j)

    def counter_gaps_j(self) -> dict[str, float]:
        """By meter that is not silent now: what it told less what went through it, as it sees it.
        Silence before should do nothing to it: more than its counter's step was lost or invented.
        """
        if self._last is None:
            return {}
        found = {}
        for name, meter in self._run.meters.items():
            reading = self._counters.newest.get(name)
            if reading is not None and self._last.at_s - reading.at_s <= METER_LAG_S:
                true_j = self._run.true_j(name, self._last.truth) * meter.gain
                told_j = self._counters.meter_j(name, self._last.at_s)
                found[name] = (told_j or 0.0) - true_j
        return found

    def _other_j(self, path: str, last: Tick) -> float:
        """What is truly not mining."""
        world = self._run.world
        loads = [load.name for node in world.tree.depth_first(path) for load in node.ai_loads]
        auxiliary_w = sum(node.auxiliary_w for node in world.tree.depth_first(path))
        span_s = last.at_s - world.begin_s
        ai_j = sum(last.truth.ai_j.get(name, 0.0) for name in loads)
        return ai_j + auxiliary_w * span_s


def _row(path: str, how: str, told_j: Uncertain, true_j: float) -> EnergyRow:
    held = Held(how, told_j, true_j)
    is_estimate = told_j.sigma > 0
    return EnergyRow(
        path,
        how,
        true_j / J_PER_MWH,
        told_j.value / J_PER_MWH,
        100 * told_j.sigma / told_j.value if is_estimate else None,
        100 * held.error,
        held.is_inside if is_estimate else None,
    )


def not_believed(meters: MeterBook) -> dict[str, int]:
    """How many readings were not, by what was thought of them."""
    counts: dict[str, int] = {}
    for (_, quality), count in meters.counts.items():
        if quality is not Quality.GOOD:
            counts[quality.value] = counts.get(quality.value, 0) + count
    return counts
