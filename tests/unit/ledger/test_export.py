import csv
import io
import sys
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from poolserver.ledger import audit_sql
from poolserver.ledger.audit import NUMBERS, LedgerRow, head_of, names_bytes, numbers_bytes
from poolserver.ledger.database import StoreError
from poolserver.ledger.export import ALL_DAYS, EXPORTS, Days
from poolserver.ledger.export_files import ExportError, export_table, write_csv
from poolserver.ledger.merkle import leaf_hash, merkle_root
from poolserver.ledger.payout_records import payout_records
from poolserver.ledger.records import BlockRecord
from poolserver.ledger.totals import WorkerKey
from poolserver.mining.coinbase import TxOut
from poolserver.mining.payout import Distribution, Due
from tests.unit.ledger.books import DAY, NBITS, Books, day_ms, two_signed_days

Table = list[dict[str, Any]]


def table(
    books: Books, what: str, days: Days = ALL_DAYS, kind: str = "csv"
) -> list[dict[str, Any]]:
    out = books.folder / f"{what}.{kind}"
    export_table(books.database, EXPORTS[what], days, kind, out)
    if kind == "parquet":
        found: Table = parquet.read_table(out).to_pylist()
        return found
    with out.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


async def block(books: Books) -> None:
    hash_le = bytes([1]) * 32
    paid = Distribution((TxOut(90, b"\x51"), TxOut(10, b"\x52")), (Due("north", 95, 5),), 5)
    found = BlockRecord(900_000, hash_le, 1, day_ms(DAY + 1, 50))
    await books.book([found, *payout_records(hash_le, paid)])


async def test_a_day_that_was_exported_can_be_checked_by_its_head(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    days = table(books, "days")
    previous = bytes(32)
    for number, day in enumerate(days):
        rows = table(books, "intervals", Days(DAY + number, DAY + number))
        leaves = []
        for row in rows:
            columns = [row[name] or None for name in NUMBERS]
            columns[13] = bytes.fromhex(row["best_hash"]) if row["best_hash"] else None
            names = names_bytes(WorkerKey(row["site"], row["account"], row["worker"]))
            entry = LedgerRow(0, names, numbers_bytes(int(row["begin_s"]), columns)).canonical
            leaves.append(leaf_hash(entry))
        assert merkle_root(leaves).hex() == day["root"]
        head = head_of(previous, int(day["day"]), len(rows), bytes.fromhex(day["root"]))
        assert head.hex() == day["head"]
        previous = head
    assert [day["date"] for day in days] == ["2024-10-04", "2024-10-05"]


@pytest.mark.parametrize("what", EXPORTS)
async def test_parquet_holds_what_csv_holds(tmp_path: Path, what: str) -> None:
    books = await two_signed_days(tmp_path)
    await block(books)
    rows = table(books, what)
    assert rows
    binary = table(books, what, kind="parquet")
    assert [
        {name: "" if cell is None else str(cell) for name, cell in row.items()} for row in binary
    ] == rows
    kinds = {column.name: column.kind for column in EXPORTS[what].columns}
    assert list(kinds) == list(rows[0])
    for row in binary:
        for name, cell in row.items():
            assert cell is None or type(cell) is {"text": str, "integer": int}[kinds[name]]


async def test_work_of_any_size_is_exact(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    huge = str(2**255 - 19)
    books.sql("UPDATE worker_interval SET proven_work_sq = ?", huge)
    for kind in ("csv", "parquet"):
        assert {row["proven_work_sq"] for row in table(books, "intervals", kind=kind)} == {huge}


@pytest.mark.parametrize("what", ["intervals", "accounts"])
async def test_the_days_that_are_asked_for_are_both_included(tmp_path: Path, what: str) -> None:
    books = await two_signed_days(tmp_path)
    begins = {int(row["begin_s"]) // 86_400 for row in table(books, what, Days(DAY, DAY + 1))}
    assert begins == {DAY, DAY + 1}


async def test_accounts_come_with_the_value_of_their_work(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    first = table(books, "accounts")[0]
    assert (first["site"], first["account"]) == ("hall", "north")
    assert int(first["nbits"], 16) == NBITS
    assert int(first["value_work"]) == int(first["accepted_work"]) * 312_500_000


async def test_blocks_and_payouts_are_told_to_the_satoshi(tmp_path: Path) -> None:
    books = await two_signed_days(tmp_path)
    await block(books)
    (found,) = table(books, "blocks", Days(DAY + 1, DAY + 1))
    assert (found["height"], found["value_sat"], found["fee_sat"]) == ("900000", "100", "5")
    assert table(books, "blocks", Days(DAY, DAY)) == []
    paid = table(books, "payouts")
    assert [(row["kind"], row["value_sat"], row["script"]) for row in paid] == [
        ("output", "90", "51"),
        ("output", "10", "52"),
        ("due", "", ""),
    ]
    due = paid[-1]
    assert (due["label"], due["due_sat"], due["unpaid_sat"]) == ("north", "95", "5")


def test_columns_keep_their_order() -> None:
    names = {what: [column.name for column in export.columns] for what, export in EXPORTS.items()}
    assert names["intervals"] == ["begin_s", "site", "account", "worker", *NUMBERS]
    for what, columns in {
        "days": "day date row_count root head public_key signature signed_at_ms",
        "accounts": "begin_s site account nbits accepted_work value_work",
        "blocks": "hash height state reason worker found_at_ms updated_at_ms nbits value_sat"
        " fee_sat",
        "payouts": "hash height state found_at_ms kind position label script value_sat due_sat"
        " unpaid_sat",
    }.items():
        assert names[what] == columns.split()


def test_names_with_commas_and_quotes_are_read_back() -> None:
    out = io.StringIO()
    row = (900, 'a,"b"', "c\nd", "ä", *range(13), None, None, None)
    write_csv(EXPORTS["intervals"], [row], out)
    (back,) = list(csv.reader(io.StringIO(out.getvalue())))[1:]
    assert back == ["" if cell is None else str(cell) for cell in row]


async def test_a_file_is_whole_or_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = await two_signed_days(tmp_path)
    table(books, "days")
    before = (tmp_path / "days.csv").read_text()

    def breaks(connection: object) -> None:
        raise StoreError(books.database, "is gone")

    monkeypatch.setattr(audit_sql, "signed_days", breaks)
    with pytest.raises(StoreError):
        table(books, "days")
    assert (tmp_path / "days.csv").read_text() == before


async def test_without_pyarrow_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = await two_signed_days(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ExportError, match=r"pip install \"poolserver\[parquet\]\""):
        table(books, "days", kind="parquet")


def test_a_database_that_is_not_there_is_an_error_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        table(Books(tmp_path), "days")
