"""Energy by the meters' counters over a whole run: a node's own, or those below it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from poolserver.power.state import MeterReading
from poolserver.power.tree import PowerNode, PowerTree


@dataclass(slots=True)
class CounterBook:
    """Takes in all readings. A counter began with the run and goes on while a meter is silent, so
    its newest figure is all the energy until then."""

    tree: PowerTree
    begin_s: float
    newest: dict[str, MeterReading] = field(default_factory=dict)

    def take(self, readings: Iterable[MeterReading]) -> None:
        """What came in a tick."""
        for reading in readings:
            if reading.energy_j is not None:
                self.newest[reading.meter] = reading

    def node_j(self, path: str, end_s: float, *, by_own: bool = True) -> float | None:
        """All load at a node: by its own meter, or (``by_own`` false, or it has none) by those
        below it. None where part of it is not metered."""
        node = self.tree[path]
        if by_own and (own_j := self.meter_j(node.meter, end_s)) is not None:
            return own_j
        ai_j = self.ai_j(path, end_s)
        mining_j = self._mining_j(node, end_s)
        if ai_j is None or mining_j is None:
            return None
        return mining_j + ai_j + self._auxiliary_j(path, end_s)

    def ai_j(self, path: str, end_s: float) -> float | None:
        """All AI load at a node and below it."""
        loads = [load for each in self.tree.depth_first(path) for load in each.ai_loads]
        found = [self.meter_j(load.meter, end_s) for load in loads]
        return None if None in found else sum(each for each in found if each is not None)

    def _mining_j(self, node: PowerNode, end_s: float) -> float | None:
        """By what is below: with PUE, where the node is a site."""
        children = self.tree.children(node.path)
        if not children:
            return None if node.ai_loads == () else 0.0
        found_j = 0.0
        for child in children:
            whole_j = self.node_j(child.path, end_s)
            ai_j = self.ai_j(child.path, end_s)
            if whole_j is None or ai_j is None:
                return None
            found_j += whole_j - ai_j - self._auxiliary_j(child.path, end_s)
        return found_j * float(node.pue)

    def _auxiliary_j(self, path: str, end_s: float) -> float:
        nodes = self.tree.depth_first(path)
        return sum(node.auxiliary_w for node in nodes) * (end_s - self.begin_s)

    def meter_j(self, name: str | None, end_s: float) -> float | None:
        """Up to ``end_s``; from its newest reading on at the power that it told."""
        reading = None if name is None else self.newest.get(name)
        if reading is None or reading.energy_j is None:
            return None
        return reading.energy_j + (reading.power_w or 0.0) * (end_s - reading.at_s)
