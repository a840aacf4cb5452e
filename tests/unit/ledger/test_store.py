"""The books in a database, on each kind that they can be in."""

import asyncio
from collections.abc import AsyncIterator
from fractions import Fraction

import pytest

from poolserver.ledger import postgresql as postgresql_module
from poolserver.ledger import share_sql
from poolserver.ledger.block_sql import BlockPayout, BlockRow
from poolserver.ledger.blocks import BlockChange, BlockEnd, BlockState, KnownBlock
from poolserver.ledger.database import Connection, Database, StoreError, Table
from poolserver.ledger.delta import (
    Delta,
    FoundBlock,
    NodeKey,
    NodeWork,
    Progress,
    Rounds,
    Seal,
    TemplateInForce,
    WorkerRef,
)
from poolserver.ledger.payout_records import payout_records
from poolserver.ledger.seal_sql import cutoffs
from poolserver.ledger.share_sql import SUM_COLUMNS, sums_of
from poolserver.ledger.store import LedgerState, LedgerStore
from poolserver.ledger.totals import (
    Earning,
    EarningKey,
    IntervalKey,
    ShareTotals,
    Totals,
    WorkerKey,
)
from poolserver.mining.coinbase import TxOut
from poolserver.mining.payout import Distribution, Due
from poolserver.mining.share import ShareOutcome
from poolserver.power.rating import Rating, RatingSource
from tests.unit.share_counts import share_counts

SOURCE = "pool-1/0/17"
RIG = WorkerKey("north-site", "north", "north.rig1")
OTHER = WorkerKey("unassigned", "", "")
FOUND, ACCEPTED, STALE, REJECTED, ORPHANED, MATURE = BlockState
BLOCK = BlockRow("00" * 31 + "0f", 840_000, "accepted", "", "north.rig1", 5000, 6000)


EMPTY = LedgerState(Totals(), {}, {}, {}, set(), -1, {})


@pytest.fixture
async def store(database: Database) -> AsyncIterator[LedgerStore]:
    store = LedgerStore(database)
    await store.open()
    yield store
    await store.close()


def worker(work: int, outcome: ShareOutcome, best_hash: int | None = None) -> ShareTotals:
    at_ms = work % 97
    return ShareTotals(work, work + 1, work**2, share_counts({outcome: 1}), best_hash, at_ms, at_ms)


Sums = tuple[dict[WorkerKey, ShareTotals], dict[str, Fraction]]


def delta(after: int, through: int, sums: Sums = ({}, {}), begin_s: int = 900) -> Delta:
    return Delta(
        {SOURCE: Progress(after, through)},
        intervals={IntervalKey(begin_s, key): each for key, each in sums[0].items()},
        site_energy_pj=sums[1],
    )


def totals(*parts: Sums) -> Totals:
    total = Totals()
    for workers, energy_pj in parts:
        for key, each in workers.items():
            total.add({key.site: each}, {})
        total.add({}, energy_pj)
    return total


FIRST: Sums = (
    {RIG: worker(2**90, ShareOutcome.ACCEPTED, 2**200)},
    {"north-site": Fraction(2**90, 8)},
)
SECOND: Sums = (
    {RIG: worker(3**60, ShareOutcome.STALE), OTHER: worker(0, ShareOutcome.MALFORMED)},
    {"north-site": Fraction(1, 3), "south-site": Fraction(7)},
)


# --- what is kept ----------------------------------------------------------------------------


async def test_a_new_store_knows_nothing(store: LedgerStore) -> None:
    assert await store.load() == EMPTY
    assert await store.blocks() == []


async def test_deltas_add_up_exactly_and_survive_a_restart(database: Database) -> None:
    store = LedgerStore(database)
    await store.open()
    for number, sums in enumerate((FIRST, SECOND, FIRST)):
        await store.apply(delta(number, number + 1, sums))
    await store.close()
    store = LedgerStore(database)
    state = await store.open()
    await store.close()
    assert state.totals == totals(FIRST, SECOND, FIRST)
    assert state.totals.sites[RIG.site].accepted_work == 2 * 2**90 + 3**60
    assert state.totals.sites[RIG.site].best_hash == 2**200
    assert state.totals.site_energy_pj["north-site"] == 2 * Fraction(2**90, 8) + Fraction(1, 3)
    assert state.progress == {SOURCE: 3}


