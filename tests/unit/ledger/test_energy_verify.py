"""Whatever is changed in the energy ledger is found."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from poolserver.ledger import energy_sql
from poolserver.ledger.database import Connection
from poolserver.ledger.delta import NodeKey
from poolserver.ledger.energy_facts import AiFact, Facts, MeterFact, NodeFact
from poolserver.ledger.energy_verify import EnergyCheck, verify_energy
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.totals import Earning, EarningKey
from tests.unit.ledger.energies import BEGIN, RATING, SPAN_MS, tree, work


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Connection]:
    """Two intervals of half an hour with all there is, and the workers' rows."""
    with closing(SqliteDatabase(tmp_path / "ledger.sqlite").connect()) as connection:
        connection.execute(
            "INSERT INTO worker (id, site, account, worker) VALUES (1, 'Hall', 'north', 'north.1')"
        )
        for number in range(4):
            begin_s = BEGIN + 900 * number
            told = Facts(
                {(begin_s, "Hall"): NodeFact(SPAN_MS - 1, SPAN_MS, 9_000_999, 1999, 501)},
                {(begin_s, "Hall", "ai"): AiFact(10_000, SPAN_MS)},
                {
                    (begin_s, "main"): MeterFact(5000, SPAN_MS, number, late_j=number),
                    (begin_s, "f1"): MeterFact(2000, SPAN_MS // 2),
                },
            )
            with connection.transaction():
                energy_sql.put_facts(connection, told)
                for node in ("Hall/F1/r1", "Hall/F2", "Hall/gone"):
                    key = NodeKey(begin_s, node, RATING)
                    energy_sql.add_node_work(connection, {key: work(100, 90)})
                energy_sql.add_site_earnings(
                    connection,
                    {EarningKey(begin_s, "Hall", "north", 0x1D00FFFF): Earning(5, 10**12)},
                )
                connection.execute(
                    "INSERT INTO worker_interval (begin_s, worker_id, accepted_work, proven_work,"
                    " proven_work_sq, accepted, stale, job_not_found, duplicate, low_difficulty,"
                    " unauthorized, not_subscribed, ntime_out_of_range, version_outside_mask,"
                    " malformed) VALUES (?, 1, '0', ?, '0', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
                    (begin_s, str(300 * 10**12)),
                )
        with connection.transaction():
            assert energy_sql.close_next(connection, tree(), 1800, 2**40)
            assert energy_sql.close_next(connection, tree(), 1800, 2**40)
        yield connection


def checked(connection: Connection, **kept: bytes) -> EnergyCheck:
    return verify_energy(connection, {int(number[1:]): head for number, head in kept.items()})


def test_good_books_are_good(books: Connection) -> None:
    check = checked(books)
    assert check.differences == []
    assert (check.rows, check.intervals, check.last_number) == (8, 2, 8)
    assert check.last_head == energy_sql.last_row(books)[1].hex()
    assert checked(books, n8=energy_sql.last_row(books)[1]).good


def test_empty_books_are_good(tmp_path: Path) -> None:
    with closing(SqliteDatabase(tmp_path / "other.sqlite").connect()) as connection:
        assert checked(connection).good


@pytest.mark.parametrize(
    "column",
    [
        "method",
        "meter",
        "metered_j",
        "covered_ms",
        "late_j",
        "proven_work",
        "estimated_pj",
        "sigma_j",
        "pue",
        "ai_j",
        "mining_j",
        "expected_msat",
        "observed_ms",
        "end_s",
    ],
)
def test_a_row_that_was_changed_is_found(books: Connection, column: str) -> None:
    books.execute(f"UPDATE energy_row SET {column} = 1234567 WHERE number = 2")
    assert "row 2 is not what its head stands over" in checked(books).differences


def test_rows_that_were_taken_out_or_put_in_another_place_are_found(books: Connection) -> None:
    kept = energy_sql.last_row(books)[1]
    books.execute("DELETE FROM energy_row WHERE number = 8")
    assert checked(books).good  # the end of a chain is known to those only who kept a head
    assert not checked(books, n8=kept).good
    books.execute("DELETE FROM energy_row WHERE number = 3")
    assert "row 4 stands where row 3 should" in checked(books).differences


def test_a_chain_made_anew_is_found_by_a_head_that_was_kept(books: Connection) -> None:
    assert checked(books, n3=bytes(32)).differences == [
        "row 3 has another head than the one that was kept"
    ]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("UPDATE node_work SET proven_work = '7' WHERE node = 'Hall/F2'", "proven_work"),
        ("UPDATE node_work SET j_per_th = '21' WHERE node = 'Hall/F2'", "estimated_pj"),
        ("UPDATE meter_fact SET energy_j = 1 WHERE meter = 'main'", "metered_j"),
        ("UPDATE meter_fact SET late_j = 9 WHERE meter = 'main'", "late_j"),
        ("UPDATE node_fact SET allocated_mj = 0", "allocated_j"),
        ("UPDATE node_fact SET observed_ms = 0", "observed_ms"),
        ("UPDATE site_earning SET value_work = '1'", "expected_msat"),
    ],
)
def test_facts_that_were_changed_are_found(books: Connection, change: str, what: str) -> None:
    books.execute(change)
    assert any(what in each for each in checked(books).differences)


def test_work_that_the_workers_rows_do_not_have_is_found(books: Connection) -> None:
    books.execute("UPDATE worker_interval SET proven_work = '1'")
    assert any("its workers" in each for each in checked(books).differences)
