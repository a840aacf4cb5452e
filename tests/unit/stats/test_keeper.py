"""Statistics over restarts, with the books' keeper, a journal and a database: once each share."""

import asyncio
import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from poolserver.ledger import meter_sql
from poolserver.ledger.database import Connection, StoreError
from poolserver.ledger.records import ShareRecord
from poolserver.ledger.segment import SegmentId, encode_header
from poolserver.ledger.totals import ShareTotals, WorkerKey
from poolserver.mining.share import ShareOutcome
from poolserver.stats import catch_up
from poolserver.stats import keeper as keeper_module
from poolserver.stats.keeper import SAVE_INTERVAL_S
from poolserver.stats.meter import Judged, Reading
from poolserver.stats.meters import OF_POOL, Level, MeterName, Meters
from tests.unit.ledger.strategies import encode
from tests.unit.stats.lives import RIGS, Clocks, Life, readings, site_of

ALICE_1 = ("alice", "alice.1")


def flat(reading: Reading) -> list[float]:
    rejects = [part for each in reading.rejects for part in each or (-1.0, -1.0)]
    return [*reading.hashrates, *reading.relative_sigmas, *rejects, reading.best_in_round]


def same(
    some: dict[tuple[Level, MeterName], Reading], others: dict[tuple[Level, MeterName], Reading]
) -> None:
    assert some.keys() == others.keys()
    for name, reading in some.items():
        assert flat(reading) == pytest.approx(flat(others[name]), rel=1e-6), name


async def life(folder: Path, clocks: Clocks, epoch: int, **terms: int) -> Life:
    begun = Life(folder, clocks, epoch, **terms)
    await begun.open()
    return begun


async def mine(pool: Life, seconds: int, rigs: Iterable[str] = RIGS) -> None:
    """A share of each rig every two seconds."""
    for _ in range(0, seconds, 2):
        pool.clocks.advance(2)
        await pool.take(*(pool.share(rig) for rig in rigs))


def pool_shares(pool: Life) -> float:
    """The work in the week's window, as shares that did not decay."""
    reading = pool.meters.read(Level.POOL, OF_POOL, pool.clocks.now_s)
    assert reading.rejects[0] is not None
    return 1 / reading.relative_sigmas.d7**2


# --- restarts ---------------------------------------------------------------------------------


async def test_statistics_go_on_after_a_stop_with_the_time_away_in_them(tmp_path: Path) -> None:
    clocks = Clocks()
    pool = await life(tmp_path, clocks, 1)
    await pool.take(*pool.declared())
    await mine(pool, 600)
    await pool.stop()
    clocks.advance(300)
    expected = pool.readings()
    clocks.now_s = 5.0  # another boot of the machine
    pool = await life(tmp_path, clocks, 2)
    same(pool.readings(), expected)
    await pool.stop()


async def test_what_a_kill_kept_from_the_meters_is_counted_at_its_time(tmp_path: Path) -> None:
    clocks = Clocks()
    pool = await life(tmp_path, clocks, 1)
    await pool.take(*pool.declared())
    await mine(pool, 10)
    await pool.statistics.save()
    await mine(pool, 50)  # not saved
    clocks.advance(2)
    shares = [pool.share(rig) for rig in RIGS]
    pool.write(shares)  # not even folded
    pool.meters.update(map(judged, shares), clocks.now_s)
    await pool.kill()
    clocks.advance(60)
    expected = pool.readings()
    pool = await life(tmp_path, clocks, 2)
    same(pool.readings(), expected)
    await pool.kill()


def judged(share: ShareRecord) -> tuple[WorkerKey, Judged]:
    """What a share is to the meters."""
    rig = RIGS[share.worker_ref - 1]
    shares = Judged()
    shares.work, shares.work_sq, shares.judged = float(share.work), float(share.work) ** 2, 1
    if share.outcome is ShareOutcome.STALE:
        shares.stale = 1
    else:
        best_hash = int.from_bytes(share.hash_le, "little")
        shares.best_difficulty = ShareTotals(best_hash=best_hash).best_difficulty
    return WorkerKey("north", rig.partition(".")[0], rig), shares


@pytest.mark.parametrize(
    "saves", [(), ("books",), ("meters",), ("books", "meters"), ("meters", "books")]
)
async def test_whichever_was_saved_last_each_share_counts_once(
    tmp_path: Path, saves: tuple[str, ...]
) -> None:
    clocks = Clocks()
    pool = await life(tmp_path, clocks, 1)
    await pool.take(*pool.declared())
    await pool.statistics.save()
    for save in saves:
        await mine(pool, 20)
        await (pool.statistics.save() if save == "meters" else pool.keeper.save())
    await mine(pool, 20)
    shares = pool_shares(pool)
    for epoch in (2, 3):
        await pool.kill()
        pool = await life(tmp_path, clocks, epoch)
        assert pool_shares(pool) == pytest.approx(shares, rel=1e-3)
        assert pool.keeper.totals.sites["north"].shares[0] == 3 * 10 * (len(saves) + 1)
    await pool.kill()


