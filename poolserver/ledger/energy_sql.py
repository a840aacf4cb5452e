"""The store's statements about power and energy. See migrations/."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple
from fractions import Fraction
from typing import Any, NamedTuple

from poolserver.ledger.blocks import EARNING
from poolserver.ledger.database import Connection, Table, Value
from poolserver.ledger.delta import NodeKey, NodeWork
from poolserver.ledger.energy import FIRST_PREVIOUS, ChainedRow, EnergyRow, chained
from poolserver.ledger.energy_close import Interval, close_interval
from poolserver.ledger.energy_facts import AiFact, Facts, MeterFact, NodeFact
from poolserver.ledger.totals import INTERVAL_S, Earning, EarningKey
from poolserver.power.energy_meter import MeterPoint
from poolserver.power.rating import Rating, RatingSource
from poolserver.power.tree import PowerTree

NODE_WORK = Table(
    "node_work",
    ("begin_s", "node", "model", "source", "j_per_th"),
    exact=("proven_work", "proven_work_sq", "accepted_work"),
)
SITE_EARNING = Table(
    "site_earning", ("begin_s", "site", "nbits"), exact=("accepted_work", "value_work")
)
NODE_FACT = Table(
    "node_fact",
    ("begin_s", "node"),
    replaced=("observed_ms", "limited_ms", "allocated_mj", "excess_mj", "curtailed_mj"),
)
AI_FACT = Table("ai_fact", ("begin_s", "site", "name"), replaced=("energy_mj", "known_ms"))
METER_FACT = Table(
    "meter_fact",
    ("begin_s", "meter"),
    replaced=("energy_j", "covered_ms", "spread_ms", "late_j"),
)
METER_POINT = Table(
    "meter_point",
    ("meter",),
    replaced=("at_ms", "power_mw", "rest", "counter_j", "counter_ms", "booked_j", "gaps"),
)
POWER_STATE = Table("power_state", ("part",), replaced=("state",))

_ROW = ", ".join(EnergyRow._fields)
_CHAINED = f"number, {_ROW}, head"
_BIG = frozenset({"proven_work", "accepted_work", "expected_msat"})
_FRACTIONS = frozenset({"pue", "estimated_pj"})
_AS_TEXT = _BIG | _FRACTIONS | {"method"}
_EARNING = ", ".join("?" * len(EARNING))
_FACT_TABLES = (NODE_FACT, AI_FACT, METER_FACT)


class EnergyState(NamedTuple):
    """All that a start takes up from."""

    closed_until_s: int
    """When the last closed interval ended; 0: none is closed."""
    facts: Facts
    """Of the quarters that are open."""
    points: dict[str, MeterPoint]
    """By the meter's name."""
    states: dict[str, str]
    """What other parts on power go on from."""


# --- work and earnings ------------------------------------------------------------------------


def add_node_work(connection: Connection, nodes: Mapping[NodeKey, NodeWork]) -> None:
    """Add work at power nodes: what is of a closed interval to the first that is open."""
    if not nodes:
        return
    closed_s = closed_until(connection)
    booked = nodes
    if any(key.begin_s < closed_s for key in nodes):  # seldom: it is thousands of racks
        booked = {}
        for key, work in nodes.items():
            key = key._replace(begin_s=max(key.begin_s, closed_s))
            booked.setdefault(key, NodeWork()).add(work)
    connection.upsert(
        NODE_WORK,
        (
            (
                begin_s,
                node,
                rating.model,
                int(rating.source),
                str(rating.j_per_th),
                str(work.proven_work),
                str(work.proven_work_sq),
                str(work.accepted_work),
            )
            for (begin_s, node, rating), work in booked.items()
        ),
    )


def add_site_earnings(connection: Connection, earnings: Mapping[EarningKey, Earning]) -> None:
    """Add what accepted work was worth, as add_node_work() does."""
    if not earnings:
        return
    closed_s = closed_until(connection)
    booked: dict[tuple[int, str, int], Earning] = {}
    for (begin_s, site, _, nbits), earning in earnings.items():
        booked.setdefault((max(begin_s, closed_s), site, nbits), Earning()).add(earning)
    connection.upsert(
        SITE_EARNING,
        (
            (*key, str(earning.accepted_work), str(earning.value_work))
            for key, earning in booked.items()
        ),
    )


