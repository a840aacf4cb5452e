import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from poolserver.cli import main
from tests.unit.config.conftest import GOOD
from tests.unit.ledger.books import DAY, Books, two_signed_days

NOON_S = DAY * 86_400 + 900


@pytest.fixture
async def books(tmp_path: Path) -> Books:
    (tmp_path / "pool.toml").write_text(GOOD.replace('data_dir = "var"', 'data_dir = "."'))
    return await two_signed_days(tmp_path)


def ledger(books: Books, *arguments: str, text: str | None = None) -> Result:
    command, *rest = arguments
    config = [] if command == "check-proof" else ["--config", str(books.folder / "pool.toml")]
    return CliRunner().invoke(main, ["ledger", command, *config, *rest], input=text)


async def test_verify_ends_with_0_and_tells_the_head(books: Books) -> None:
    result = ledger(books, "verify")
    assert result.exit_code == 0, result.output
    ((head,),) = books.sql("SELECT hex(head) FROM audit_day WHERE day = ?", DAY + 1)
    assert f"head of 2024-10-05: {head.lower()}" in result.output
    assert "all is good" in result.output
    for more in (["--day", "2024-10-04"], ["--all"], ["--head", f"2024-10-05:{head}"]):
        assert ledger(books, "verify", *more).exit_code == 0


async def test_verify_ends_with_1_and_tells_the_row(books: Books) -> None:
    books.sql("UPDATE worker_interval SET stale = 9 WHERE begin_s = ? AND worker_id = 1", NOON_S)
    result = ledger(books, "verify")
    assert result.exit_code == 1
    row = "2024-10-04T00:15Z north.rig1 (account 'north', site 'hall')"
    assert f"DIFFERS (row_changed) {row}: this row is not as it was signed" in result.output
    assert "the ledger is not as it must be" in result.output


async def test_verify_reports_to_programs(books: Books) -> None:
    good = json.loads(ledger(books, "verify", "--json").stdout)
    assert (good["good"], good["rows"], good["days_signed"]) == (True, 36, 2)
    books.sql("UPDATE worker_interval SET stale = 9 WHERE begin_s = ? AND worker_id = 1", NOON_S)
    result = ledger(books, "verify", "--json", "--no-journal")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    (changed,) = [each for each in report["differences"] if each["kind"] == "row_changed"]
    assert changed["interval"] == "2024-10-04T00:15Z"
    assert changed["worker"] == "north.rig1"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--day", "2024-10-04", "--all"],
        ["--day", "tomorrow"],
        ["--head", "2024-10-04:abcd"],
        ["--head", "00" * 32],
        ["--public-key", "xy"],
    ],
)
async def test_verify_ends_with_2_where_it_is_asked_wrongly(
    books: Books, arguments: list[str]
) -> None:
    assert ledger(books, "verify", *arguments).exit_code == 2


async def test_verify_ends_with_2_where_there_is_no_ledger(books: Books) -> None:
    books.path.unlink()
    result = ledger(books, "verify")
    assert result.exit_code == 2
    assert result.stderr.startswith("poolserver: ")
    assert "cannot be opened" in result.stderr


async def test_export_writes_to_standard_output_or_a_file(books: Books) -> None:
    days = "--from", "2024-10-05", "--to", "2024-10-05"
    result = ledger(books, "export", "--what", "intervals", *days)
    assert result.exit_code == 0
    assert len(list(csv.DictReader(io.StringIO(result.stdout)))) == 12
    out = books.folder / "out.csv"
    assert ledger(books, "export", "--what", "intervals", *days, "--out", str(out)).exit_code == 0
    assert out.read_text() == result.stdout
    assert ledger(books, "export", "--what", "days", "--format", "parquet").exit_code == 2


async def test_a_proof_can_be_checked_by_somebody_without_a_ledger(books: Books) -> None:
    proof = ledger(books, "proof", "--worker", "north.rig1", "--interval", "2024-10-04T00:20")
    assert proof.exit_code == 0, proof.output
    assert json.loads(proof.stdout)["interval"] == "2024-10-04T00:15Z"
    ((head,),) = books.sql("SELECT hex(head) FROM audit_day WHERE day = ?", DAY + 1)
    checked = ledger(books, "check-proof", "-", "--head", head, text=proof.stdout)
    assert checked.exit_code == 0, checked.output
    assert "north.rig1 in 2024-10-04T00:15Z: accepted_work " in checked.stdout
    wrong = ledger(books, "check-proof", "-", "--head", "00" * 32, text=proof.stdout)
    assert wrong.exit_code == 1
    assert ledger(books, "check-proof", "-", text="{}").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--interval", "2024-10-04T00:20", "--day", "2024-10-05"], 2),
        (["--interval", "noon"], 2),
        (["--interval", "2024-10-09T00:20"], 1),
    ],
)
async def test_a_proof_that_there_is_not(books: Books, arguments: list[str], code: int) -> None:
    assert ledger(books, "proof", "--worker", "north.rig1", *arguments).exit_code == code
