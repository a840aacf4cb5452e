"""``poolserver power verify`` from the command line."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from poolserver.cli import main
from poolserver.ledger import energy_sql
from poolserver.ledger.energy_facts import Facts, MeterFact
from poolserver.ledger.sqlite import SqliteDatabase
from tests.unit.ledger.energies import BEGIN, SPAN_MS, tree
from tests.unit.pool_toml import POOL_TOML


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    (tmp_path / "var").mkdir()
    (tmp_path / "pool.toml").write_text(POOL_TOML)
    database = SqliteDatabase(tmp_path / "var" / "ledger.sqlite")
    with closing(database.connect()) as connection, connection.transaction():
        energy_sql.put_facts(connection, Facts(meters={(BEGIN, "f1"): MeterFact(4000, SPAN_MS)}))
        energy_sql.close_next(connection, tree(), 900, 2**40)
    return tmp_path


def verify(pool: Path, *options: str) -> Result:
    command = ["power", "verify", "--config", str(pool / "pool.toml"), *options]
    return CliRunner().invoke(main, command)


def test_good_books_end_with_0_and_tell_the_head(pool: Path) -> None:
    result = verify(pool)
    assert result.exit_code == 0, result.output
    assert "4 row(s) of 1 interval(s)" in result.output
    head = result.output.split("head of row 4: ")[1].split()[0]
    assert verify(pool, "--head", f"4:{head}").exit_code == 0
    assert verify(pool, "--head", f"3:{head}").exit_code == 1
    assert verify(pool, "--head", f"4:{head[2:]}").exit_code == 2


def test_a_difference_ends_with_1(pool: Path) -> None:
    with closing(sqlite3.connect(pool / "var" / "ledger.sqlite")) as connection, connection:
        connection.execute("UPDATE energy_row SET metered_j = 1 WHERE number = 3")
    result = verify(pool)
    assert result.exit_code == 1
    assert "DIFFERS row 3 is not what its head stands over" in result.output
    found = json.loads(verify(pool, "--json").output)
    assert found["difference_count"] == len(found["differences"]) > 0


def test_books_that_are_not_there_end_with_2(pool: Path) -> None:
    (pool / "var" / "ledger.sqlite").unlink()
    assert verify(pool).exit_code == 2