def node_work(
    connection: Connection, from_s: int, before_s: int
) -> Iterator[tuple[NodeKey, NodeWork]]:
    """The work of a time."""
    rows = connection.execute(
        "SELECT begin_s, node, j_per_th, source, model, proven_work, proven_work_sq, accepted_work"
        " FROM node_work WHERE begin_s >= ? AND begin_s < ? ORDER BY begin_s",
        (from_s, before_s),
    )
    ratings: dict[tuple[str, int, str], Rating] = {}  # few: to read a fraction takes long
    for begin_s, node, j_per_th, source, model, *work in rows:
        rating = ratings.get((j_per_th, source, model))
        if rating is None:
            rating = Rating(Fraction(j_per_th), RatingSource(source), model)
            ratings[j_per_th, source, model] = rating
        yield NodeKey(begin_s, node, rating), NodeWork(*map(int, work))


def node_totals(connection: Connection) -> dict[str, tuple[int, int]]:
    """By site, when the first work at its nodes begins, and all of it."""
    found: dict[str, tuple[int, int]] = {}
    for begin_s, node, work in connection.execute(
        "SELECT begin_s, node, proven_work FROM node_work ORDER BY begin_s"
    ):
        site = node.partition("/")[0]
        first_s, total = found.get(site, (begin_s, 0))
        found[site] = first_s, total + int(work)
    return found


def worker_totals_since(connection: Connection, from_s: int) -> dict[str, int]:
    """By site, the proven work of its workers in intervals that begin from then on."""
    found: dict[str, int] = {}
    for site, work in connection.execute(
        "SELECT site, proven_work FROM worker_interval JOIN worker ON id = worker_id"
        " WHERE begin_s >= ?",
        (from_s,),
    ):
        found[site] = found.get(site, 0) + int(work)
    return found


# --- what is told of open intervals -----------------------------------------------------------


def load_state(connection: Connection) -> EnergyState:
    """What a start takes up from."""
    closed_s = closed_until(connection)
    points = {
        meter: MeterPoint(at_ms, power_mw, rest, counter_j, counter_ms, booked_j, _gaps(gaps))
        for meter, at_ms, power_mw, rest, counter_j, counter_ms, booked_j, gaps in (
            connection.execute(f"SELECT {', '.join(METER_POINT.columns)} FROM meter_point")
        )
    }
    return EnergyState(closed_s, facts(connection, closed_s, 2**62), points, states(connection))


def states(connection: Connection) -> dict[str, str]:
    """What parts on power, and graphs of it, go on from: by the part's name, as it wrote it."""
    return dict(connection.execute("SELECT part, state FROM power_state").fetchall())


def facts(connection: Connection, from_s: int, before_s: int) -> Facts:
    """What is told of a time."""

    def read(table: Table) -> Iterator[Sequence[Any]]:
        columns = ", ".join(table.columns)
        return iter(
            connection.execute(
                f"SELECT {columns} FROM {table.name} WHERE begin_s >= ? AND begin_s < ?",
                (from_s, before_s),
            )
        )

    return Facts(
        {(begin_s, node): NodeFact(*rest) for begin_s, node, *rest in read(NODE_FACT)},
        {(begin_s, site, name): AiFact(*rest) for begin_s, site, name, *rest in read(AI_FACT)},
        {(begin_s, meter): MeterFact(*rest) for begin_s, meter, *rest in read(METER_FACT)},
    )


def put_facts(connection: Connection, told: Facts) -> None:
    """Take down what is told, in the place of what was told before of the same."""
    connection.upsert(NODE_FACT, ((*key, *astuple(fact)) for key, fact in told.nodes.items()))
    connection.upsert(AI_FACT, ((*key, *astuple(fact)) for key, fact in told.ai_loads.items()))
    connection.upsert(METER_FACT, ((*key, *astuple(fact)) for key, fact in told.meters.items()))


def put_points(connection: Connection, points: Mapping[str, MeterPoint]) -> None:
    """Take down where the meters' accounts stand."""
    connection.upsert(
        METER_POINT,
        (
            (
                meter,
                point.at_ms,
                point.power_mw,
                point.rest,
                point.counter_j,
                point.counter_ms,
                point.booked_j,
                " ".join(f"{from_ms}-{until_ms}" for from_ms, until_ms in point.gaps),
            )
            for meter, point in points.items()
        ),
    )


def put_states(connection: Connection, states: Mapping[str, str]) -> None:
    """Take down what other parts on power go on from."""
    connection.upsert(POWER_STATE, states.items())


def _gaps(text: str) -> tuple[tuple[int, int], ...]:
    pairs = (each.split("-") for each in text.split())
    return tuple((int(from_ms), int(until_ms)) for from_ms, until_ms in pairs)


# --- what blocks pay --------------------------------------------------------------------------


def found_values(
    connection: Connection, from_ms: int, before_ms: int
) -> list[tuple[int, str, int]]:
    """Of blocks that count and were found then: when, by whose account, and what they are worth."""
    rows = connection.execute(
        "SELECT found_at_ms, worker, value_sat FROM block JOIN block_payout USING (hash)"
        f" WHERE found_at_ms >= ? AND found_at_ms < ? AND state IN ({_EARNING})",
        (from_ms, before_ms, *EARNING),
    )
    return [(at_ms, worker.partition(".")[0], int(value)) for at_ms, worker, value in rows]


