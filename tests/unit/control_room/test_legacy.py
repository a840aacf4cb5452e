"""A room goes on from what another has left, as if it had been that one all the time."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from poolserver.control_room import legacy
from poolserver.control_room.view import PowerView
from poolserver.power.signal import AiLoadSignal, BudgetSignal
from poolserver.power.state import MeterReading
from tests.unit.control_room.opened_room import Pool
from tests.unit.control_room.opened_room import opened as opened_in

RIGS = [f"r{rack:02}-{slot}" for rack in (1, 2) for slot in range(60)]
SILENT = RIGS[:10]
# What tells people that something is wrong, or would be done.
ALARMS = {
    "power_intended",
    "power_over",
    "rigs_silent",
    "rigs_not_silent",
    "meter_not_believed",
    "meter_believed",
}


async def opened(folder: Path, more: str = "") -> Pool:
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    return await opened_in(folder, more)


async def at_work(folder: Path) -> Pool:
    """A hall over a dispatcher's limit, with an AI load that is told, a meter and silent rigs."""
    pool = await opened(folder)
    pool.connect(*RIGS)
    pool.room.take_ai_load(AiLoadSignal("hall", "ai", 120_000.0, pool.now_s, pool.now_s + 80_000.0))
    for step in range(300):
        await a_step(pool, step)
    pool.room.take_budget(BudgetSignal("hall", 450_000, "grid", pool.now_s, pool.now_s + 9000))
    await a_step(pool, 300)
    return pool


async def a_step(pool: Pool, step: int) -> None:
    pool.prove(*(RIGS if step < 260 else [rig for rig in RIGS if rig not in SILENT]))
    power_w = 560_000.0 + step % 7
    pool.room.take_reading(MeterReading("main", pool.now_s, power_w, int(power_w * 5 * step)))
    await pool.tick()


async def reloaded(pool: Pool, folder: Path, more: str = "") -> Pool:
    await pool.room.close()
    await pool.store.close()
    left = pool.room.left()
    again = await opened(folder, more)
    again.now_s = pool.now_s
    again.room.take_up(left, lambda account: "hall")
    return again


def shown(pool: Pool) -> PowerView:
    assert pool.room.view is not None
    return pool.room.view


def alarms(logs: list[EventDict]) -> list[EventDict]:
    return [each for each in logs if each["event"] in ALARMS]


async def test_what_is_shown_and_intended_after_a_reload_is_what_would_have_been_without(
    tmp_path: Path,
) -> None:
    old = await at_work(tmp_path / "reloaded")
    twin = await at_work(tmp_path / "twin")
    before = shown(old)
    assert before.intended
    assert before.nodes[-1].silent + before.nodes[-2].silent == len(SILENT)
    with capture_logs() as logs:
        new = await reloaded(old, tmp_path / "reloaded")
        for step in range(301, 340):
            if step == 303:  # the workers tell of their rigs some time later
                new.connect(*RIGS)
            await a_step(new, step)
            await a_step(twin, step)
            assert msgspec.json.encode(shown(new)) == msgspec.json.encode(shown(twin)), step
    assert alarms(logs) == []
    for pool in (new, twin):
        await pool.room.close()
        await pool.store.close()


async def test_after_a_restart_words_of_ai_loads_and_meters_hold_as_they_said(
    tmp_path: Path,
) -> None:
    """Nobody goes on at once here: what rigs did before is not taken up."""
    folder = tmp_path / "pool"
    pool = await at_work(folder)
    await pool.room.close()
    await pool.store.close()
    again = await opened(folder)
    again.now_s = pool.now_s + 20.0
    await again.room.tick()
    site = again.node("hall")
    assert (site.ai_w, site.ai_known, site.method) == (120_000.0, True, "meter")
    again.now_s += 90_000.0
    await again.room.tick()
    assert (again.node("hall").ai_known, again.node("hall").method) == (False, "nothing")
    await again.room.close()
    await again.store.close()


async def test_another_tree_takes_up_what_it_has_of_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "pool"
    old = await at_work(folder)
    before = old.node("hall").estimated_w
    more = '\n[[sites]]\nname = "annex"\naccounts = ["bob"]\nbudget_mw = 1\n'
    new = await reloaded(old, folder, more)
    for step in range(301, 304):
        await a_step(new, step)
    assert new.node("hall").estimated_w.value == pytest.approx(before.value, abs=2 * before.sigma)
    assert new.node("annex").estimated_w.value == 0.0
    await new.room.close()
    await new.store.close()


async def test_what_is_of_another_version_is_left_and_told(tmp_path: Path) -> None:
    folder = tmp_path / "pool"
    pool = await opened(folder)
    with capture_logs() as logs:
        pool.room.take_up(b"\x93\x01\x02\x03", lambda account: "hall")
        legacy.hear_again(pool.room.books, '["nonsense"]')
    assert [each["event"] for each in logs] == ["power_not_restored"] * 2
    await pool.tick()
    await pool.room.close()
    await pool.store.close()