def node_work(connection: Connection) -> dict[NodeKey, NodeWork]:
    rows = connection.execute(
        "SELECT begin_s, node, j_per_th, source, model, proven_work, proven_work_sq, accepted_work"
        " FROM node_work"
    )
    return {
        NodeKey(begin_s, node, Rating(Fraction(j_per_th), RatingSource(source), model)): NodeWork(
            *map(int, work)
        )
        for begin_s, node, j_per_th, source, model, *work in rows
    }


async def test_work_at_nodes_adds_up_exactly_by_interval_and_rating(store: LedgerStore) -> None:
    s21 = Rating(Fraction(35, 2), RatingSource.OPERATOR, "Antminer S21")
    guess = Rating(Fraction(56, 3), RatingSource.SITE_DEFAULT, "")
    rack, hall = NodeKey(900, "hall/rack", s21), NodeKey(900, "hall/rack", guess)
    later = NodeKey(1800, "hall/rack", s21)
    first = {rack: NodeWork(2**90, 2**180, 2**89), hall: NodeWork(1, 1, 0)}
    second = {rack: NodeWork(3, 9, 3), later: NodeWork(5, 25, 5)}
    for number, nodes in enumerate((first, second)):
        progress = {SOURCE: Progress(number, number + 1)}
        await store.apply(Delta(progress, nodes=nodes))
    assert await store.read(node_work) == {
        rack: NodeWork(2**90 + 3, 2**180 + 9, 2**89 + 3),
        hall: NodeWork(1, 1, 0),
        later: NodeWork(5, 25, 5),
    }


async def test_every_outcome_of_a_share_has_its_column(store: LedgerStore) -> None:
    shares = tuple(10 + outcome for outcome in ShareOutcome)
    await store.apply(delta(0, 1, ({RIG: ShareTotals(shares=shares)}, {})))
    assert (await store.load()).totals.sites[RIG.site].shares == shares


async def test_the_lowest_hash_stays_the_best_whatever_its_length(store: LedgerStore) -> None:
    for number, best_hash in enumerate((2**255, 9, 10, None)):
        sums = {RIG: ShareTotals(best_hash=best_hash)}
        await store.apply(delta(number, number + 1, (sums, {})))
    assert (await store.load()).totals.sites[RIG.site].best_hash == 9


async def intervals(store: LedgerStore) -> dict[IntervalKey, ShareTotals]:
    def read(connection: Connection) -> dict[IntervalKey, ShareTotals]:
        rows = connection.execute(
            f"SELECT begin_s, site, account, worker, {SUM_COLUMNS}"
            " FROM worker_interval JOIN worker ON id = worker_id"
        )
        return {
            IntervalKey(begin_s, WorkerKey(*names)): sums_of(columns)
            for begin_s, *names, columns in ((*row[:4], row[4:]) for row in rows)
        }

    return await store.read(read)


async def test_each_interval_of_a_worker_has_its_own_sums(store: LedgerStore) -> None:
    await store.apply(delta(0, 1, FIRST, begin_s=900))
    await store.apply(delta(1, 2, SECOND, begin_s=1800))
    await store.apply(delta(2, 3, SECOND, begin_s=900))
    both = ShareTotals()
    for sums in (FIRST, SECOND):
        both.add(sums[0][RIG])
    assert await intervals(store) == {
        IntervalKey(900, RIG): both,
        IntervalKey(900, OTHER): SECOND[0][OTHER],
        IntervalKey(1800, RIG): SECOND[0][RIG],
        IntervalKey(1800, OTHER): SECOND[0][OTHER],
    }


async def test_a_worker_that_was_new_in_a_delta_that_failed_is_new_in_the_next(
    store: LedgerStore,
) -> None:
    with pytest.raises(StoreError):
        await store.apply(delta(0, 1, FIRST), [step(ACCEPTED)._replace(reason=None)])  # type: ignore[arg-type]
    await store.apply(delta(0, 1, SECOND))
    assert (await store.load()).totals == totals(SECOND)