def paid_values(connection: Connection, from_ms: int, before_ms: int) -> list[tuple[int, str, int]]:
    """What such blocks pay to whom: when they were found, the label, and satoshi."""
    rows = connection.execute(
        "SELECT found_at_ms, label, due_sat - unpaid_sat FROM block JOIN block_due USING (hash)"
        f" WHERE found_at_ms >= ? AND found_at_ms < ? AND state IN ({_EARNING})",
        (from_ms, before_ms, *EARNING),
    )
    return [(at_ms, label, int(paid)) for at_ms, label, paid in rows]


# --- the chain --------------------------------------------------------------------------------


def closed_until(connection: Connection) -> int:
    """When the last closed interval ended, in Unix seconds; 0: none is closed."""
    row = connection.execute("SELECT end_s FROM energy_row ORDER BY number DESC LIMIT 1").fetchone()
    return 0 if row is None else int(row[0])


def last_row(connection: Connection) -> tuple[int, bytes]:
    """The number and the head of the chain's end; before the first row 0 and FIRST_PREVIOUS."""
    row = connection.execute(
        "SELECT number, head FROM energy_row ORDER BY number DESC LIMIT 1"
    ).fetchone()
    return (0, FIRST_PREVIOUS) if row is None else (int(row[0]), bytes(row[1]))


def close_next(
    connection: Connection, tree: PowerTree, interval_s: int, until_s: int
) -> list[ChainedRow]:
    """Close the first interval that is open, if it ends by ``until_s``: the rows it has.

    The caller has it all in one transaction. Nothing is closed before there is something.
    """
    begin_s = closed_until(connection) or _first_begin(connection)
    if begin_s is None or (end_s := (begin_s // interval_s + 1) * interval_s) > until_s:
        return []
    interval = read_interval(connection, begin_s, end_s)
    rows = list(chained(close_interval(tree, interval), *last_row(connection)))
    _add_rows(connection, rows)
    return rows


def read_interval(connection: Connection, begin_s: int, end_s: int) -> Interval:
    """What is known of an interval."""
    interval = Interval(begin_s, end_s, facts(connection, begin_s, end_s))
    for (_, node, rating), work in node_work(connection, begin_s, end_s):
        interval.work.setdefault((node, rating), NodeWork()).add(work)
    for site, nbits, work, value_work in connection.execute(
        "SELECT site, nbits, accepted_work, value_work FROM site_earning"
        " WHERE begin_s >= ? AND begin_s < ?",
        (begin_s, end_s),
    ):
        earned = interval.earnings.setdefault((site, nbits), Earning())
        earned.add(Earning(int(work), int(value_work)))
    return interval


def rows_between(connection: Connection, from_s: int, before_s: int) -> Iterator[ChainedRow]:
    """The rows of intervals that begin then, in the order of the chain."""
    found = connection.execute(
        f"SELECT {_CHAINED} FROM energy_row WHERE begin_s >= ? AND begin_s < ? ORDER BY number",
        (from_s, before_s),
    )
    return (_chained(*row) for row in found)


def _chained(number: int, *columns: Any) -> ChainedRow:
    *fields, head = columns
    told = dict(zip(EnergyRow._fields, fields, strict=True))
    for name in _BIG:
        told[name] = None if told[name] is None else int(told[name])
    for name in _FRACTIONS:
        told[name] = Fraction(told[name])
    return ChainedRow(number, EnergyRow(**told), bytes(head))


def _add_rows(connection: Connection, rows: Iterable[ChainedRow]) -> None:
    values = ", ".join("?" * (len(EnergyRow._fields) + 2))
    connection.executemany(
        f"INSERT INTO energy_row ({_CHAINED}) VALUES ({values})",
        ((each.number, *_columns(each.row), each.head) for each in rows),
    )


def _columns(row: EnergyRow) -> list[Value]:
    return [
        str(value)
        if isinstance(value, Fraction) or (name in _AS_TEXT and value is not None)
        else value
        for name, value in zip(EnergyRow._fields, row, strict=True)
    ]


def _first_begin(connection: Connection) -> int | None:
    """When the first quarter begins that anything is told of."""
    tables = (NODE_WORK, *_FACT_TABLES)
    found = [
        begin_s
        for table in tables
        for (begin_s,) in connection.execute(f"SELECT min(begin_s) FROM {table.name}")
        if begin_s is not None
    ]
    return min(found) // INTERVAL_S * INTERVAL_S if found else None