async def test_a_source_that_no_save_knew_of_is_caught_up_too(tmp_path: Path) -> None:
    clocks = Clocks()
    pool = await life(tmp_path, clocks, 1)
    await pool.take(*pool.declared())
    await mine(pool, 20)
    await pool.stop()
    pool = await life(tmp_path, clocks, 2)
    await pool.take(*pool.declared())
    await mine(pool, 20)
    shares = pool_shares(pool)
    await pool.kill()
    pool = await life(tmp_path, clocks, 3)
    assert pool_shares(pool) == pytest.approx(shares, rel=1e-3)
    await pool.kill()


@pytest.mark.parametrize("seed", range(6))
async def test_restarts_at_random_moments_change_nothing(tmp_path: Path, seed: int) -> None:
    chance, clocks = random.Random(seed), Clocks()
    reference, reference_clock = Meters(site_of), Clocks(now_s=0.0)
    pool, epoch = await life(tmp_path, clocks, 1), 1

    async def send(told: bool) -> None:
        rigs = chance.sample(RIGS, chance.randrange(len(RIGS) + 1))
        outcomes = [chance.choice([ShareOutcome.ACCEPTED, ShareOutcome.STALE]) for _ in rigs]
        records = [
            pool.share(rig, outcome, chance.randrange(40))
            for rig, outcome in zip(rigs, outcomes, strict=True)
        ]
        is_block = chance.random() < 0.1
        batch = pool.write([*records, *([pool.block(chance.getrandbits(30))] * is_block)])
        if told:
            pool.keeper.add(batch)
            await pool.keeper.take_in()
            await pool.statistics.take_in()
        reference.update(map(judged, records), reference_clock.now_s)
        if is_block:
            reference.end_round(reference_clock.now_s)

    def advance(seconds: int) -> None:
        clocks.advance(seconds)
        reference_clock.advance(seconds)

    await pool.take(*pool.declared())
    for rig in RIGS:
        reference.declare(rig.partition(".")[0], rig, 0.0)
    await pool.statistics.save()
    for _ in range(150):
        advance(2)
        await send(told=True)
        what = chance.random()
        if what < 0.05:
            await pool.statistics.save()
        elif what < 0.10:
            await pool.keeper.save()
        elif what < 0.16:
            if what < 0.13:
                advance(2)
                await send(told=False)
                await pool.kill()
            else:
                await pool.stop()
            advance(2 * chance.randrange(100))
            clocks.now_s = chance.uniform(0, 1e6)
            epoch += 1
            pool = await life(tmp_path, clocks, epoch)
            await pool.take(*pool.declared())
    same(pool.readings(), readings(reference, reference_clock.now_s))
    await pool.kill()


# --- clocks -----------------------------------------------------------------------------------


async def test_a_time_of_day_that_went_back_over_a_restart_decays_nothing(tmp_path: Path) -> None:
    clocks = Clocks()
    pool = await life(tmp_path, clocks, 1)
    await pool.take(*pool.declared())
    await mine(pool, 60)
    expected = pool.readings()
    await pool.stop()
    clocks.now_s, clocks.unix_s = 3.0, clocks.unix_s - 86_400
    pool = await life(tmp_path, clocks, 2)
    same(pool.readings(), expected)
    await pool.stop()


async def test_a_time_of_day_that_jumps_while_running_changes_nothing(tmp_path: Path) -> None:
    clocks, others = Clocks(), Clocks()
    (tmp_path / "other").mkdir()
    pool, other = await life(tmp_path, clocks, 1), await life(tmp_path / "other", others, 1)
    for each in (pool, other):
        await each.take(*each.declared())
    for jump_s in (0, 3600, -7200, 86_400):
        clocks.unix_s += jump_s
        await mine(pool, 20)
        await mine(other, 20)
    same(pool.readings(), other.readings())
    await pool.stop()
    await other.stop()


# --- what is damaged or missing ---------------------------------------------------------------


async def test_damaged_meters_are_left_out_and_the_rest_goes_on(tmp_path: Path) -> None:
    clocks = Clocks()
    pool = await life(tmp_path, clocks, 1)
    await pool.take(*pool.declared())
    await mine(pool, 20)
    await pool.statistics.save()
    expected = pool.readings()
    await pool.store.write(
        lambda connection: connection.execute(
            "UPDATE meter SET state = ? WHERE name = ?", (b"\x01nonsense", "alice.1")
        )
    )
    await pool.kill()
    with capture_logs() as logs:
        pool = await life(tmp_path, clocks, 2)
    assert {"event": "statistics_dropped", "log_level": "warning", "meters": 1} in [
        {key: value for key, value in log.items() if key != "reason"} for log in logs
    ]
    del expected[Level.WORKER, ALICE_1]
    same(pool.readings(), expected)
    await pool.kill()


