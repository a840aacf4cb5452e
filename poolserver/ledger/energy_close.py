"""What the rows of an interval say, made of what was told of it while it was open. Pure.

Each configured node of the power tree has a row. It is made of nothing but the facts that stay
in the books, so whoever checks makes it again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from poolserver.ledger.delta import NodeWork
from poolserver.ledger.energy import EnergyRow
from poolserver.ledger.energy_facts import AiFact, Facts, MeterFact, NodeFact
from poolserver.ledger.luck import network_work
from poolserver.ledger.totals import Earning
from poolserver.power.energy import PJ_PER_J, EnergyLine, energy_of
from poolserver.power.rating import Rating
from poolserver.power.tree import PROGRAMME, AiLoad, PowerNode, PowerTree, parent_path

_MS = 1000


class Method(StrEnum):
    """How a row knows what mining took, the best first."""

    METER = "meter"
    """By the node's meter, over the whole interval."""
    FILLED = "filled"
    """By its meter, and by what is below it for the time that the meter does not tell of."""
    SUM = "sum"
    """By meters below it, and proven work of the rigs that these do not see."""
    SHARES = "shares"
    """By proven work."""
    NOTHING = "nothing"


@dataclass(slots=True)
class Interval:
    """What is known of an interval."""

    begin_s: int
    end_s: int
    facts: Facts = field(default_factory=Facts)
    work: dict[tuple[str, Rating], NodeWork] = field(default_factory=dict)
    """By the deepest node that the rigs are at."""
    earnings: dict[tuple[str, int], Earning] = field(default_factory=dict)
    """By site and nbits."""

    @property
    def span_ms(self) -> int:
        return (self.end_s - self.begin_s) * _MS


class _Mining(NamedTuple):
    energy_j: Fraction
    method: Method


_BY_METERS = frozenset({Method.METER, Method.FILLED, Method.SUM})


def close_interval(tree: PowerTree, interval: Interval) -> list[EnergyRow]:
    """A row for each configured node, in the order of their paths as bytes."""
    closing = _Closing(tree, interval)
    nodes = [node for node in tree.depth_first() if node.is_configured]
    # Those below are looked at before those above.
    found = [closing.row(node) for node in reversed(nodes)]
    return sorted(found, key=lambda row: row.node.encode())


