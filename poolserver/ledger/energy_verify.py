"""Checks the energy ledger: the chain, and each row against the facts that it was made of.

What a row says of its node's PUE and scale is in the chain, and is taken from it: the
configuration of today says nothing of what was. Nor is an error made again: what is thought of
errors changes with versions.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

from poolserver.ledger import energy_sql
from poolserver.ledger.database import Connection
from poolserver.ledger.delta import NodeWork
from poolserver.ledger.energy import FIRST_PREVIOUS, ChainedRow, EnergyRow, head_of
from poolserver.ledger.energy_close import Interval, Method, expected_msat
from poolserver.ledger.energy_facts import MeterFact, NodeFact
from poolserver.ledger.totals import INTERVAL_S
from poolserver.power.energy import PJ_PER_J
from poolserver.power.rating import Rating
from poolserver.power.tree import PROGRAMME, prefixes

MOST_DIFFERENCES = 100
"""That are told in full."""


@dataclass(slots=True)
class EnergyCheck:
    """What was found."""

    rows: int = 0
    intervals: int = 0
    last_number: int = 0
    last_head: str = ""
    difference_count: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.difference_count

    def differs(self, text: str) -> None:
        self.difference_count += 1
        if len(self.differences) < MOST_DIFFERENCES:
            self.differences.append(text)


def verify_energy(
    connection: Connection,
    kept_heads: Mapping[int, bytes],
    on_progress: Callable[[int, int], None] | None = None,
) -> EnergyCheck:
    """Check all rows. ``kept_heads`` are heads of rows, by number, that were kept elsewhere;
    ``on_progress`` is told how many rows are checked, and of how many."""
    check = EnergyCheck()
    total = 0 if on_progress is None else energy_sql.last_row(connection)[0]
    rows = _chain(check, energy_sql.rows_between(connection, -(2**62), 2**62), kept_heads)
    until_s: int | None = None
    for begin_s, group in groupby(rows, key=lambda each: each.row.begin_s):
        of_nodes = {each.row.node: each.row for each in group}
        end_s = next(iter(of_nodes.values())).end_s
        if until_s is not None and begin_s != until_s:
            check.differs(f"the interval at {begin_s} does not follow on the one before it")
        until_s = end_s
        check.intervals += 1
        if on_progress is not None:
            on_progress(check.last_number, total)
        interval = energy_sql.read_interval(connection, begin_s, end_s)
        work = _work_at(of_nodes, interval)
        for row in of_nodes.values():
            sites = {node for node in of_nodes if "/" not in node}
            again = _again(row, work.get(row.node, _Work()), interval, sites)
            for what in _differing(row, again):
                check.differs(f"row of {row.node} at {begin_s}: {what}")
    for number in kept_heads:
        if number > check.last_number:
            check.differs(f"row {number} is not there, of which a head was kept")
    for text in _work_differences(connection):
        check.differs(text)
    return check


def _chain(
    check: EnergyCheck, rows: Iterator[ChainedRow], kept_heads: Mapping[int, bytes]
) -> Iterator[ChainedRow]:
    """The rows as they come, each looked at in its place."""
    previous = FIRST_PREVIOUS
    for each in rows:
        if each.number != check.rows + 1:
            check.differs(f"row {each.number} stands where row {check.rows + 1} should")
        if each.head != head_of(previous, each.row):
            check.differs(f"row {each.number} is not what its head stands over")
        if each.head != kept_heads.get(each.number, each.head):
            check.differs(f"row {each.number} has another head than the one that was kept")
        previous = each.head
        check.rows += 1
        check.last_number, check.last_head = each.number, each.head.hex()
        yield each


# --- a row made again -------------------------------------------------------------------------


class _Work(NamedTuple):
    """The work at a node and below it, and its energy."""

    proven: int = 0
    accepted: int = 0
    energy_pj: Fraction = Fraction(0)


def _work_at(rows: Mapping[str, EnergyRow], interval: Interval) -> dict[str, _Work]:
    """By node. Thousands of racks are added up first, by the node with a row that they are in."""
    there: dict[tuple[str, Rating], NodeWork] = {}
    for (path, rating), work in interval.work.items():
        home = next((node for node in prefixes(path) if node in rows), PROGRAMME)
        there.setdefault((home, rating), NodeWork()).add(work)
    found: dict[str, _Work] = {}
    for (home, rating), work in there.items():
        site = rows[home.partition("/")[0] or PROGRAMME]
        inside_pj = work.proven_work * rating.j_per_th * site.work_scale
        for node in {PROGRAMME, *prefixes(home.strip(PROGRAMME))}:
            is_inside = "/" in node and node != PROGRAMME
            proven, accepted, energy_pj = found.get(node, _Work())
            found[node] = _Work(
                proven + work.proven_work,
                accepted + work.accepted_work,
                energy_pj + (inside_pj if is_inside else inside_pj * site.pue),
            )
    return found


def _differing(row: EnergyRow, again: Mapping[str, object]) -> Iterator[str]:
    """What of a row is not as it was made again."""
    for name, value in again.items():
        said = getattr(row, name)
        if said != value:
            yield f"{name} is {said}, made again {value}"


def _again(
    row: EnergyRow, work: _Work, interval: Interval, sites: Collection[str]
) -> dict[str, object]:
    """What a row's facts come to."""
    span_ms = interval.span_ms
    meter = _meter_of(row, interval)
    fact = _node_fact(row, interval)
    again: dict[str, object] = {
        "proven_work": work.proven,
        "accepted_work": work.accepted,
        "estimated_pj": work.energy_pj,
        "metered_j": meter.energy_j if meter.covered_ms else None,
        "covered_ms": min(meter.covered_ms, span_ms),
        "spread_ms": meter.spread_ms,
        "late_j": meter.late_j,
        "observed_ms": min(fact.observed_ms, span_ms),
        "allocated_j": fact.allocated_mj // 1000 if fact.limited_ms else None,
        "excess_j": fact.excess_mj // 1000,
        "curtailed_j": fact.curtailed_mj // 1000,
    }
    if row.expected_msat is not None:
        of = sites if row.node == PROGRAMME else {row.node}
        earned = {key: each for key, each in interval.earnings.items() if key[0] in of}
        again["expected_msat"] = expected_msat(earned)
    if row.method == Method.METER and row.metered_j is not None:
        other_j = row.ai_j + row.auxiliary_j
        again["mining_j"] = row.metered_j - other_j
        again["residual_j"] = (row.metered_j - other_j - work.energy_pj / PJ_PER_J).__floor__()
    return again


