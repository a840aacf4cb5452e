"""Energy by work alone, summed over a whole run, with its error; and held against the truth."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from poolserver.ledger.delta import NodeKey, NodeWork
from poolserver.power.rating import RIG_SIGMA, Rating, common_errors
from poolserver.power.tree import PowerTree
from poolserver.power.uncertain import Uncertain, total

PJ_PER_J = 1e12


@dataclass(slots=True)
class WorkBook:
    """All proven work of a run, by node and rating."""

    tree: PowerTree
    rigs: Mapping[tuple[str, Rating], int]
    """How many rigs share a line: how far their own errors average out."""
    lines: dict[tuple[str, Rating], NodeWork] = field(default_factory=dict)

    def add(self, nodes: Mapping[NodeKey, NodeWork]) -> None:
        """What came in a tick."""
        for key, work in nodes.items():
            self.lines.setdefault((key.node, key.rating), NodeWork()).add(work)

    def energy_j(self, path: str) -> Uncertain:
        """Of the rigs at a node and below it, with PUE where the node is a site or above."""
        return total(self._line_j(path, *line) for line in self.lines if self._is_below(line, path))

    def _is_below(self, line: tuple[str, Rating], path: str) -> bool:
        return any(node.path == path for node in self.tree.lineage(line[0]))

    def _line_j(self, path: str, node: str, rating: Rating) -> Uncertain:
        work, site = self.lines[node, rating], self.tree.site_of(node)
        assert site is not None, node
        behind_pue = self.tree[path].kind in ("site", "programme")
        pj_per_hash = float(rating.j_per_th * (site.pue if behind_pue else 1) * site.work_scale)
        energy_j = work.proven_work * pj_per_hash / PJ_PER_J
        chance = work.proven_work_sq * (pj_per_hash / PJ_PER_J) ** 2
        own = (RIG_SIGMA * energy_j) ** 2 / max(1, self.rigs.get((node, rating), 1))
        common = {source: energy_j * sigma for source, sigma in common_errors(rating, site.path)}
        return Uncertain(energy_j, chance + own, common)


@dataclass(frozen=True, slots=True)
class Held:
    """An energy that the pool tells, held against the true one, both in J."""

    how: str
    told: Uncertain
    true_j: float

    @property
    def error(self) -> float:
        """Relative; above 0 if the pool tells too much."""
        return self.told.value / self.true_j - 1 if self.true_j else 0.0

    @property
    def is_inside(self) -> bool:
        """Whether the truth is in the 95 % interval."""
        return self.true_j in self.told.interval()


def coverage(held: Iterable[Held]) -> float:
    """How often the truth is inside."""
    inside: Sequence[bool] = [each.is_inside for each in held]
    return sum(inside) / len(inside) if inside else float("nan")
