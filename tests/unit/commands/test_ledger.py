"""``poolserver ledger`` from the command line."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from poolserver.cli import main
from poolserver.config import Config, parse_config
from poolserver.ledger.postgresql import PostgresDatabase
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.outfit import StartError, ledger_database
from tests.unit.pool_toml import POOL_TOML

ON_POSTGRESQL = '[ledger]\nstore = "postgresql"\npostgresql = "{url}"\npostgresql_password = "pw"\n'


def config(folder: Path, extra: str = "") -> Config:
    return parse_config(POOL_TOML + extra, source="pool.toml", folder=folder, environ={})


def ledger(folder: Path, *command: str) -> Result:
    (folder / "pool.toml").write_text(POOL_TOML)
    first, *rest = command
    return CliRunner().invoke(main, ["ledger", first, "--config", str(folder / "pool.toml"), *rest])


def test_a_backup_says_what_it_made(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    SqliteDatabase(tmp_path / "var" / "ledger.sqlite").connect().close()
    result = ledger(tmp_path, "backup", str(tmp_path / "copy.sqlite"))
    assert result.exit_code == 0, result.output
    assert f"{tmp_path / 'copy.sqlite'}: " in result.output
    assert "looked through and good" in result.output


def test_a_backup_that_cannot_be_made_says_why_in_a_line(tmp_path: Path) -> None:
    result = ledger(tmp_path, "backup", str(tmp_path / "copy.sqlite"))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"poolserver: {tmp_path}/var/ledger.sqlite cannot be opened")
    assert result.stderr.count("\n") == 1


def test_the_ledger_is_in_the_database_that_the_configuration_names(tmp_path: Path) -> None:
    sqlite = ledger_database(config(tmp_path))
    assert isinstance(sqlite, SqliteDatabase)
    assert sqlite.path == tmp_path / "var" / "ledger.sqlite"
    url = "postgresql://pool@db.example/ledger"
    postgresql = ledger_database(config(tmp_path, ON_POSTGRESQL.format(url=url)))
    assert isinstance(postgresql, PostgresDatabase)
    assert str(postgresql) == "PostgreSQL database ledger at db.example"
    assert postgresql.environ == {"PGPASSWORD": "pw"}
    assert "pw" not in postgresql.conninfo


def test_a_database_that_cannot_be_named_so_is_told(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"ledger\.postgresql is no PostgreSQL connection string"):
        ledger_database(config(tmp_path, ON_POSTGRESQL.format(url="postgresql://h/d?nonsense=1")))


def test_without_psycopg_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "poolserver.ledger.postgresql")
    with pytest.raises(StartError, match=r'pip install "poolserver\[postgresql\]"'):
        ledger_database(config(tmp_path, ON_POSTGRESQL.format(url="postgresql://h/d")))
