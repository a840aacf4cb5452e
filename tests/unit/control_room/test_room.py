"""The room at work, by clocks of its own: what comes in is in the next tick, and what is news."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import structlog

from poolserver.control_room.room import CALIBRATION
from poolserver.power.estimator import Total
from poolserver.power.signal import AiLoadSignal, BudgetSignal, SignalError, UnknownSignalError
from poolserver.power.state import MeterReading
from tests.unit.control_room.opened_room import Pool, opened


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[Pool]:
    pool = await opened(tmp_path)
    yield pool
    await pool.room.close()
    await pool.store.close()


async def test_work_is_power_at_its_rack_and_at_all_above_with_pue_at_the_site(pool: Pool) -> None:
    rigs = [f"r01-{slot}" for slot in range(100)]
    pool.connect(*rigs)
    for _ in range(12):
        pool.prove(*rigs)
        await pool.tick()
    rack, transformer, site = (pool.node(each) for each in ("hall/T1/r01", "hall/T1", "hall"))
    assert rack.estimated_w.value == pytest.approx(350_000, rel=0.1)
    assert transformer.estimated_w.value == pytest.approx(rack.estimated_w.value)
    assert site.estimated_w.value == pytest.approx(1.1 * rack.estimated_w.value)
    assert (rack.rigs, site.rigs, rack.configured) == (100, 100, False)
    # AI load that nobody tells of counts at what it may draw.
    assert site.total_w.value == pytest.approx(site.estimated_w.value + 500_000)


async def test_a_word_is_in_the_next_tick_and_what_is_wrong_with_it_is_told_at_once(
    pool: Pool,
) -> None:
    await pool.tick()
    with pytest.raises(SignalError):
        pool.room.take_budget(BudgetSignal("hall", -1, "grid", pool.now_s, pool.now_s + 60))
    with pytest.raises(UnknownSignalError):
        pool.room.take_reading(MeterReading("other", pool.now_s, 1.0))
    pool.room.take_budget(BudgetSignal("hall", 400_000, "grid", pool.now_s, pool.now_s + 60))
    pool.room.take_ai_load(AiLoadSignal("hall", "ai", 300_000.0, pool.now_s, pool.now_s + 600))
    await pool.tick()
    site = pool.node("hall")
    assert (site.limit_w, site.limits[0].source) == (400_000, "grid")
    assert (site.ai_w, site.ai_known) == (300_000.0, True)
    await pool.tick(61.0)  # the word ends
    assert pool.node("hall").limit_w == 2_000_000


async def test_an_over_budget_is_told_with_its_reason_in_the_tick_after_it_shows(
    pool: Pool,
) -> None:
    rigs = [f"r01-{slot}" for slot in range(200)]
    pool.connect(*rigs)
    pool.room.take_ai_load(AiLoadSignal("hall", "ai", 0.0, pool.now_s, pool.now_s + 3600))
    for _ in range(15):
        pool.prove(*rigs)
        pool.room.take_reading(MeterReading("main", pool.now_s, 770_000.0))
        await pool.tick()
    with structlog.testing.capture_logs() as logs:
        pool.prove(*rigs)
        pool.room.take_budget(
            BudgetSignal("hall", 600_000, "grid", pool.now_s, pool.now_s + 600, "peak")
        )
        tick = await pool.tick()
        await pool.tick()
    assert tick.decision.overloads
    told = [each["what"] for each in logs if each["event"] == "power_intended"]
    assert len(told) == 1, told  # not at each tick anew
    assert told[0].startswith("would shed ")
    assert "600 kW by grid (peak)" in told[0]


async def test_a_meter_that_is_not_believed_is_told_once_and_when_it_is_again(pool: Pool) -> None:
    pool.room.take_reading(MeterReading("main", pool.now_s, 500_000.0))
    await pool.tick()
    with structlog.testing.capture_logs() as logs:
        for power_w in (-50_000.0, -50_000.0, 500_001.0):
            pool.room.take_reading(MeterReading("main", pool.now_s, power_w))
            await pool.tick()
    events = [(each["event"], each.get("quality")) for each in logs if "meter" in each["event"]]
    assert events == [("meter_not_believed", "negative"), ("meter_believed", None)]


async def test_rigs_that_fall_silent_are_one_line_and_counted(pool: Pool) -> None:
    rigs = [f"r01-{slot}" for slot in range(20)]
    pool.connect(*rigs)
    for _ in range(240):
        pool.prove(*rigs)
        await pool.tick()
    with structlog.testing.capture_logs() as logs:
        for _ in range(40):
            pool.prove(*rigs[10:])
            await pool.tick()
    silent = [each for each in logs if each["event"] == "rigs_silent"]
    assert sum(each["rigs"] for each in silent) == 10
    assert (pool.node("hall/T1/r01").rigs, pool.node("hall/T1/r01").silent) == (10, 10)
    with structlog.testing.capture_logs() as logs:
        pool.connect(*rigs[:10], sessions=0)
        await pool.tick()
    assert pool.node("hall/T1/r01").silent == 0
    assert [each["disconnected"] for each in logs if each["event"] == "rigs_not_silent"] == [10]


async def test_what_meters_taught_is_taken_up_again(tmp_path: Path) -> None:
    pool = await opened(tmp_path)
    rigs = [f"r01-{slot}" for slot in range(100)]
    pool.connect(*rigs)
    pool.room.take_ai_load(AiLoadSignal("hall", "ai", 0.0, pool.now_s, pool.now_s + 80_000))
    for minute in range(90):
        pool.prove(*rigs, shares=12)
        pool.room.take_reading(MeterReading("main", pool.now_s, 400_000.0 + minute))
        await pool.tick(60.0)
    taught = pool.node("hall").calibration
    assert taught is not None
    assert taught.factor == pytest.approx(400_000 / (100 * 3500 * 1.1), rel=0.01)
    await pool.room.close()
    await pool.store.close()
    again = await opened(tmp_path)
    await again.tick()
    assert again.node("hall").calibration == taught
    again.room.accept_calibration("hall")
    await again.tick()
    assert again.node("hall").calibration is None
    with pytest.raises(UnknownSignalError):
        again.room.accept_calibration("hall/T1")
    await again.room.close()
    await again.store.close()


async def test_a_calibration_of_another_version_is_left(tmp_path: Path) -> None:
    pool = await opened(tmp_path)
    pool.room._learned = json.dumps({"hall": {"beta": 1.0}})
    await pool.room.close()
    await pool.store.close()
    with structlog.testing.capture_logs() as logs:
        again = await opened(tmp_path)
    assert [each["event"] for each in logs] == ["calibration_not_restored"]
    assert CALIBRATION in again.room._energy_keeper.restored
    await again.room.close()
    await again.store.close()


async def test_a_node_is_told_over_all_windows_with_its_rigs(pool: Pool) -> None:
    assert await pool.room.detail("hall", 10) is None  # before the first tick
    rigs = [f"r01-{slot}" for slot in range(5)]
    pool.connect(*rigs)
    for _ in range(60):
        pool.prove(*rigs)
        await pool.tick()
    pool.room.take_budget(BudgetSignal("hall", 9_000, "grid", pool.now_s, pool.now_s + 60))
    detail = await pool.room.detail("hall/T1/r01", 3)
    assert detail is not None
    assert [window.window_s for window in detail.windows] == [5, 60, 300, 900, 3600]
    five_minutes = detail.windows[2]
    assert five_minutes.power_w.value == pytest.approx(5 * 3500, rel=0.05)
    assert five_minutes.power_low_w < 5 * 3500 < five_minutes.power_high_w
    assert five_minutes.shares == pytest.approx(300, rel=0.02)
    assert (len(detail.rigs), detail.more) == (3, 2)
    rig = detail.rigs[0]
    assert (rig.state, rig.rated_by, rig.j_per_th) == ("hashing", "site default", 17.5)
    assert [window.window_s for window in rig.windows] == [60, 300, 900, 3600]
    site = await pool.room.detail("hall", 3)
    assert site is not None
    assert site.rigs == ()
    assert site.next_limit is not None
    assert site.next_limit.at == pool.now_s + 60  # the word ends, and the site's own limit holds
    assert site.next_limit.limit_w == 2_000_000
    assert await pool.room.detail("nowhere", 3) is None


async def test_a_pool_that_stops_before_its_first_tick_keeps_what_meters_have_taught(
    tmp_path: Path,
) -> None:
    taught = None
    for ticks in (1, 0, 1):  # in the second a port was taken, say
        pool = await opened(tmp_path)
        calibrator = pool.room._desk.calibrator
        if taught is None:
            for minute in range(120):
                calibrator.take("hall", minute * 60.0, 1.04e6, 0.003, Total(minute * 60e6, 0.0))
            taught = calibrator.lessons()["hall"].alpha
            assert taught > 1.01
        for _ in range(ticks):
            await pool.tick()
        await pool.room.close()
        await pool.store.close()
    assert calibrator.lessons()["hall"].alpha == taught


async def test_a_failsafe_limit_that_holds_as_a_meter_is_not_heard_is_shown(
    tmp_path: Path,
) -> None:
    source = """
[[budget_sources]]
name = "npcc"
node = "hall"
failsafe_mw = 1.2
max_age_s = 86400
"""
    pool = await opened(tmp_path, source)
    pool.room.take_budget(BudgetSignal("hall", 1.5e6, "npcc", pool.now_s))
    await pool.tick()
    site = pool.node("hall")
    assert (site.limit_w, site.limits[0].source) == (1_500_000, "npcc")
    await pool.tick(301.0)
    site = pool.node("hall")
    assert (site.limit_w, site.limits[0].source) == (1_200_000, "meter main")
    await pool.room.close()
    await pool.store.close()


async def test_a_bug_in_a_tick_is_told_and_ends_nothing(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticked = 0

    async def tick() -> None:
        nonlocal ticked
        ticked += 1
        if ticked == 1:
            raise KeyError("a bug")
        if ticked == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(pool.room, "tick", tick)
    monkeypatch.setattr(pool.room, "_tick_s", 0.0)
    with structlog.testing.capture_logs() as logs, suppress(asyncio.CancelledError):
        await pool.room._run()
    events = [each["event"] for each in logs if each["log_level"] != "debug"]
    assert events == ["power_tick_failed", "power_ticks_again"]
