"""What those outside have said: meters, AI loads and budgets, and how it stands at a moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from poolserver.power.ai_loads import AiLoadBook
from poolserver.power.budget import BudgetBook
from poolserver.power.readings import MeterBook
from poolserver.power.state import EffectiveLimit, MeterState, NodePower
from poolserver.power.tree import PowerTree


class Outside(NamedTuple):
    """What those outside say at the moment of a tick; nothing in it changes any more."""

    meters: Mapping[str, MeterState]
    """By the meter's name."""
    ai_w: Mapping[tuple[str, str], float | None]
    """By site and name of the AI load; None where nobody tells."""
    limits: Mapping[str, EffectiveLimit]
    mining_limits: Mapping[str, EffectiveLimit]


@dataclass(frozen=True, slots=True)
class OutsideBooks:
    """The three books, for one thread. Times are Unix seconds."""

    tree: PowerTree
    meters: MeterBook
    ai_loads: AiLoadBook
    budget: BudgetBook

    def now(self, unix_s: float) -> Outside:
        """How all of it stands."""
        return Outside(
            {spec.name: self.meters.state(spec.name, unix_s) for spec in self.meters.specs},
            {
                (node.site, load.name): self.ai_loads.power_w(load, unix_s)
                for node in self.tree
                for load in node.ai_loads
            },
            self.budget.limits(unix_s),
            self.budget.mining_limits(unix_s),
        )

    def expect(self, nodes: Mapping[str, NodePower]) -> None:
        """Tell meters what shares say, which shows a wrong unit and nothing finer."""
        for path, power in nodes.items():
            node = self.tree[path]
            if node.meter is not None:
                is_known = power.ai_known and power.estimated_w.value > 0
                self.meters.expect(node.meter, power.by_shares_w if is_known else None)
