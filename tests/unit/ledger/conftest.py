"""The kinds of database that the ledger can be in: the same tests run on each."""

from pathlib import Path

import pytest

from poolserver.ledger.database import Database
from poolserver.ledger.postgresql import PostgresDatabase
from poolserver.ledger.sqlite import SqliteDatabase


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A database that does not have the ledger's tables yet."""
    if request.param == "sqlite":
        return SqliteDatabase(tmp_path / "ledger.sqlite")
    return PostgresDatabase(request.getfixturevalue("postgres").url)
