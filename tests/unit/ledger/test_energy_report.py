"""Reports on energy, made of real books."""

from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import pytest

from poolserver.ledger import energy_sql
from poolserver.ledger.database import Connection
from poolserver.ledger.delta import NodeKey
from poolserver.ledger.energy_facts import AiFact, Facts, MeterFact, NodeFact
from poolserver.ledger.energy_report import Spans, Sum, Terms, report
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.totals import Earning, EarningKey
from poolserver.power.tariff import EnergyPrice, Tariff
from tests.unit.ledger.energies import BEGIN, RATING, SPAN_MS, tree, work

NBITS = 0x1D00FFFF
WORK_OF_A_BLOCK = 4_295_032_833


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Connection]:
    """Four quarters of an hour, each with 100 TH at F1, 50 J metered at the site and 10 of AI."""
    with closing(SqliteDatabase(tmp_path / "ledger.sqlite").connect()) as connection:
        for number in range(4):
            begin_s = BEGIN + 900 * number
            told = Facts(
                {(begin_s, "Hall"): NodeFact(SPAN_MS, SPAN_MS, 9_000_000, 1000, 500)},
                {(begin_s, "Hall", "ai"): AiFact(10_000, SPAN_MS)},
                {(begin_s, "main"): MeterFact(5000, SPAN_MS)},
            )
            with connection.transaction():
                energy_sql.put_facts(connection, told)
                energy_sql.add_node_work(
                    connection, {NodeKey(begin_s, "Hall/F1", RATING): work(100)}
                )
                earned = Earning(100, WORK_OF_A_BLOCK * 7)
                energy_sql.add_site_earnings(
                    connection, {EarningKey(begin_s, "Hall", "north", NBITS): earned}
                )
                assert energy_sql.close_next(connection, tree(), 900, 2**40)
        yield connection


TERMS = Terms(BEGIN, BEGIN + 3600, Spans("total", "UTC"))


def sums(connection: Connection, terms: Terms = TERMS) -> dict[str, Sum]:
    return {each.node: each for each in report(connection, terms)}


def test_a_total_is_the_sum_of_its_intervals(books: Connection) -> None:
    hall = sums(books)["Hall"]
    assert (hall.intervals, hall.closed_s) == (4, 3600)
    assert hall.metered_j == 20_000
    assert hall.ai_j == 40
    assert hall.auxiliary_j == 4 * 1800
    assert hall.mining_j == 20_000 - 40 - 7200
    assert hall.total_j == 20_000
    assert hall.estimated_pj == 400 * 10**12 * 20 * Fraction("1.05")
    assert hall.residual_j == hall.mining_j - 8400
    assert hall.allocated_j == 36_000
    assert (hall.excess_j, hall.curtailed_j) == (4, 0)
    assert hall.expected_msat == 28_000
    assert hall.sat_per_mwh == pytest.approx(28 * 3.6e9 / hall.mining_j)
    assert hall.j_per_th == pytest.approx(hall.mining_j / 400)
    assert hall.hashrate_h_s == pytest.approx(400e12 / 3600)
    assert hall.ai_share == pytest.approx(40 / 20_000)


def test_an_error_of_a_span_is_not_that_of_its_intervals_in_squares(books: Connection) -> None:
    whole = sums(books)["Hall/F1"].sigma_j
    parts = [
        each.sigma_j
        for each in report(books, TERMS._replace(spans=Spans("interval", "UTC")))
        if each.node == "Hall/F1"
    ]
    # Four shares: chance is half of one interval's in relation; the rating's error stays.
    assert len(parts) == 4
    assert sum(each**2 for each in parts) ** 0.5 < whole < sum(parts)


def test_spans_are_by_the_sites_clock(books: Connection) -> None:
    found = report(books, TERMS._replace(spans=Spans("interval", "Asia/Karachi")))
    assert [each.span for each in found if each.node == "/"] == [
        "2027-01-15 13:00+05:00",
        "2027-01-15 13:15+05:00",
        "2027-01-15 13:30+05:00",
        "2027-01-15 13:45+05:00",
    ]
    assert Spans("day", "Asia/Karachi").name_of(BEGIN + 11 * 3600) == "2027-01-16"
    assert Spans("month", "UTC").name_of(BEGIN) == "2027-01"


def test_only_whole_intervals_and_nodes_that_are_asked_for(books: Connection) -> None:
    terms = TERMS._replace(from_s=BEGIN + 1, before_s=BEGIN + 3599, nodes=frozenset({"Hall"}))
    (hall,) = report(books, terms)
    assert (hall.node, hall.intervals, hall.begin_s) == ("Hall", 2, BEGIN + 900)


def test_the_programmes_work_counts_as_its_sites_scale_has_it(books: Connection) -> None:
    books.execute("UPDATE energy_row SET work_scale = 1000 WHERE node <> '/'")
    found = sums(books)
    assert found["/"].scaled_work == found["Hall"].scaled_work == 400_000 * 10**12


def test_energy_has_its_cost_and_a_months_bill_is_made_from_its_begin(books: Connection) -> None:
    prices = (EnergyPrice("energy", Fraction(1)),)
    tariff = Tariff(components=prices, baseline_j_month=7000)
    found = sums(books, TERMS._replace(tariff=tariff))["Hall"].bill
    assert found is not None
    assert found.total == Fraction(20_000, 3_600_000)
    assert (int(found.baseline_j), int(found.incremental_j)) == (7000, 13_000)
    later = sums(books, TERMS._replace(from_s=BEGIN + 900, tariff=tariff))["Hall"].bill
    assert later is not None
    assert int(later.baseline_j) == 2000


def test_blocks_are_told_of_the_site_whose_rigs_found_them_and_of_whom_they_pay(
    books: Connection,
) -> None:
    at_ms = (BEGIN + 100) * 1000
    for number, state in enumerate(("mature", "orphaned")):
        books.execute(
            "INSERT INTO block (hash, height, state, reason, worker, found_at_ms, updated_at_ms)"
            " VALUES (?, 1, ?, '', 'north.rig1', ?, ?)",
            (f"{number}", state, at_ms, at_ms),
        )
        books.execute(
            "INSERT INTO block_payout (hash, value_sat, fee_sat, outputs, dues)"
            " VALUES (?, 500, 0, 1, 2)",
            (f"{number}",),
        )
        for position, label in enumerate(("north", "stranger")):
            books.execute(
                "INSERT INTO block_due (hash, position, label, due_sat, unpaid_sat)"
                " VALUES (?, ?, ?, 300, 10)",
                (f"{number}", position, label),
            )
    found = sums(books, TERMS._replace(account_sites={"north": "Hall"}))
    for node in ("Hall", "/"):
        assert (found[node].found_sat, found[node].paid_sat) == (500, 290)
    assert found["Hall/F1"].found_sat is None


def test_late_energy_is_metered_in_the_report(books: Connection) -> None:
    begin_s = BEGIN + 3600
    with books.transaction():
        energy_sql.put_facts(
            books, Facts(meters={(begin_s, "main"): MeterFact(1, SPAN_MS, 0, late_j=99)})
        )
        energy_sql.close_next(books, tree(), 900, 2**40)
    terms = TERMS._replace(before_s=BEGIN + 4500)
    assert sums(books, terms)["Hall"].metered_j == 20_000 + 100


def test_of_nothing_there_is_nothing(books: Connection) -> None:
    nothing = Sum("Hall", "total", 0, 0)
    assert (nothing.sat_per_mwh, nothing.j_per_th, nothing.ai_share) == (None, None, None)
    assert report(books, TERMS._replace(from_s=0, before_s=BEGIN)) == []