async def test_what_accounts_earned_adds_up(store: LedgerStore) -> None:
    key = EarningKey(900, "north-site", "north", 0x1701)
    for number in range(2):
        earned = {key: Earning(2**70, 2**100), key._replace(nbits=5): Earning(1, 2)}
        await store.apply(Delta({SOURCE: Progress(number, number + 1)}, earnings=earned))
    rows = await store.read(lambda c: c.execute("SELECT * FROM account_interval").fetchall())
    assert sorted((*row[:4], int(row[4]), int(row[5])) for row in rows) == [
        (*key[:3], 5, 2, 4),
        (*key, 2**71, 2**101),
    ]


async def test_the_template_in_force_of_each_source_is_kept(store: LedgerStore) -> None:
    for number in range(2):
        templates = {SOURCE: TemplateInForce(number, 2**32 - 1, 5_000_000_000)}
        await store.apply(Delta({SOURCE: Progress(number, number + 1)}, templates=templates))
    assert (await store.load()).templates == templates


async def test_days_stay_closed_and_know_where_each_source_stood(store: LedgerStore) -> None:
    await store.apply(Delta(seals=[Seal(5, 1, {"a": 3, "b": 4}), Seal(6, 2, {"a": 7})]))
    state = await store.load()
    assert (state.sealed_through, state.cutoffs) == (6, {"a": 7, "b": 4})
    assert await store.read(lambda connection: cutoffs(connection, 5)) == {"a": 3, "b": 4}


async def test_nothing_is_kept_in_mind_of_the_workers_of_a_source_that_has_ended(
    store: LedgerStore,
) -> None:
    workers = {WorkerRef(SOURCE, 1): ("north", "north.rig1"), WorkerRef("b", 1): ("a", "a")}
    await store.apply(Delta({SOURCE: Progress(0, 1), "b": Progress(0, 1)}, workers=workers))
    await store.end_sources([SOURCE])
    state = await store.load()
    assert state.ended == {SOURCE}
    assert list(state.workers) == [WorkerRef("b", 1)]
    assert state.progress == {SOURCE: 1, "b": 1}


async def rounds(store: LedgerStore) -> dict[str, dict[int, int]]:
    """By block, the work that led to it; '' is the round that is open."""
    found: dict[str, dict[int, int]] = {}
    for hash_hex, nbits, work in await store.read(
        lambda c: c.execute("SELECT hash, nbits, accepted_work FROM block_round").fetchall()
    ):
        if int(work):
            found.setdefault(hash_hex, {})[nbits] = int(work)
    return found


async def test_rounds_add_up_and_end_with_their_block(store: LedgerStore) -> None:
    await store.apply(Delta({SOURCE: Progress(0, 1)}, rounds=Rounds([], {1: 5})))
    await store.apply(
        Delta({SOURCE: Progress(1, 2)}, rounds=Rounds([("aa", {1: 2, 2: 7}), ("bb", {})], {2: 1}))
    )
    assert await rounds(store) == {"aa": {1: 7, 2: 7}, "": {2: 1}}


async def test_a_block_that_is_told_of_again_ends_no_round(store: LedgerStore) -> None:
    closed = Rounds([("aa", {1: 5}), ("bb", {1: 6})], {})
    await store.apply(Delta({SOURCE: Progress(0, 1)}, rounds=closed))
    again = Rounds([("aa", {1: 3})], {1: 4})
    await store.apply(Delta({SOURCE: Progress(1, 2)}, rounds=again))
    assert await rounds(store) == {"aa": {1: 5}, "bb": {1: 6}, "": {1: 7}}


async def test_the_workers_of_a_source_are_kept(store: LedgerStore) -> None:
    workers = {WorkerRef(SOURCE, 1): ("north", "north.rig1"), WorkerRef("other", 1): ("a", "a")}
    await store.apply(Delta({SOURCE: Progress(0, 1), "other": Progress(0, 1)}, workers=workers))
    assert (await store.load()).workers == workers


# --- each record once ------------------------------------------------------------------------


@pytest.mark.parametrize("progress", [(0, 5), (4, 6), (6, 8)])
async def test_a_delta_that_does_not_follow_on_is_refused_whole(
    store: LedgerStore, progress: tuple[int, int]
) -> None:
    await store.apply(delta(0, 5, FIRST))
    before = await store.load()
    with pytest.raises(StoreError, match=rf"does not stand at record {progress[0]} of") as raised:
        await store.apply(delta(*progress, SECOND))
    assert not raised.value.transient
    assert await store.load() == before


