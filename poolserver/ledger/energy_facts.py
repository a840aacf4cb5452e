"""What is told of energy while an interval is open: by quarters of an hour, and added up. Pure.

All of it is absolute: what is saved twice is there once. Power is taken as whole watts and held
from one tick to the next, so it adds up in millijoules without rounding.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from poolserver.ledger.totals import INTERVAL_S
from poolserver.power.energy_meter import MeterPiece

_MS = 1000
_QUARTER_MS = INTERVAL_S * _MS
# A tick is of some seconds; after a longer time nobody knows what was in between.
MAX_TICK_MS = 60 * _MS


class NodeTick(NamedTuple):
    """A node at one moment, in watts."""

    limit_w: int | None
    """What it may draw. None: nothing limits it."""
    excess_w: int
    """By how much more it draws than that."""
    curtailed_w: int
    """What is switched off for it, or in OBSERVE would be."""


class AiTick(NamedTuple):
    """An AI load at one moment."""

    power_w: int
    is_known: bool
    """Whether that is told, and not assumed."""


class PowerTick(NamedTuple):
    """All of it at one moment."""

    at_ms: int
    nodes: Mapping[str, NodeTick]
    ai_loads: Mapping[tuple[str, str], AiTick]
    """By site and name."""


@dataclass(slots=True)
class NodeFact:
    """A node's quarter. See ``ledger.energy.EnergyRow``."""

    observed_ms: int = 0
    limited_ms: int = 0
    """How long there was a limit."""
    allocated_mj: int = 0
    excess_mj: int = 0
    curtailed_mj: int = 0


@dataclass(slots=True)
class AiFact:
    """An AI load's quarter."""

    energy_mj: int = 0
    known_ms: int = 0


@dataclass(slots=True)
class MeterFact:
    """A meter's quarter."""

    energy_j: int = 0
    covered_ms: int = 0
    spread_ms: int = 0
    late_j: int = 0


@dataclass(slots=True)
class Facts:
    """What is told of some time, by the begin of the quarter and what it is of."""

    nodes: dict[tuple[int, str], NodeFact] = field(default_factory=dict)
    ai_loads: dict[tuple[int, str, str], AiFact] = field(default_factory=dict)
    meters: dict[tuple[int, str], MeterFact] = field(default_factory=dict)

    def copy(self) -> "Facts":
        """These as they are now, whatever is added to them later."""
        return Facts(
            {key: replace(fact) for key, fact in self.nodes.items()},
            {key: replace(fact) for key, fact in self.ai_loads.items()},
            {key: replace(fact) for key, fact in self.meters.items()},
        )

    def forget_before(self, begin_s: int) -> None:
        """Drop the quarters that begin before."""
        self.nodes = {key: fact for key, fact in self.nodes.items() if key[0] >= begin_s}
        self.ai_loads = {key: fact for key, fact in self.ai_loads.items() if key[0] >= begin_s}
        self.meters = {key: fact for key, fact in self.meters.items() if key[0] >= begin_s}


class OpenBooks:
    """The quarters that are not closed. What comes late is booked in the first of them."""

    def __init__(self, facts: Facts | None = None, closed_until_s: int = 0) -> None:
        """What the store knows from before."""
        self.facts = facts or Facts()
        self.closed_until_s = closed_until_s
        """Nothing is booked before this any more."""
        self.last_tick: PowerTick | None = None
        """What is so until the next one."""

    def close(self, until_s: int) -> None:
        """Book nothing before ``until_s`` from now on."""
        self.closed_until_s = max(self.closed_until_s, until_s)

    def take_tick(self, tick: PowerTick) -> None:
        """What was so at the last tick was so until this one."""
        last, self.last_tick = self.last_tick, tick
        if last is None or not 0 < tick.at_ms - last.at_ms <= MAX_TICK_MS:
            return
        for begin_s, span_ms in self._quarters(last.at_ms, tick.at_ms):
            for path, node in last.nodes.items():
                fact = self.facts.nodes.setdefault((begin_s, path), NodeFact())
                fact.observed_ms += span_ms
                fact.excess_mj += node.excess_w * span_ms
                fact.curtailed_mj += node.curtailed_w * span_ms
                if node.limit_w is not None:
                    fact.limited_ms += span_ms
                    fact.allocated_mj += node.limit_w * span_ms
            for (site, name), load in last.ai_loads.items():
                ai = self.facts.ai_loads.setdefault((begin_s, site, name), AiFact())
                ai.energy_mj += load.power_w * span_ms
                ai.known_ms += span_ms if load.is_known else 0

    def take_pieces(self, meter: str, pieces: Iterable[MeterPiece]) -> None:
        """What a meter has measured."""
        for piece in pieces:
            begin_s = max(piece.begin_s, self.closed_until_s)
            fact = self.facts.meters.setdefault((begin_s, meter), MeterFact())
            if begin_s == piece.begin_s:
                fact.energy_j += piece.energy_j
                fact.covered_ms += piece.covered_ms
                fact.spread_ms += piece.spread_ms
            else:
                fact.late_j += piece.energy_j

    def _quarters(self, from_ms: int, until_ms: int) -> Iterator[tuple[int, int]]:
        """What is open of a span: the begin of each quarter, and how long the span is in it."""
        from_ms = max(from_ms, self.closed_until_s * _MS)
        while from_ms < until_ms:
            end_ms = min(until_ms, (from_ms // _QUARTER_MS + 1) * _QUARTER_MS)
            yield from_ms // _QUARTER_MS * INTERVAL_S, end_ms - from_ms
            from_ms = end_ms
