"""What signs, checks, proves and exports does it on each database, and comes to the same."""

from pathlib import Path

import pytest

from poolserver.ledger import audit_sql
from poolserver.ledger.database import Database
from poolserver.ledger.export import ALL_DAYS, EXPORTS
from poolserver.ledger.export_files import export_table
from poolserver.ledger.proof import check_proof, make_proof
from poolserver.ledger.verify import VerifyTerms, verify
from tests.unit.ledger.books import DAY, Books, two_signed_days

BEGIN_S = DAY * 86_400 + 900
# Of the ledger of two_signed_days(), whatever the key: what somebody kept stays true for ever.
HEADS = [
    "f2244c3e9661313480caa35c0b5952c425cf6fcbf1e363fec4d8d1d77f7ff313",
    "9786db885e8846a04b526d8b34ba8f698c3bc9a9d41646397fc00f04142995af",
]


@pytest.fixture
async def books(tmp_path: Path, database: Database) -> Books:
    return await two_signed_days(tmp_path, database)


def change(books: Books, statement: str) -> None:
    connection = books.database.connect()
    try:
        connection.execute(statement)
    finally:
        connection.close()


async def test_heads_are_the_same_on_each_and_for_ever(books: Books) -> None:
    connection = books.database.reader()
    heads = [day.head.hex() for day in audit_sql.signed_days(connection)]
    connection.close()
    assert heads == HEADS


async def test_a_good_ledger_is_good_and_one_changed_count_is_found(books: Books) -> None:
    report = verify(books.database, books.journal_dir, VerifyTerms())
    assert (report.good, report.rows, report.journal_intervals) == (True, 36, 12)
    change(
        books,
        f"UPDATE worker_interval SET stale = stale + 1 WHERE begin_s = {BEGIN_S} AND worker_id ="
        " (SELECT id FROM worker WHERE worker = 'north.rig2')",
    )
    report = verify(books.database, books.journal_dir, VerifyTerms())
    assert {each.kind: each.worker for each in report.differences} == {
        "root": "",
        "row_changed": "north.rig2",
        "worker_total": "north.rig2",
        "journal": "north.rig2",
    }


async def test_a_removed_row_is_found_and_named(books: Books) -> None:
    change(
        books,
        f"DELETE FROM worker_interval WHERE begin_s = {BEGIN_S} AND worker_id ="
        " (SELECT id FROM worker WHERE worker = 'north.rig1')",
    )
    report = verify(books.database, books.journal_dir, VerifyTerms(journal=False))
    assert ("row_missing", "north.rig1") in [(e.kind, e.worker) for e in report.differences]


async def test_rows_are_proved(books: Books) -> None:
    proof = make_proof(books.database, BEGIN_S, "south.rig1")
    check_proof(proof, bytes.fromhex(HEADS[1]))


@pytest.mark.parametrize("what", EXPORTS)
async def test_exports_are_the_same_on_each(books: Books, tmp_path: Path, what: str) -> None:
    (tmp_path / "again").mkdir()
    again = await two_signed_days(tmp_path / "again")
    for number, each in enumerate((books, again)):
        export_table(each.database, EXPORTS[what], ALL_DAYS, "csv", tmp_path / f"{number}.csv")
    one, other = (tmp_path / "0.csv").read_text(), (tmp_path / "1.csv").read_text()
    if what == "days":  # signed by a key of each one's own
        one, other = ([line[:90] for line in text.splitlines()] for text in (one, other))
    assert one == other
