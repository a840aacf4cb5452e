"""``poolserver power report`` from the command line."""

import csv
import io
import json
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from poolserver.cli import main
from poolserver.ledger import energy_sql
from poolserver.ledger.delta import NodeKey
from poolserver.ledger.energy_facts import Facts, MeterFact
from poolserver.ledger.sqlite import SqliteDatabase
from tests.unit.ledger.energies import BEGIN, RATING, SPAN_MS, tree, work
from tests.unit.pool_toml import POOL_TOML

SITE = """
[[sites]]
name = "Hall"
accounts = ["north"]
budget_mw = 1
pue = 1.05
time_zone = "Asia/Karachi"
[tariff]
currency = "PKR"
[[tariff.components]]
name = "energy"
kind = "energy"
price = 3600
"""
DAY = ("--from", "2027-01-15", "--to", "2027-01-16")


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    (tmp_path / "var").mkdir()
    (tmp_path / "pool.toml").write_text(POOL_TOML + SITE)
    database = SqliteDatabase(tmp_path / "var" / "ledger.sqlite")
    with closing(database.connect()) as connection, connection.transaction():
        for number in range(2):
            begin_s = BEGIN + 900 * number
            told = Facts(meters={(begin_s, "f1"): MeterFact(4000, SPAN_MS)})
            energy_sql.put_facts(connection, told)
            energy_sql.add_node_work(connection, {NodeKey(begin_s, "Hall/F1", RATING): work(100)})
            energy_sql.close_next(connection, tree(), 900, 2**40)
    return tmp_path


def run(pool: Path, *options: str) -> Result:
    command = ["power", "report", "--config", str(pool / "pool.toml"), *options]
    return CliRunner().invoke(main, command, env={"COLUMNS": "300"})


def test_a_table_is_for_people_by_the_sites_clock(pool: Path) -> None:
    result = run(pool, *DAY, "--by", "day")
    assert result.exit_code == 0, result.output
    assert "2027-01-15" in result.output
    assert "by the clock of Asia/Karachi" in result.output
    assert "PKR" in result.output


def test_json_has_each_sum(pool: Path) -> None:
    result = run(pool, *DAY, "--format", "json", "--node", "Hall/F1")
    (line,) = json.loads(result.output)
    assert line["metered_j"] == 8000
    assert line["mining_j"] == 8000 - 3600
    assert line["estimated_j"] == 4000
    assert line["mj_per_th"] == 22_000
    assert line["metered_part_ppm"] == 1_000_000
    assert line["observed_part_ppm"] == 0
    assert (line["cost"], line["currency"]) == ("8.00", "PKR")
    assert line["expected_sat"] is None


def test_csv_has_a_line_for_each_span_and_node(pool: Path) -> None:
    result = run(pool, *DAY, "--format", "csv", "--by", "interval")
    lines = list(csv.DictReader(io.StringIO(result.output)))
    assert len(lines) == 2 * 4
    assert lines[0]["span"] == "2027-01-15 13:00+05:00"
    assert {line["node"] for line in lines} == {"/", "Hall", "Hall/F1", "Hall/F2"}


def test_parquet_needs_a_file(pool: Path, tmp_path: Path) -> None:
    assert run(pool, *DAY, "--format", "parquet").exit_code == 2
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "energy.parquet"
    assert run(pool, *DAY, "--format", "parquet", "--out", str(out)).exit_code == 0
    (line,) = (each for each in parquet.read_table(out).to_pylist() if each["node"] == "Hall/F1")
    assert line["metered_j"] == 8000
    assert line["proven_work"] == str(200 * 10**12)


def test_a_report_may_be_written_to_a_file(pool: Path, tmp_path: Path) -> None:
    out = tmp_path / "energy.csv"
    assert run(pool, *DAY, "--format", "csv", "--out", str(out)).output == ""
    assert out.read_text().startswith("span,node,begin_s")


def test_what_is_asked_wrongly_is_told(pool: Path) -> None:
    assert run(pool, "--from", "yesterday", "--to", "2027-01-16").exit_code == 2
    assert run(pool, *DAY, "--time-zone", "Mars/Olympus").exit_code == 2


def test_an_empty_report_is_no_error(pool: Path) -> None:
    result = run(pool, "--from", "2020-01-01", "--to", "2020-02-01", "--format", "json")
    assert json.loads(result.output) == []
