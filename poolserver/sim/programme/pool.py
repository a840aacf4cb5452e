"""The pool's own parts, driven as they are at run time, but for the rigs' and the meters' I/O."""

from collections import Counter
from collections.abc import Sequence

from poolserver.config import Config
from poolserver.control_room import desk
from poolserver.control_room.budget_outfit import control_terms
from poolserver.control_room.desk import GROUP_WINDOW_S, PowerDesk
from poolserver.control_room.outfit import outside_books, power_tree
from poolserver.power.energy_meter import MeterEnergy
from poolserver.power.rating import Rating
from poolserver.power.state import MeterState, RigGroup
from poolserver.sim.programme.fleets import Cohort
from poolserver.sim.programme.run import Tick


class Pool:
    """Everything from readings and work to what the controller would do."""

    def __init__(self, config: Config, cohorts: Sequence[Cohort], now_s: float) -> None:
        self.tree = power_tree(config)
        self._now_s = now_s
        self._outside = outside_books(config, self.tree, lambda: self._now_s)
        self.meters = self._outside.meters
        self._accounts = {
            spec.name: MeterEnergy(spec, config.power.interval_s) for spec in self.meters.specs
        }
        self.interval_j: dict[str, Counter[int]] = {name: Counter() for name in self._accounts}
        """By meter and begin of the interval."""
        self._first_j: dict[str, int] = {}
        self._newest_j: dict[str, int] = {}
        self._desk = PowerDesk(self.tree, now_s, control_terms(config))
        self._rated = groups_of(cohorts)

    def take(self, tick: Tick) -> desk.Tick:
        """A tick of the control room."""
        now_s = self._now_s = tick.at_s
        for reading in tick.readings:
            self._book(self.meters.take(reading, now_s))
        self._desk.take_work(tick.work, now_s)
        groups = tuple(self._hashing(group) for group in self._rated)
        seen = self._desk.tick(self._outside.now(now_s), groups, now_s, now_s)
        self._outside.expect(seen.readings.nodes)
        return seen

    def _book(self, state: MeterState) -> None:
        """Into the meter's energy account."""
        account, intervals = self._accounts[state.name], self.interval_j[state.name]
        for piece in account.take(state):
            intervals[piece.begin_s] += piece.energy_j
        if state.energy_j is not None:
            self._first_j.setdefault(state.name, state.energy_j)
            self._newest_j[state.name] = state.energy_j

    def books_off_j(self) -> dict[str, int]:
        """By meter: the energy of all its intervals less what its counter gained."""
        return {
            name: sum(self.interval_j[name].values()) - newest_j + self._first_j[name]
            for name, newest_j in self._newest_j.items()
        }

    def _hashing(self, rated: RigGroup) -> RigGroup:
        """Those of a group that hash, by what they prove: nobody has told them apart."""
        power_w = self._desk.estimator.group_w(
            rated.node, rated.rating, GROUP_WINDOW_S, self._desk.now_s
        )
        rigs = round(power_w * rated.rigs / rated.power_w)
        return RigGroup(rated.node, rated.rating, rigs, 0, power_w)


def groups_of(cohorts: Sequence[Cohort]) -> tuple[RigGroup, ...]:
    """The rigs as the pool takes them to be: by their number and their ratings."""
    rigs: dict[tuple[str, Rating], int] = {}
    power_w: dict[tuple[str, Rating], float] = {}
    for each in cohorts:
        key = each.node, each.rating
        rigs[key] = rigs.get(key, 0) + each.rigs
        rated_w = float(each.model.hashrate_th_s * each.rating.j_per_th)
        power_w[key] = power_w.get(key, 0.0) + each.rigs * rated_w
    return tuple(RigGroup(*key, count, 0, power_w[key]) for key, count in rigs.items())