async def test_of_several_sources_all_advance_or_none(store: LedgerStore) -> None:
    bad = delta(0, 5, FIRST)
    bad.progress["other"] = Progress(3, 4)
    with pytest.raises(StoreError, match="does not stand at record 3 of other"):
        await store.apply(bad)
    assert await store.load() == EMPTY


async def test_a_cancelled_caller_does_not_take_back_what_was_begun(store: LedgerStore) -> None:
    task = asyncio.create_task(store.apply(delta(0, 1, FIRST)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await store.load()).progress == {SOURCE: 1}


# --- blocks ----------------------------------------------------------------------------------


HASH_LE = b"\x0f" + bytes(31)
PAID = Distribution(
    (TxOut(4_000_000_000, b"\x51" * 34), TxOut(1_000_000_000, b"\x52" * 22)),
    (Due("north", 2_900_000_000, 2_900_000_000), Due("south", 1_000_000_000, 0)),
    1_100_000_000,
)


def found(*, parts: int | None = None, after: int = 0) -> Delta:
    """What the journal tells of the block, or its first parts only."""
    block = FoundBlock(BLOCK.hash_hex, BLOCK.height, RIG, BLOCK.found_at_ms, 0x1701)
    payouts = list(payout_records(HASH_LE, PAID))[:parts]
    return Delta({SOURCE: Progress(after, after + 1)}, blocks=[block], payouts=payouts)


def step(state: BlockState, reason: str = "", at_ms: int = 6000) -> BlockChange:
    return BlockChange(BLOCK.hash_hex, BLOCK.height, BLOCK.worker, state, reason, at_ms)


async def events(store: LedgerStore) -> list[tuple[str, str, int]]:
    return [tuple(event) for event in await store.block_history(BLOCK.hash_hex)]


async def test_a_block_of_the_journal_is_found_until_its_state_is_known(store: LedgerStore) -> None:
    await store.apply(found())
    assert await store.blocks() == [BLOCK._replace(state="found", updated_at_ms=5000)]
    await store.apply(Delta(), [step(ACCEPTED)])
    assert await store.blocks() == [BLOCK]
    assert await events(store) == [("found", "", 5000), ("accepted", "", 6000)]


async def test_a_state_that_is_known_before_the_journal_is_folded_stays(store: LedgerStore) -> None:
    await store.apply(Delta(), [step(FOUND, at_ms=5000), step(ACCEPTED)])
    await store.apply(found())
    assert await store.blocks() == [BLOCK]
    assert await events(store) == [("found", "", 5000), ("accepted", "", 6000)]


async def test_a_verdict_on_a_block_that_nobody_told_of_has_it_found_too(
    store: LedgerStore,
) -> None:
    await store.apply(Delta(), [step(REJECTED, "bad-cb-amount")])
    assert await events(store) == [("found", "", 6000), ("rejected", "bad-cb-amount", 6000)]


async def test_the_history_of_a_block_has_each_state_it_came_into(store: LedgerStore) -> None:
    states = (ACCEPTED, ORPHANED, ACCEPTED, MATURE)
    steps = [step(state, f"for {n}", 6000 + n) for n, state in enumerate(states)]
    await store.apply(found(), steps[:2])
    await store.apply(Delta(), steps[2:])
    assert [state for state, _, _ in await events(store)] == ["found", *states]
    (row,) = await store.blocks()
    assert (row.state, row.reason, row.updated_at_ms) == ("mature", "for 3", 6003)


async def test_blocks_come_newest_first(store: LedgerStore) -> None:
    rows = [BLOCK._replace(hash_hex=f"{n:064x}", found_at_ms=n) for n in range(1, 4)]
    for row in rows:
        change = BlockChange(row.hash_hex, row.height, row.worker, FOUND, "", row.found_at_ms)
        await store.apply(Delta(), [change])
    listed = [row._replace(state="found", updated_at_ms=row.found_at_ms) for row in rows[::-1]]
    assert await store.blocks() == listed
    assert await store.blocks(limit=1) == listed[:1]


async def test_what_a_start_knows_of_a_block_is_all_of_it(store: LedgerStore) -> None:
    await store.apply(found(), [step(ACCEPTED), step(ORPHANED)])
    reached = frozenset({FOUND, ACCEPTED, ORPHANED})
    known = KnownBlock(
        BLOCK.hash_hex, BLOCK.height, ORPHANED, reached, False, 5_000_000_000, 2_900_000_000, 2
    )
    assert await store.known_blocks() == [known]
    await store.apply(Delta(), [BlockEnd(BLOCK.hash_hex)])
    (known,) = await store.known_blocks()
    assert known.final


@pytest.mark.parametrize("state", [MATURE, REJECTED])
async def test_a_state_that_nothing_may_follow_on_is_final(
    store: LedgerStore, state: BlockState
) -> None:
    await store.apply(Delta(), [step(ACCEPTED), step(state)])
    assert [block.final for block in await store.known_blocks()] == [True]


# --- what blocks pay -------------------------------------------------------------------------


async def test_what_a_block_pays_is_kept_as_the_journal_tells_it(store: LedgerStore) -> None:
    assert await store.block_payout(BLOCK.hash_hex) is None
    await store.apply(found())
    assert await store.block_payout(BLOCK.hash_hex) == BlockPayout(
        5_000_000_000, 1_100_000_000, PAID.outputs, PAID.dues, complete=True
    )
    assert await store.without_payout() == (0, None)


async def test_a_payout_of_which_records_were_lost_says_so(store: LedgerStore) -> None:
    await store.apply(found(parts=0))
    assert await store.block_payout(BLOCK.hash_hex) is None
    assert await store.without_payout() == (1, BLOCK.height)
    await store.apply(found(parts=1, after=1))
    payout = await store.block_payout(BLOCK.hash_hex)
    assert payout is not None
    assert (payout.outputs, payout.dues, payout.complete) == (PAID.outputs, (), False)
    assert await store.without_payout() == (1, BLOCK.height)


async def test_a_payout_that_comes_again_is_booked_once(store: LedgerStore) -> None:
    await store.apply(found(), [step(ACCEPTED)])
    await store.apply(found(after=1))
    payout = await store.block_payout(BLOCK.hash_hex)
    assert payout is not None
    assert (payout.outputs, payout.dues) == (PAID.outputs, PAID.dues)
    assert await store.owed_sat() == {"north": 2_900_000_000}


@pytest.mark.parametrize(
    ("states", "owed"),
    [
        ([], {}),
        ([ACCEPTED], {"north": 2_900_000_000}),
        ([ACCEPTED, MATURE], {"north": 2_900_000_000}),
        ([ACCEPTED, ORPHANED], {}),
        ([STALE], {}),
        ([REJECTED], {}),
    ],
)
async def test_a_block_owes_while_it_pays(
    store: LedgerStore, states: list[BlockState], owed: dict[str, int]
) -> None:
    await store.apply(found(), [step(state) for state in states])
    assert await store.owed_sat() == owed


async def test_all_of_a_delta_and_its_steps_is_taken_or_none(store: LedgerStore) -> None:
    bad = step(ACCEPTED)._replace(reason=None)  # type: ignore[arg-type]
    with pytest.raises(StoreError):
        await store.apply(found(), [step(ACCEPTED), bad])
    assert await store.load() == EMPTY
    assert await store.blocks() == []
    assert await store.block_payout(BLOCK.hash_hex) is None


# --- whatever has statements of its own --------------------------------------------------------


async def test_a_write_is_taken_whole_or_not_at_all(store: LedgerStore) -> None:
    def fail_after(connection: Connection) -> None:
        connection.execute("INSERT INTO site_energy (site, energy_pj) VALUES (?, ?)", ("a", "1"))
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        await store.write(fail_after)
    assert (await store.load()).totals.site_energy_pj == {}
    await store.apply(delta(0, 1, FIRST))
    assert (await store.load()).totals == totals(FIRST)


async def test_an_upsert_may_come_twice_in_a_transaction_and_outside_of_one(
    store: LedgerStore,
) -> None:
    table = Table("block_round", ("hash", "nbits"), exact=("accepted_work",))

    def twice(connection: Connection) -> None:
        for _ in range(2):
            connection.upsert(table, [("aa", 1, str(2**90)), ("bb", 1, "1")])

    await store.write(twice)
    await store.read(twice)
    assert await rounds(store) == {"aa": {1: 4 * 2**90}, "bb": {1: 4}}


async def test_an_upsert_after_one_that_was_taken_back_goes_well(store: LedgerStore) -> None:
    table = Table("source_template", ("source",), replaced=("height", "nbits", "value_sat"))

    def fail(connection: Connection) -> None:
        connection.upsert(table, [("a", 1, 2, 3)])
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        await store.write(fail)
    await store.write(lambda connection: connection.upsert(table, [("b", 4, 5, 6)]))
    assert (await store.load()).templates == {}  # of no source that there is
    rows = await store.read(lambda c: c.execute("SELECT * FROM source_template").fetchall())
    assert rows == [("b", 4, 5, 6)]


NAMES = ["a\tb", "a\\b", "a\\N", "\\N", "ä€😀", "a'b", 'a"b', "%s", "?", ""]


@pytest.mark.parametrize("name", NAMES)
async def test_names_are_kept_just_as_they_are(store: LedgerStore, name: str) -> None:
    key = EarningKey(900, name, name, 1)
    await store.apply(
        Delta(
            {SOURCE: Progress(0, 1)},
            intervals={IntervalKey(900, WorkerKey(name, name, name)): ShareTotals(5)},
            earnings={key: Earning(1, 2)},
            workers={WorkerRef(SOURCE, 1): (name, name)},
        )
    )
    state = await store.load()
    assert state.totals.sites[name].accepted_work == 5
    assert state.workers == {WorkerRef(SOURCE, 1): (name, name)}
    rows = await store.read(lambda c: c.execute("SELECT site FROM account_interval").fetchall())
    assert rows == [(name,)]


async def test_text_is_ordered_by_its_bytes(store: LedgerStore) -> None:
    names = ["a", "B", "ä", "Z", "_", "a b", "ab"]
    news = {name: TemplateInForce(1, 2, 3) for name in names}
    await store.apply(Delta({n: Progress(0, 1) for n in names}, templates=news))
    rows = await store.read(
        lambda c: c.execute("SELECT source FROM source_template ORDER BY source").fetchall()
    )
    assert [name for (name,) in rows] == sorted(names, key=str.encode)


# --- beside the one who writes -----------------------------------------------------------------


async def test_a_second_one_that_would_write_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_module, "LOCK_TIMEOUT_S", 0.1)
    first, second, third = (LedgerStore(database) for _ in range(3))
    await first.open()
    with pytest.raises(StoreError, match="is in use: another pool writes to it"):
        await second.open()
    await second.close()
    await first.apply(delta(0, 1, FIRST))
    await first.close()
    assert (await third.open()).totals == totals(FIRST)
    await third.close()


