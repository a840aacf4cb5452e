"""Reports on energy: rows of closed intervals added up by node and span.

Pure but for the reading of rows. Sums are exact; the error of a span is made of the span's work,
since that of a model does not average out over intervals.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from itertools import groupby
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from poolserver.ledger import energy_sql
from poolserver.ledger.database import Connection
from poolserver.ledger.energy import EnergyRow
from poolserver.power.energy import EnergyLine, energy_of
from poolserver.power.rating import Rating
from poolserver.power.tariff import J_PER_MWH, Bill, Load, Meterman, Tariff, month_begin_s
from poolserver.power.tree import PROGRAMME, prefixes

By = Literal["interval", "day", "month", "total"]

_MS = 1000


class Spans:
    """The spans of a report in a time zone: each interval is of the one that it begins in."""

    def __init__(self, by: By, time_zone: str) -> None:
        self._by = by
        self._zone = ZoneInfo(time_zone)

    def name_of(self, begin_s: int) -> str:
        """``2026-07-01 00:15+05:00``, ``2026-07-01``, ``2026-07`` or ``total``."""
        local = datetime.fromtimestamp(begin_s, self._zone)
        match self._by:
            case "interval":
                return local.isoformat(" ", "minutes")
            case "day":
                return local.date().isoformat()
            case "month":
                return f"{local:%Y-%m}"
            case "total":
                return "total"


@dataclass(slots=True)
class Sum:
    """A node over a span: all of its intervals. See ``ledger.energy.EnergyRow``."""

    node: str
    span: str
    begin_s: int
    end_s: int
    intervals: int = 0
    closed_s: int = 0
    """The time of its intervals."""
    metered_j: int | None = None
    """With what came late. None where no meter told anything."""
    covered_ms: int = 0
    spread_ms: int = 0
    estimated_pj: Fraction = Fraction(0)
    sigma_j: int = 0
    ai_j: int = 0
    auxiliary_j: int = 0
    mining_j: int = 0
    residual_j: int | None = None
    allocated_j: int | None = None
    excess_j: int = 0
    curtailed_j: int = 0
    proven_work: int = 0
    accepted_work: int = 0
    scaled_work: int = 0
    """Proven work times ``work_scale``: what the energy was for."""
    expected_msat: int | None = None
    observed_ms: int = 0
    paid_sat: int | None = None
    """What blocks that were found meanwhile pay the site's accounts. Sites and programme only."""
    found_sat: int | None = None
    """What the blocks are worth that its rigs found meanwhile."""
    bill: Bill | None = None

    @property
    def total_j(self) -> int:
        """All that was drawn, as far as is known."""
        return self.mining_j + self.ai_j + self.auxiliary_j

    @property
    def hashrate_h_s(self) -> float:
        """Proven, of real hashes."""
        return self.scaled_work / self.closed_s

    @property
    def j_per_th(self) -> float | None:
        """At the meter: what mining took for a terahash. None where nothing was hashed."""
        return self.mining_j * 10**12 / self.scaled_work if self.scaled_work else None

    @property
    def sat_per_mwh(self) -> float | None:
        """What work was worth for a megawatt-hour of mining."""
        if self.expected_msat is None or self.mining_j <= 0:
            return None
        return float(Fraction(self.expected_msat, 1000) * J_PER_MWH / self.mining_j)

    @property
    def ai_share(self) -> float | None:
        """Of all that was drawn."""
        return self.ai_j / self.total_j if self.total_j > 0 else None

    def take(self, row: EnergyRow) -> None:
        self.begin_s = min(self.begin_s, row.begin_s)
        self.end_s = max(self.end_s, row.end_s)
        self.intervals += 1
        self.closed_s += row.end_s - row.begin_s
        if row.metered_j is not None or row.late_j:
            self.metered_j = (self.metered_j or 0) + (row.metered_j or 0) + row.late_j
        self.covered_ms += row.covered_ms
        self.spread_ms += row.spread_ms
        self.estimated_pj += row.estimated_pj
        self.ai_j += row.ai_j
        self.auxiliary_j += row.auxiliary_j
        self.mining_j += row.mining_j
        self.residual_j = _plus(self.residual_j, row.residual_j)
        self.allocated_j = _plus(self.allocated_j, row.allocated_j)
        self.excess_j += row.excess_j
        self.curtailed_j += row.curtailed_j
        self.proven_work += row.proven_work
        self.accepted_work += row.accepted_work
        self.expected_msat = _plus(self.expected_msat, row.expected_msat)
        self.observed_ms += row.observed_ms


class Terms(NamedTuple):
    """What is asked for. Times in Unix seconds; the last is not in it any more."""

    from_s: int
    before_s: int
    spans: Spans
    nodes: frozenset[str] | None = None
    """None: all."""
    tariff: Tariff | None = None
    account_sites: Mapping[str, str] = {}
    """The site of each account."""


