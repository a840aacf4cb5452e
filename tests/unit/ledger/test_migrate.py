import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolserver.ledger import block_sql, share_sql
from poolserver.ledger.migrate import Migration, MigrationError, load_migrations, migrate
from poolserver.ledger.totals import ShareTotals, WorkerKey

STEPS = [
    Migration(1, "CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (1);"),
    Migration(2, "ALTER TABLE a ADD COLUMN y INTEGER;\nUPDATE a SET y = x + 1;"),
]


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def test_a_new_database_takes_every_step_and_then_none(connection: sqlite3.Connection) -> None:
    assert migrate(connection, STEPS) == 2
    assert connection.execute("SELECT x, y FROM a").fetchall() == [(1, 2)]
    assert migrate(connection, STEPS) == 0


def test_an_older_database_takes_the_steps_it_lacks(connection: sqlite3.Connection) -> None:
    migrate(connection, STEPS[:1])
    connection.execute("INSERT INTO a VALUES (5)")
    assert migrate(connection, STEPS) == 1
    assert connection.execute("SELECT x, y FROM a").fetchall() == [(1, 2), (5, 6)]


def test_a_database_from_the_future_is_refused(connection: sqlite3.Connection) -> None:
    migrate(connection, STEPS)
    with pytest.raises(MigrationError, match="has schema 2, this program knows schemas up to 1"):
        migrate(connection, STEPS[:1])


def test_a_database_of_another_program_is_refused(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(MigrationError, match="none that this program made"):
        migrate(connection, STEPS)


def test_a_step_that_fails_leaves_nothing_behind(connection: sqlite3.Connection) -> None:
    bad = Migration(3, "CREATE TABLE b (x); INSERT INTO nowhere VALUES (1);")
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        migrate(connection, [*STEPS, bad])
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("a",)]
    assert not connection.in_transaction


def test_the_projects_own_steps_are_numbered_and_apply(connection: sqlite3.Connection) -> None:
    steps = load_migrations()
    assert steps[0].number == 1
    assert migrate(connection, steps) == len(steps)


def test_a_database_of_schema_1_keeps_its_blocks_and_gets_their_events(
    connection: sqlite3.Connection,
) -> None:
    steps = load_migrations()
    migrate(connection, steps[:1])
    rows = [  # as version 1 wrote them
        ("aa", 101, "accepted", "duplicate", "demo.rig", 1000, 1500),
        ("bb", 102, "found", "", "demo.rig", 1200, 1200),
        ("cc", 103, "rejected", "bad-cb-amount", "", 1300, 1400),
        ("dd", 103, "stale", "inconclusive", "demo.rig", 1350, 1450),
    ]
    connection.executemany("INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    connection.execute("INSERT INTO source VALUES ('pool-1/0/1', 77)")
    migrate(connection, steps)
    assert [
        (row.hash_hex, row.height, row.state, row.reason, *row[4:])
        for row in block_sql.blocks(connection, None)
    ] == rows[::-1]
    assert {row[0]: block_sql.history(connection, row[0]) for row in rows} == {
        "aa": [("found", "", 1000), ("accepted", "duplicate", 1500)],
        "bb": [("found", "", 1200)],
        "cc": [("found", "", 1300), ("rejected", "bad-cb-amount", 1400)],
        "dd": [("found", "", 1350), ("stale", "inconclusive", 1450)],
    }
    assert {known.hash_hex: known.final for known in block_sql.known_blocks(connection)} == {
        "aa": False,
        "bb": False,
        "cc": True,
        "dd": False,
    }
    assert block_sql.payout(connection, "aa") is None
    assert connection.execute("SELECT * FROM source").fetchall() == [("pool-1/0/1", 77, 0, 0, 77)]


def test_a_database_of_schema_2_keeps_its_totals_as_of_before_there_were_intervals(
    connection: sqlite3.Connection,
) -> None:
    steps = load_migrations()
    migrate(connection, steps[:2])
    rig = ShareTotals(2**90, 2**91, 2**180, list(range(10)), 2**200, 5, 6)
    old = ("hall", "demo", "demo.rig", str(2**90), str(2**91), str(2**180), f"{2**200:064x}", 5, 6)
    connection.execute(
        f"INSERT INTO worker_totals VALUES ({', '.join('?' * 19)})", (*old, *range(10))
    )
    migrate(connection, steps)
    assert list(share_sql.totals(connection)) == [(WorkerKey("hall", "demo", "demo.rig"), rig)]
    (row,) = connection.execute(f"SELECT begin_s, {share_sql.SUM_COLUMNS} FROM worker_interval")
    assert (row[0], share_sql.sums_of(row[1:])) == (0, rig)


def test_a_missing_number_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "gappy_migrations"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "0002_second.sql").write_text("SELECT 1;")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"numbered \[2\]"):
        load_migrations("gappy_migrations")