def _meter_of(row: EnergyRow, interval: Interval) -> MeterFact:
    whole = MeterFact()
    for (_, name), fact in interval.facts.meters.items():
        if name == row.meter:
            whole.energy_j += fact.energy_j
            whole.covered_ms += fact.covered_ms
            whole.spread_ms += fact.spread_ms
            whole.late_j += fact.late_j
    return whole


def _node_fact(row: EnergyRow, interval: Interval) -> NodeFact:
    whole = NodeFact()
    for (_, node), fact in interval.facts.nodes.items():
        if node == row.node:
            whole.observed_ms += fact.observed_ms
            whole.limited_ms += fact.limited_ms
            whole.allocated_mj += fact.allocated_mj
            whole.excess_mj += fact.excess_mj
            whole.curtailed_mj += fact.curtailed_mj
    return whole


# --- against the shares -----------------------------------------------------------------------


def _work_differences(connection: Connection) -> Iterator[str]:
    """Work at nodes must be that of the workers' rows, which signed days stand over.

    What comes late stands in a later interval at nodes, so all of it is compared together; of the
    quarter of an hour in which the books of nodes were begun only a part need be there.
    """
    found = energy_sql.node_totals(connection)
    first_s = min((begin_s for begin_s, _ in found.values()), default=0)
    since = energy_sql.worker_totals_since(connection, first_s + INTERVAL_S)
    ever = energy_sql.worker_totals_since(connection, -(2**62))
    for site, (_, at_nodes) in sorted(found.items()):
        least, most = since.get(site, 0), ever.get(site, 0)
        if not least <= at_nodes <= most:
            yield f"nodes of {site} have {at_nodes} hashes, its workers {least} to {most}"