class _Closing:
    def __init__(self, tree: PowerTree, interval: Interval) -> None:
        self._tree = tree
        self._interval = interval
        self._span_ms = interval.span_ms
        self._nodes: dict[str, NodeFact] = {}
        self._ai_loads: dict[tuple[str, str], AiFact] = {}
        self._meters: dict[str, MeterFact] = {}
        self._add_up(interval.facts)
        self._own: dict[str, list[EnergyLine]] = {}
        """By the configured node: of rigs at it, or at nodes below it that are not configured."""
        self._work: dict[str, NodeWork] = {}
        self._book_work()
        self._lines: dict[str, list[EnergyLine]] = {}
        self._mining: dict[str, _Mining] = {}

    def row(self, node: PowerNode) -> EnergyRow:
        path, pue, children = node.path, node.pue, self._children(node)
        site = self._tree.site_of(path)
        lines = self._lines[path] = _times(
            pue, [*self._own.get(path, ()), *(line for c in children for line in self._lines[c])]
        )
        work = self._work.get(path, NodeWork())
        estimated_pj = sum((line.energy_pj for line in lines), Fraction(0))
        ai_j, ai_known_ms = self._ai(path)
        auxiliary_j = self._auxiliary_w(path) * self._span_ms // _MS
        fact = self._nodes.get(path, NodeFact())
        meter = None if node.meter is None else self._meters.get(node.meter)
        below = self._below(node, children)
        mining, residual_j = below, None
        if meter is not None and meter.covered_ms and ai_known_ms == self._span_ms:
            other_j = Fraction(ai_j + auxiliary_j)
            part = Fraction(min(meter.covered_ms, self._span_ms), self._span_ms)
            filled_j = meter.energy_j + (below.energy_j + other_j) * (1 - part)
            method = Method.METER if part == 1 else Method.FILLED
            mining = _Mining(filled_j - other_j, method)
            residual_j = meter.energy_j - (estimated_pj / PJ_PER_J + other_j) * part
        self._mining[path] = mining
        return EnergyRow(
            begin_s=self._interval.begin_s,
            end_s=self._interval.end_s,
            node=path,
            method=mining.method,
            meter=node.meter,
            metered_j=None if meter is None or not meter.covered_ms else meter.energy_j,
            covered_ms=0 if meter is None else min(meter.covered_ms, self._span_ms),
            spread_ms=0 if meter is None else meter.spread_ms,
            late_j=0 if meter is None else meter.late_j,
            proven_work=work.proven_work,
            accepted_work=work.accepted_work,
            pue=pue,
            work_scale=1 if site is None else site.work_scale,
            estimated_pj=estimated_pj,
            sigma_j=round(energy_of(lines, self._span_ms / _MS).sigma),
            ai_j=ai_j,
            ai_known_ms=ai_known_ms,
            auxiliary_j=auxiliary_j,
            mining_j=mining.energy_j.__floor__(),
            residual_j=None if residual_j is None else residual_j.__floor__(),
            allocated_j=fact.allocated_mj // 1000 if fact.limited_ms else None,
            excess_j=fact.excess_mj // 1000,
            curtailed_j=fact.curtailed_mj // 1000,
            expected_msat=self._expected_msat(node),
            observed_ms=min(fact.observed_ms, self._span_ms),
        )

    # --- what is below ------------------------------------------------------------------------

    def _children(self, node: PowerNode) -> list[str]:
        return [each.path for each in self._tree.children(node.path) if each.is_configured]

    def _below(self, node: PowerNode, children: list[str]) -> _Mining:
        """What mining took by all that is known but for the node's own meter."""
        own_pj = sum((line.energy_pj for line in self._own.get(node.path, ())), Fraction(0))
        parts = [self._mining[each] for each in children]
        energy_j = (own_pj / PJ_PER_J + sum(part.energy_j for part in parts)) * node.pue
        if any(part.method in _BY_METERS for part in parts):
            return _Mining(energy_j, Method.SUM)
        return _Mining(energy_j, Method.SHARES if energy_j else Method.NOTHING)

    def _ai(self, path: str) -> tuple[int, int]:
        """What AI loads at the node and below it took, and how long all of that was told."""
        energy_j, known_ms = 0, self._span_ms
        for load in self._ai_loads_in(path):
            meter = None if load.meter is None else self._meters.get(load.meter)
            if meter is not None and meter.covered_ms >= self._span_ms:
                energy_j += meter.energy_j
                continue
            told = self._ai_loads.get((load.site, load.name), AiFact())
            energy_j += told.energy_mj // 1000
            known_ms = min(known_ms, told.known_ms)
        return energy_j, known_ms

    def _ai_loads_in(self, path: str) -> Iterator[AiLoad]:
        return (load for node in self._tree.depth_first(path) for load in node.ai_loads)

    def _auxiliary_w(self, path: str) -> int:
        return sum(node.auxiliary_w for node in self._tree.depth_first(path))

    def _expected_msat(self, node: PowerNode) -> int | None:
        if node.path == PROGRAMME:
            sites = {each.path for each in self._tree.children(PROGRAMME)}
        elif parent_path(node.path) == PROGRAMME:
            sites = {node.path}
        else:
            return None
        return expected_msat(
            {key: earned for key, earned in self._interval.earnings.items() if key[0] in sites}
        )

    # --- adding up ----------------------------------------------------------------------------

    def _add_up(self, facts: Facts) -> None:
        """Quarters of an hour into the interval."""
        for (_, path), node in facts.nodes.items():
            mine = self._nodes.setdefault(path, NodeFact())
            mine.observed_ms += node.observed_ms
            mine.limited_ms += node.limited_ms
            mine.allocated_mj += node.allocated_mj
            mine.excess_mj += node.excess_mj
            mine.curtailed_mj += node.curtailed_mj
        for (_, site, name), ai in facts.ai_loads.items():
            load = self._ai_loads.setdefault((site, name), AiFact())
            load.energy_mj += ai.energy_mj
            load.known_ms += ai.known_ms
        for (_, name), meter in facts.meters.items():
            its = self._meters.setdefault(name, MeterFact())
            its.energy_j += meter.energy_j
            its.covered_ms += meter.covered_ms
            its.spread_ms += meter.spread_ms
            its.late_j += meter.late_j

    def _book_work(self) -> None:
        """Thousands of racks are added up first, by the configured node that they are in."""
        there: dict[tuple[str, Rating], NodeWork] = {}
        homes: dict[str, str] = {}
        for (path, rating), work in self._interval.work.items():
            home = homes.get(path) or homes.setdefault(path, self._home(path))
            there.setdefault((home, rating), NodeWork()).add(work)
        for (home, rating), work in there.items():
            site = self._tree.site_of(home)
            scale = 1 if site is None else site.work_scale
            line = EnergyLine(
                "" if site is None else site.path,
                rating,
                rating.j_per_th * scale,
                work.proven_work,
                work.proven_work_sq,
            )
            self._own.setdefault(home, []).append(line)
            for above in self._tree.lineage(home):
                self._work.setdefault(above.path, NodeWork()).add(work)

    def _home(self, path: str) -> str:
        """The configured node that it is or was in."""
        while path not in self._tree or not self._tree[path].is_configured:
            path = parent_path(path)
        return path


def _times(pue: Fraction, lines: list[EnergyLine]) -> list[EnergyLine]:
    if pue == 1:
        return lines
    return [line._replace(pj_per_hash=line.pj_per_hash * pue) for line in lines]


def expected_msat(earnings: Mapping[tuple[str, int], Earning]) -> int:
    """What work was worth, in thousandths of a satoshi, rounded down; by site and nbits."""
    worth = sum(
        (
            Fraction(earned.value_work, work)
            for (_, nbits), earned in earnings.items()
            if (work := network_work(nbits))
        ),
        Fraction(0),
    )
    return int(worth * 1000)
