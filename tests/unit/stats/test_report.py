"""What ``ledger stats`` tells: figures of the last save, beside the sums of the whole life."""

from pathlib import Path

import pytest

from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.mining.share import ShareOutcome
from poolserver.stats.meters import Level
from poolserver.stats.report import RejectRatios, Report, report
from tests.unit.stats.lives import RIGS, WORK, Clocks, Life


async def mined(folder: Path) -> Life:
    pool = Life(folder, Clocks(), 1)
    await pool.open()
    await pool.take(*pool.declared())
    for _ in range(60):
        pool.clocks.advance(2)
        await pool.take(*(pool.share(rig) for rig in RIGS), pool.share("alice.1", zeros=12))
    await pool.take(pool.share("bob.1", ShareOutcome.MALFORMED))
    return pool


def told(folder: Path, level: Level, top: int | None = None) -> Report:
    connection = SqliteDatabase(folder / "ledger.sqlite").reader()
    try:
        return report(connection, level, top)
    finally:
        connection.close()


async def test_the_pool_is_told_as_it_was_at_the_last_save(tmp_path: Path) -> None:
    pool = await mined(tmp_path)
    await pool.stop()
    found = told(tmp_path, Level.POOL)
    assert found.saved_at_unix_ms == int(pool.clocks.unix_s * 1000)
    (figures,) = found.figures
    assert figures.hashrate_h_s == pytest.approx(
        dict.fromkeys(figures.hashrate_h_s, 2 * WORK), rel=0.05
    )
    assert figures.relative_sigma["7d"] == pytest.approx(1 / 240**0.5, rel=0.01)
    assert figures.shares == 241
    for window in ("1h", "1d"):
        ratios = figures.reject_ratio[window]
        assert ratios is not None
        assert ratios.rejected == pytest.approx(1 / 241, rel=0.05)
    assert figures.reject_ratio["ever"] == RejectRatios(0.0, 1 / 241)
    assert figures.best_difficulty_ever == figures.best_difficulty_in_round > 0
    assert figures.last_share_unix_ms == found.saved_at_unix_ms


async def test_workers_come_with_the_highest_hashrate_first(tmp_path: Path) -> None:
    await (await mined(tmp_path)).stop()
    found = told(tmp_path, Level.WORKER, 2)
    assert [(each.account, each.name) for each in found.figures] == [
        ("alice", "alice.1"),
        ("alice", "alice.2"),
    ]
    assert found.count == 3
    accounts = told(tmp_path, Level.ACCOUNT).figures
    assert [each.account for each in accounts] == ["alice", "bob"]
    assert [each.name for each in told(tmp_path, Level.SITE).figures] == ["north"]


async def test_a_meter_that_was_saved_before_the_others_stood_still_since(tmp_path: Path) -> None:
    pool = await mined(tmp_path)
    await pool.statistics.save()
    pool.clocks.advance(600)
    await pool.take(pool.share("alice.1"))
    expected = pool.readings()
    await pool.stop()
    for figures in told(tmp_path, Level.WORKER).figures:
        reading = expected[Level.WORKER, (figures.account, figures.name)]  # type: ignore[index]
        assert list(figures.hashrate_h_s.values()) == pytest.approx(list(reading.hashrates))


async def test_who_has_no_meter_any_more_is_told_with_its_sums(tmp_path: Path) -> None:
    pool = await mined(tmp_path)
    await pool.stop()
    writer = SqliteDatabase(tmp_path / "ledger.sqlite").connect()
    writer.execute("DELETE FROM meter WHERE name = ?", ("bob.1",))
    writer.close()
    last = told(tmp_path, Level.WORKER).figures[-1]
    assert (last.name, last.shares, set(last.hashrate_h_s.values())) == ("bob.1", 61, {0.0})
    assert last.reject_ratio["1h"] is None
    assert last.relative_sigma["1h"] is None


async def test_before_the_first_save_there_is_nothing(tmp_path: Path) -> None:
    pool = Life(tmp_path, Clocks(), 1)
    await pool.open()
    await pool.kill()
    assert told(tmp_path, Level.SITE) == Report("site", None, 0, [])
