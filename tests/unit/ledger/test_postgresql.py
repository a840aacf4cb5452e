"""What is particular to PostgreSQL: a server that goes away, and answers that are lost."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from poolserver.ledger import postgresql
from poolserver.ledger.blocks import BlockChange, BlockState
from poolserver.ledger.database import StoreError
from poolserver.ledger.delta import Delta, Progress, Seal
from poolserver.ledger.migrate import SQLITE_STEPS, load_migrations
from poolserver.ledger.postgresql import PostgresDatabase
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import IntervalKey, ShareTotals, WorkerKey
from tests.integration.postgres import PostgresCluster, find_bin
from tests.integration.postgres import PostgresDatabase as EmptyDatabase

pytestmark = pytest.mark.real

SOURCE = "pool-1/0/1"
RIG = WorkerKey("hall", "demo", "demo.rig")
AWAY = r"cannot be reached|shutting down"
STEP = BlockChange("ab" * 32, 101, "demo.rig", BlockState.ACCEPTED, "", 1000)


def delta(after: int, through: int) -> Delta:
    """Of a share a record."""
    totals = ShareTotals(through - after)
    return Delta({SOURCE: Progress(after, through)}, intervals={IntervalKey(900, RIG): totals})


async def work(store: LedgerStore) -> int:
    return (await store.load()).totals.sites["hall"].accepted_work


@asynccontextmanager
async def opened(database: PostgresDatabase) -> AsyncIterator[LedgerStore]:
    store = LedgerStore(database)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[PostgresCluster]:
    """A server that may be killed."""
    folder = find_bin()
    if folder is None:
        pytest.skip("postgresql: none found; scripts/get-postgresql.sh fetches one")
    with PostgresCluster.running(folder) as cluster:
        yield cluster


# --- a server that goes away -------------------------------------------------------------------


async def test_a_server_that_was_killed_is_used_again_when_it_is_back(
    own_cluster: PostgresCluster,
) -> None:
    async with opened(PostgresDatabase(own_cluster.new_database().url)) as store:
        await store.apply(delta(0, 1))
        own_cluster.kill()
        for _ in range(2):
            with pytest.raises(StoreError, match=AWAY) as raised:
                await store.apply(delta(1, 2))
            assert raised.value.transient
        with pytest.raises(StoreError, match="cannot be reached"):
            await store.took_last()
        own_cluster.start()
        assert not await store.took_last()
        await store.apply(delta(1, 2))
        assert await work(store) == 2


async def test_a_server_that_stops_in_good_order_is_used_again(
    own_cluster: PostgresCluster,
) -> None:
    async with opened(PostgresDatabase(own_cluster.new_database().url)) as store:
        await store.apply(delta(0, 1))
        own_cluster.stop()
        with pytest.raises(StoreError) as raised:
            await store.apply(delta(1, 2))
        assert raised.value.transient
        own_cluster.start()
        await store.apply(delta(1, 2))
        assert await work(store) == 2


async def test_a_server_that_does_not_answer_is_not_waited_for_for_ever(
    own_cluster: PostgresCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "HANG_TIMEOUT_S", 2.0)
    async with opened(PostgresDatabase(own_cluster.new_database().url)) as store:
        await store.apply(delta(0, 1))
        own_cluster.pause()
        try:
            async with asyncio.timeout(30):
                with pytest.raises(StoreError, match="cannot be reached") as raised:
                    await store.apply(delta(1, 2))
        finally:
            own_cluster.resume()
        assert raised.value.transient
        monkeypatch.setattr(postgresql, "HANG_TIMEOUT_S", 40.0)
        # The server still had the old session, with its lock: it must have ended before this.
        assert not await store.took_last()
        await store.apply(delta(1, 2))
        assert await work(store) == 2


async def test_a_session_that_is_ended_for_us_is_begun_again(postgres: EmptyDatabase) -> None:
    async with opened(PostgresDatabase(postgres.url)) as store:
        await store.apply(delta(0, 1))
        with postgres.connect() as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        with pytest.raises(StoreError, match=AWAY) as raised:
            await store.apply(delta(1, 2))
        assert raised.value.transient
        await store.apply(delta(1, 2))
        assert await work(store) == 2


async def test_a_table_that_is_locked_is_not_waited_for_for_ever(
    postgres: EmptyDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "LOCK_TIMEOUT_S", 0.1)
    async with opened(PostgresDatabase(postgres.url)) as store:
        with postgres.connect() as admin, admin.transaction():
            admin.execute("LOCK TABLE source")
            with pytest.raises(StoreError, match="is locked by another program") as raised:
                await store.apply(delta(0, 1))
        assert raised.value.transient
        await store.apply(delta(0, 1))
        assert await work(store) == 1


# --- answers that are lost ---------------------------------------------------------------------


class CommitProxy:
    """Between pool and server, to cut them apart when the next transaction is to end.

    ``cut``: "before" the server hears of it, or "after" it has answered, which nobody hears.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self.cut = ""
        self.cuts = 0
        self.mute = b""
        """What is swallowed if it is in what the pool says."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._port)
        down = asyncio.create_task(self._copy(up_reader, writer))
        with suppress(OSError):
            while data := await reader.read(65536):
                if self.mute and self.mute in data:
                    continue
                if b"COMMIT\0" in data and self.cut:
                    how, self.cut = self.cut, ""
                    self.cuts += 1
                    if how == "after":
                        down.cancel()
                        up_writer.write(data)
                        await asyncio.wait([down])
                        await up_reader.read(1)  # the server has done it
                    break
                up_writer.write(data)
        down.cancel()
        writer.close()
        up_writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()


@asynccontextmanager
async def behind_proxy(postgres: EmptyDatabase) -> AsyncIterator[tuple[LedgerStore, CommitProxy]]:
    proxy = CommitProxy(postgres.port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = postgres.tcp_url.replace(f":{postgres.port}/", f":{port}/")
    database = PostgresDatabase(f"{url}?sslmode=disable", postgres.cluster.password)
    try:
        async with opened(database) as store:
            yield store, proxy
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(("cut", "was_taken"), [("before", False), ("after", True)])
async def test_a_save_whose_answer_was_lost_counts_once(
    postgres: EmptyDatabase, cut: str, was_taken: bool
) -> None:
    first = delta(0, 1)
    first.seals.append(Seal(5, 1, {SOURCE: 1}))
    async with behind_proxy(postgres) as (store, proxy):
        proxy.cut = cut
        with pytest.raises(StoreError, match="cannot be reached") as raised:
            await store.apply(first, [STEP])
        assert raised.value.transient
        assert proxy.cuts == 1
        assert await store.took_last() is was_taken
        if not was_taken:
            await store.apply(first, [STEP])
        await store.apply(delta(1, 2))
        assert await work(store) == 2
        assert [event.state for event in await store.block_history(STEP.hash_hex)] == [
            "found",
            "accepted",
        ]
        assert (await store.load()).sealed_through == 5


# --- what is wrong from the start --------------------------------------------------------------


async def open_fails(database: PostgresDatabase) -> StoreError:
    store = LedgerStore(database)
    with pytest.raises(StoreError) as raised:
        await store.open()
    await store.close()
    text = str(raised.value)
    assert text.startswith(f"{database} ")
    assert "\n" not in text
    assert "hunter2" not in text
    return raised.value


async def test_a_wrong_password_is_told_and_not_shown(postgres: EmptyDatabase) -> None:
    database = PostgresDatabase(postgres.tcp_url, "hunter2")
    assert str(database) == f"PostgreSQL database {postgres.name} at 127.0.0.1"
    assert "password authentication failed" in str(await open_fails(database))


async def test_a_database_that_does_not_exist_is_told(postgres: EmptyDatabase) -> None:
    database = PostgresDatabase(postgres.url.replace(postgres.name, "nowhere"))
    assert 'database "nowhere" does not exist' in str(await open_fails(database))


async def test_a_server_that_is_not_there_is_told() -> None:
    error = await open_fails(PostgresDatabase("postgresql://127.0.0.1:1/ledger"))
    assert "cannot be reached" in str(error)
    assert error.transient


async def test_a_database_of_another_encoding_is_told(postgres: EmptyDatabase) -> None:
    name = f"{postgres.name}_latin1"
    with postgres.connect() as admin:
        admin.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0")
    error = await open_fails(PostgresDatabase(postgres.url.replace(postgres.name, name)))
    assert "does not have the encoding UTF8" in str(error)


async def test_a_database_from_the_future_is_told(postgres: EmptyDatabase) -> None:
    async with opened(PostgresDatabase(postgres.url)):
        pass
    with postgres.connect() as admin:
        admin.execute("UPDATE schema_version SET version = 99")
    assert "a newer version has written it" in str(await open_fails(PostgresDatabase(postgres.url)))


async def test_a_database_of_another_program_is_told(postgres: EmptyDatabase) -> None:
    with postgres.connect() as admin:
        admin.execute("CREATE TABLE theirs (x INTEGER)")
    error = await open_fails(PostgresDatabase(postgres.url))
    assert "none that this program made" in str(error)


async def test_a_user_without_rights_is_told(postgres: EmptyDatabase) -> None:
    with postgres.connect() as admin:
        admin.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        admin.execute(f"CREATE ROLE {postgres.name}_guest LOGIN")
        admin.execute(f"GRANT USAGE ON SCHEMA public TO {postgres.name}_guest")
    url = postgres.url.replace("//pool@", f"//{postgres.name}_guest@")
    error = await open_fails(PostgresDatabase(url))
    assert "does not allow it (permission denied for schema public" in str(error)


def test_a_connection_string_that_is_none_is_told() -> None:
    with pytest.raises(ValueError, match="is no PostgreSQL connection string"):
        PostgresDatabase("postgresql://a b")


# --- how it is kept ----------------------------------------------------------------------------


async def test_what_is_committed_is_on_the_disk_whatever_the_database_has_as_its_default(
    postgres: EmptyDatabase,
) -> None:
    with postgres.connect() as admin:
        admin.execute(f"ALTER DATABASE {postgres.name} SET synchronous_commit = off")
    async with opened(PostgresDatabase(postgres.url)) as store:
        (row,) = await store.read(lambda c: c.execute("SHOW synchronous_commit").fetchall())
        assert row == ("on",)


async def test_sums_of_any_size_can_be_added_up_in_sql(postgres: EmptyDatabase) -> None:
    async with opened(PostgresDatabase(postgres.url)) as store:
        sums = {IntervalKey(begin_s, RIG): ShareTotals(2**300) for begin_s in (900, 1800)}
        await store.apply(Delta({SOURCE: Progress(0, 1)}, intervals=sums))
        with postgres.connect() as admin:
            (row,) = admin.execute("SELECT sum(accepted_work) FROM worker_interval").fetchall()
        assert int(row[0]) == 2**301


async def test_what_a_node_says_of_a_block_may_have_a_nul(postgres: EmptyDatabase) -> None:
    async with opened(PostgresDatabase(postgres.url)) as store:
        await store.apply(Delta(), [STEP._replace(reason="a\0b")])
        assert [block.reason for block in await store.blocks()] == ["a\ufffdb"]


async def test_two_ledgers_may_be_in_one_database_in_schemas_of_their_own(
    postgres: EmptyDatabase,
) -> None:
    with postgres.connect() as admin:
        admin.execute("CREATE SCHEMA one; CREATE SCHEMA two")
    urls = [f"{postgres.url}&options=-csearch_path%3D{name}" for name in ("one", "two")]
    async with opened(PostgresDatabase(urls[0])) as one, opened(PostgresDatabase(urls[1])) as two:
        await one.apply(delta(0, 1))
        await two.apply(delta(0, 5))
        assert (await work(one), await work(two)) == (1, 5)


async def test_both_kinds_of_database_have_the_same_columns(
    postgres: EmptyDatabase, tmp_path: Path
) -> None:
    async with opened(PostgresDatabase(postgres.url)):
        pass
    with postgres.connect() as admin:
        theirs = admin.execute(
            "SELECT table_name, column_name, is_nullable = 'NO' FROM information_schema.columns"
            " WHERE table_schema = 'public' AND table_name <> 'schema_version'"
        ).fetchall()
    connection = SqliteDatabase(tmp_path / "ledger.sqlite").connect()
    ours = connection.execute(
        'SELECT t.name, c.name, c."notnull" = 1 OR c.pk > 0 FROM sqlite_master AS t'
        " JOIN pragma_table_info(t.name) AS c WHERE t.type = 'table'"
        " AND t.name NOT LIKE 'sqlite_%'"
    ).fetchall()
    connection.close()
    assert sorted(theirs) == sorted((table, name, bool(needed)) for table, name, needed in ours)
    assert load_migrations(SQLITE_STEPS)


async def test_a_server_that_says_nothing_after_the_login_is_given_up(
    postgres: EmptyDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "HANG_TIMEOUT_S", 2.0)
    async with behind_proxy(postgres) as (store, proxy):
        proxy.mute = b"server_encoding"
        async with asyncio.timeout(20):
            with pytest.raises(store.database.errors) as raised:
                await asyncio.to_thread(store.database.reader)
        assert store.database.error(raised.value).transient
        proxy.mute = b""
        monkeypatch.setattr(postgresql, "HANG_TIMEOUT_S", 40.0)  # a slow login is no mute one
        reader = await asyncio.to_thread(store.database.reader)
        reader.close()
