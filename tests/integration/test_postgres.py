"""The PostgreSQL of the tests keeps what is committed, whatever is done to it."""

import time
from collections.abc import Iterator

import psycopg
import pytest

from tests.integration.postgres import PostgresCluster, PostgresDatabase, find_bin

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture
def own_cluster() -> Iterator[PostgresCluster]:
    folder = find_bin()
    if folder is None:
        pytest.skip("postgresql: none found; scripts/get-postgresql.sh fetches one")
    with PostgresCluster.running(folder) as cluster:
        yield cluster


def test_a_database_is_empty_and_real(postgres: PostgresDatabase) -> None:
    with postgres.connect() as connection:
        assert connection.info.server_version >= 130_000
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert connection.execute(tables).fetchone() == (0,)


def test_loopback_asks_for_the_password(postgres: PostgresDatabase) -> None:
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres.tcp_url, password="wrong", passfile="none")
    with psycopg.connect(postgres.tcp_url, password=postgres.cluster.password) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_what_is_committed_is_there_after_kill_and_stop(own_cluster: PostgresCluster) -> None:
    database = own_cluster.new_database()
    with database.connect() as connection:
        connection.execute("CREATE TABLE t (n INTEGER)")
        connection.execute("INSERT INTO t VALUES (1)")
    own_cluster.kill()
    with pytest.raises(psycopg.OperationalError):
        database.connect()
    own_cluster.start()
    with database.connect() as connection:
        connection.execute("INSERT INTO t VALUES (2)")
    own_cluster.stop()
    own_cluster.start()
    with database.connect() as connection:
        assert connection.execute("SELECT n FROM t ORDER BY n").fetchall() == [(1,), (2,)]


def test_nobody_answers_while_it_is_paused(own_cluster: PostgresCluster) -> None:
    database = own_cluster.new_database()
    own_cluster.pause()
    began = time.monotonic()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(database.url, connect_timeout=2)  # psycopg waits two seconds or more
    assert time.monotonic() - began > 1
    own_cluster.resume()
    with database.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
