"""What energy costs: a tariff of components, each by itself. Pure, and exact.

A bill goes by calendar months in the tariff's time zone. Each interval adds to it what it adds to
the month so far, so the cost of a span is that of its parts, however it is cut; whoever wants a
part of a month gives the month from its begin. An interval is priced by the hour it begins in.

Energy in joules, power in watts, money in the tariff's currency as fractions: rounded when shown.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from poolserver.power.schedule import ScheduleEntry

J_PER_KWH = 3_600_000
J_PER_MWH = 1000 * J_PER_KWH


class Part(StrEnum):
    """Which energy a price is for."""

    ALL = "all"
    BASELINE = "baseline"
    """What the contract has as usual."""
    INCREMENTAL = "incremental"
    """What is beyond it, as packages for incremental consumption have it."""


class Load(NamedTuple):
    """The energy of an interval."""

    begin_s: int
    end_s: int
    energy_j: int


class Slice(NamedTuple):
    """An interval as a component looks at it."""

    load: Load
    local: datetime
    """Its begin, in the tariff's time zone."""
    month_s: int
    """How long its calendar month is."""
    parts_j: Mapping[Part, Fraction]
    peak_rise_w: Fraction
    """By how much its power is above all before it in the month."""


class Component(Protocol):
    """A part of a tariff."""

    @property
    def name(self) -> str: ...

    def cost(self, piece: Slice) -> Fraction:
        """What an interval adds to the bill."""


@dataclass(frozen=True, slots=True)
class EnergyPrice:
    """A price of energy, at all times or when ``when`` holds. Prices that hold add up."""

    name: str
    per_kwh: Fraction
    part: Part = Part.ALL
    when: ScheduleEntry | None = None

    def cost(self, piece: Slice) -> Fraction:
        if self.when is not None and not self.when.holds(piece.load.begin_s, piece.local):
            return Fraction(0)
        return piece.parts_j[self.part] / J_PER_KWH * self.per_kwh


@dataclass(frozen=True, slots=True)
class CapacityPrice:
    """A price of a month's highest interval."""

    name: str
    per_kw_month: Fraction

    def cost(self, piece: Slice) -> Fraction:
        return piece.peak_rise_w / 1000 * self.per_kw_month


@dataclass(frozen=True, slots=True)
class FixedPrice:
    """A price of each month, by the time of it that intervals are of."""

    name: str
    per_month: Fraction

    def cost(self, piece: Slice) -> Fraction:
        return self.per_month * Fraction(piece.load.end_s - piece.load.begin_s, piece.month_s)


@dataclass(frozen=True, slots=True)
class Tariff:
    """All components, and what of the energy is baseline: all of it where neither is given."""

    currency: str = "USD"
    components: tuple[Component, ...] = ()
    time_zone: str = "UTC"
    baseline_w: int | None = None
    """Of each interval so much power."""
    baseline_j_month: int | None = None
    """Of each calendar month the first so much energy."""


@dataclass(slots=True)
class Bill:
    """What a span costs."""

    baseline_j: Fraction = Fraction(0)
    incremental_j: Fraction = Fraction(0)
    costs: dict[str, Fraction] = field(default_factory=dict)
    """By component."""

    @property
    def total(self) -> Fraction:
        return sum(self.costs.values(), Fraction(0))

    def add(self, other: "Bill") -> None:
        self.baseline_j += other.baseline_j
        self.incremental_j += other.incremental_j
        for name, cost in other.costs.items():
            self.costs[name] = self.costs.get(name, Fraction(0)) + cost


class Meterman:
    """Bills intervals one after the other: of each month from its begin, in order."""

    def __init__(self, tariff: Tariff) -> None:
        self._tariff = tariff
        self._zone = ZoneInfo(tariff.time_zone)
        self._month: tuple[int, int] | None = None
        self._month_s = 0
        self._energy_j = 0
        self._peak_w = Fraction(0)

    def bill(self, load: Load) -> Bill:
        """What this interval adds."""
        local = datetime.fromtimestamp(load.begin_s, self._zone)
        if self._month != (local.year, local.month):
            self._month = local.year, local.month
            self._month_s = _month_s(local, self._zone)
            self._energy_j, self._peak_w = 0, Fraction(0)
        baseline_j = self._baseline_j(load)
        incremental_j = load.energy_j - baseline_j
        power_w = Fraction(load.energy_j, load.end_s - load.begin_s)
        rise_w = max(Fraction(0), power_w - self._peak_w)
        self._peak_w += rise_w
        self._energy_j += load.energy_j
        parts_j = {
            Part.ALL: Fraction(load.energy_j),
            Part.BASELINE: baseline_j,
            Part.INCREMENTAL: incremental_j,
        }
        piece = Slice(load, local, self._month_s, parts_j, rise_w)
        bill = Bill(baseline_j, incremental_j)
        for component in self._tariff.components:
            bill.add(Bill(costs={component.name: component.cost(piece)}))
        return bill

    def _baseline_j(self, load: Load) -> Fraction:
        tariff, energy_j = self._tariff, Fraction(load.energy_j)
        if tariff.baseline_w is not None:
            return min(energy_j, Fraction(tariff.baseline_w * (load.end_s - load.begin_s)))
        if tariff.baseline_j_month is not None:
            return min(energy_j, Fraction(max(0, tariff.baseline_j_month - self._energy_j)))
        return energy_j


def bill(tariff: Tariff, loads: Iterable[Load], from_s: int, until_s: int) -> Bill:
    """What the intervals from ``from_s`` on cost. ``loads`` are in order, and begin with the
    month that ``from_s`` is in."""
    meterman, whole = Meterman(tariff), Bill()
    for load in loads:
        found = meterman.bill(load)
        if from_s <= load.begin_s < until_s:
            whole.add(found)
    return whole


def month_begin_s(at_s: float, time_zone: str) -> int:
    """When the calendar month began that ``at_s`` is in."""
    local = datetime.fromtimestamp(at_s, ZoneInfo(time_zone))
    first = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
    return int(first.timestamp())


def _month_s(local: datetime, zone: ZoneInfo) -> int:
    year, month = (local.year + 1, 1) if local.month == 12 else (local.year, local.month + 1)
    end = datetime(year, month, 1, tzinfo=zone).timestamp()
    return int(end - datetime(local.year, local.month, 1, tzinfo=zone).timestamp())