async def test_who_reads_sees_what_was_committed_and_cannot_write(
    store: LedgerStore, database: Database
) -> None:
    await store.apply(delta(0, 1, FIRST))
    reader = LedgerStore(database, to_read=True)
    assert (await reader.open()).totals == totals(FIRST)
    with pytest.raises(StoreError, match="is read-only"):
        await reader.apply(delta(1, 2, SECOND))
    await reader.close()


async def test_a_readers_transaction_is_of_one_moment(
    store: LedgerStore, database: Database
) -> None:
    await store.apply(delta(0, 1, FIRST))
    reader = database.reader()
    with reader.transaction():
        before = share_sql.progress(reader)
        await store.apply(delta(1, 2, SECOND))
        assert share_sql.progress(reader) == before == {SOURCE: 1}
    assert share_sql.progress(reader) == {SOURCE: 2}
    reader.close()


async def test_a_database_without_the_tables_is_not_read(database: Database) -> None:
    reader = LedgerStore(database, to_read=True)
    with pytest.raises(StoreError, match=r"cannot be opened|brings it up to date"):
        await reader.open()
    await reader.close()


# --- a save that failed ------------------------------------------------------------------------


async def test_a_save_that_succeeded_or_was_refused_was_not_taken_behind_our_back(
    store: LedgerStore,
) -> None:
    assert not await store.took_last()
    await store.apply(delta(0, 1, FIRST))
    assert not await store.took_last()  # it is no last one that failed
    with pytest.raises(StoreError):
        await store.apply(delta(0, 1, SECOND))
    assert not await store.took_last()


async def test_a_store_that_is_not_open_says_so(database: Database) -> None:
    store = LedgerStore(database)
    with pytest.raises(StoreError, match="is not open"):
        await store.load()
    await store.close()