async def test_a_lost_database_begins_statistics_anew(tmp_path: Path) -> None:
    clocks = Clocks()
    pool = await life(tmp_path, clocks, 1)
    await pool.take(*pool.declared())
    await mine(pool, 20)
    await pool.stop()
    (tmp_path / "ledger.sqlite").unlink()
    pool = await life(tmp_path, clocks, 2)
    assert pool.keeper.totals.sites["north"].shares[0] == 30
    assert not pool.meters.pool.states
    await pool.stop()


async def test_a_journal_with_a_gap_is_left_out_and_the_others_go_on(tmp_path: Path) -> None:
    clocks = Clocks()
    pool = await life(tmp_path, clocks, 1)
    await pool.take(*pool.declared())
    await pool.statistics.save()
    await mine(pool, 20)
    shares, records = pool_shares(pool), encode(7, [pool.share("bob.1")])
    await pool.kill()
    gap = SegmentId("pool-1/0/0", 7, 0)  # its first six records are gone
    (tmp_path / "journal" / gap.file_name).write_bytes(encode_header(gap) + records)
    with capture_logs() as logs:
        pool = await life(tmp_path, clocks, 2)
    assert [log["source"] for log in logs if log["event"] == "statistics_incomplete"] == [
        gap.source
    ]
    assert pool_shares(pool) == pytest.approx(shares, rel=1e-3)
    await pool.kill()


# --- saving -----------------------------------------------------------------------------------


async def test_a_start_does_not_wait_for_long_for_what_only_describes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = Clocks()
    pool = await life(tmp_path, clocks, 1)
    await pool.take(*pool.declared())
    await mine(pool, 10)
    await pool.statistics.save()
    before = pool_shares(pool)
    await mine(pool, 10)
    await pool.kill()
    monkeypatch.setattr(catch_up, "GIVE_UP_S", -1.0)
    with capture_logs() as said:
        pool = await life(tmp_path, clocks, 2)
    assert [event["event"] for event in said] == ["statistics_incomplete"]
    assert pool_shares(pool) == pytest.approx(before)
    await pool.kill()
    monkeypatch.undo()
    pool = await life(tmp_path, clocks, 3)  # what was left out stays out
    assert pool_shares(pool) == pytest.approx(before)
    await pool.stop()


async def test_a_save_that_fails_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(connection: Connection, rows: object, metered: object) -> None:
        raise StoreError("the database", "is locked by another program", transient=True)

    clocks = Clocks()
    pool = await life(tmp_path, clocks, 1)
    await pool.take(*pool.declared())
    await pool.statistics.save()
    await mine(pool, 20, ["alice.1"])
    with capture_logs() as logs:
        with monkeypatch.context() as patch:
            patch.setattr(meter_sql, "put", locked)
            await pool.statistics.save()
        await mine(pool, 20, ["bob.1"])
        await pool.statistics.save()
    assert [log["event"] for log in logs] == ["statistics_not_saved", "statistics_saved_again"]
    expected = pool.readings()
    await pool.kill()
    pool = await life(tmp_path, clocks, 2)
    same(pool.readings(), expected)
    await pool.kill()


async def test_statistics_are_saved_once_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = Clocks()
    pool = await life(tmp_path, clocks, 1)
    saved_at: list[float] = []

    async def write(work: Callable[[Connection], None]) -> None:
        saved_at.append(clocks.now_s)

    monkeypatch.setattr(pool.store, "write", write)
    running = asyncio.create_task(pool.statistics.run())
    began_s = clocks.now_s
    pool.keeper.add(pool.write(pool.declared()))
    for _ in range(100):
        clocks.advance(2)
        pool.keeper.add(pool.write([pool.share("alice.1")]))
        await pool.keeper.take_in()
        for _ in range(8):
            await asyncio.sleep(0)
    running.cancel()
    assert len(saved_at) == 4
    assert saved_at[0] == began_s + 2  # at once, where there is none yet
    assert saved_at[1] == pytest.approx(saved_at[0] + SAVE_INTERVAL_S, abs=2)
    await pool.kill()


async def test_who_is_cancelled_in_the_middle_leaves_the_rest_and_nothing_counts_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "STEP", 1)
    clocks = Clocks()
    pool = await life(tmp_path, clocks, 1)
    await pool.take(*pool.declared())
    clocks.advance(2)
    pool.keeper.add(pool.write([pool.share(rig) for rig in RIGS]))
    await pool.keeper.take_in()
    for turns in range(3):
        taking = asyncio.create_task(pool.statistics.take_in())
        for _ in range(turns):
            await asyncio.sleep(0)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
    await pool.stop()
    assert pool_shares(pool) == pytest.approx(3)


async def test_names_that_left_the_memory_leave_the_database(tmp_path: Path) -> None:
    clocks = Clocks()
    pool = await life(tmp_path, clocks, 1, max_names=2)
    await pool.take(*pool.declared())
    for rig in RIGS:
        await mine(pool, 2, [rig])
        await pool.statistics.save()
    count: list[int] = []

    def names(connection: Connection) -> None:
        row = connection.execute("SELECT count(*) FROM meter WHERE level = 'worker'").fetchone()
        assert row is not None
        count.append(row[0])

    await pool.store.read(names)
    assert count == [2]
    await pool.stop()