@dataclass(slots=True)
class _Work:
    """What the error of a sum is made of: work by site, rating and what a hash takes."""

    lines: dict[tuple[str, Rating, Fraction], tuple[int, int]] = field(default_factory=dict)

    def add(self, line: EnergyLine) -> None:
        key = line.site, line.rating, line.pj_per_hash
        work, work_sq = self.lines.get(key, (0, 0))
        self.lines[key] = work + line.proven_work, work_sq + line.proven_work_sq

    def sigma_j(self, span_s: float) -> int:
        lines = (EnergyLine(*key, *works) for key, works in self.lines.items())
        return round(energy_of(lines, span_s).sigma)


def report(connection: Connection, terms: Terms) -> list[Sum]:
    """The sums, by span and node, of the intervals that are closed and lie wholly within."""
    making = _Making(connection, terms)
    read_from_s = terms.from_s
    if terms.tariff is not None:  # a month's bill is made from its begin
        read_from_s = month_begin_s(terms.from_s, terms.tariff.time_zone)
    rows = (each.row for each in energy_sql.rows_between(connection, read_from_s, terms.before_s))
    for begin_s, interval in groupby(rows, key=lambda row: row.begin_s):
        of_nodes = {row.node: row for row in interval}
        making.take(begin_s, of_nodes)
    making.finish()
    return list(making.sums.values())


class _Making:
    """A report being made, an interval at a time."""

    def __init__(self, connection: Connection, terms: Terms) -> None:
        self._connection = connection
        self._terms = terms
        self._work: dict[tuple[str, str], _Work] = {}
        self._metermen: dict[str, Meterman] = {}
        self.sums: dict[tuple[str, str], Sum] = {}

    def take(self, begin_s: int, rows: Mapping[str, EnergyRow]) -> None:
        terms = self._terms
        end_s = max(row.end_s for row in rows.values())
        if end_s > terms.before_s:
            return
        span = terms.spans.name_of(begin_s)
        is_asked = begin_s >= terms.from_s
        for node, row in rows.items():
            if terms.nodes is not None and node not in terms.nodes:
                continue
            bill = self._bill(row)
            if is_asked:
                found = self.sums.get((span, node))
                if found is None:
                    found = self.sums[span, node] = Sum(node, span, begin_s, end_s)
                found.take(row)
                found.scaled_work += _scaled_work(row, rows)
                if bill is not None:
                    found.bill = found.bill or Bill()
                    found.bill.add(bill)
        if is_asked:
            self._take_work(span, begin_s, end_s, rows)

    def finish(self) -> None:
        for key, found in self.sums.items():
            if (work := self._work.get(key)) is not None:
                found.sigma_j = work.sigma_j(found.closed_s)
        self._take_blocks()

    def _bill(self, row: EnergyRow) -> Bill | None:
        if self._terms.tariff is None:
            return None
        meterman = self._metermen.get(row.node)
        if meterman is None:
            meterman = self._metermen[row.node] = Meterman(self._terms.tariff)
        energy_j = row.mining_j + row.ai_j + row.auxiliary_j
        return meterman.bill(Load(row.begin_s, row.end_s, energy_j))

    def _take_work(
        self, span: str, begin_s: int, end_s: int, rows: Mapping[str, EnergyRow]
    ) -> None:
        for (_, path, rating), work in energy_sql.node_work(self._connection, begin_s, end_s):
            site = rows.get(path.partition("/")[0])
            if site is None:
                continue
            below = rating.j_per_th * site.work_scale
            for node in (PROGRAMME, *prefixes(path)):
                if (span, node) not in self.sums or node not in rows:
                    continue
                is_inside = node != PROGRAMME and "/" in node
                pj_per_hash = below if is_inside else below * site.pue
                line = EnergyLine(
                    site.node, rating, pj_per_hash, work.proven_work, work.proven_work_sq
                )
                self._work.setdefault((span, node), _Work()).add(line)

    def _take_blocks(self) -> None:
        terms = self._terms
        for found_at_ms, account, value_sat in energy_sql.found_values(
            self._connection, terms.from_s * _MS, terms.before_s * _MS
        ):
            for each in self._of_site(found_at_ms, account):
                each.found_sat = _plus(each.found_sat, value_sat)
        for found_at_ms, label, paid_sat in energy_sql.paid_values(
            self._connection, terms.from_s * _MS, terms.before_s * _MS
        ):
            for each in self._of_site(found_at_ms, label):
                each.paid_sat = _plus(each.paid_sat, paid_sat)

    def _of_site(self, found_at_ms: int, account: str) -> Iterator[Sum]:
        """The sums that a block counts in which was found then."""
        site = self._terms.account_sites.get(account)
        if site is not None:
            span = self._terms.spans.name_of(found_at_ms // _MS)
            found = (self.sums.get((span, node)) for node in (site, PROGRAMME))
            yield from (each for each in found if each is not None)


def _scaled_work(row: EnergyRow, rows: Mapping[str, EnergyRow]) -> int:
    """Hashes that stand for so many: of the programme those of its sites."""
    if row.node != PROGRAMME:
        return row.proven_work * row.work_scale
    return sum(each.proven_work * each.work_scale for each in rows.values() if "/" not in each.node)


def _plus(mine: int | None, more: int | None) -> int | None:
    return mine if more is None else more if mine is None else mine + more
