"""What graphs are made of is sampled, saved and taken up; it decides nothing, and stops nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from poolserver.control_room.view import Figure
from poolserver.ledger import energy_sql
from poolserver.ledger.database import Connection, StoreError
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from poolserver.log import EventFeed
from poolserver.lookout.history import SAMPLE_S
from poolserver.lookout.keeper import EVENTS_SAVED, HISTORY, LookoutKeeper, wait_s
from poolserver.lookout.overview import Overview
from poolserver.lookout.view import PowerStatus, SiteStatus
from tests.unit.lookout.staged import Stage, mine

T = TypeVar("T")
BEGIN_S = 1_800_000_000.0


class Kept:
    """A keeper of a pool that mines, over a store."""

    def __init__(self, folder: Path, store: Any, unix_s: float = BEGIN_S) -> None:
        stage = Stage(folder)
        mine(stage.pool)
        self.unix_s = unix_s
        self.feed = EventFeed(lambda: self.unix_s)
        self.keeper = LookoutKeeper(
            stage.overview, self.feed, store, clock=lambda: 1.0, unix_time=lambda: self.unix_s
        )

    def sample(self, seconds: int) -> None:
        for _ in range(0, seconds, 10):
            self.keeper.sample()
            self.unix_s += 10.0


async def test_graphs_and_events_outlive_the_process(tmp_path: Path) -> None:
    store = LedgerStore(SqliteDatabase(tmp_path / "l.sqlite"))
    await store.open()
    first = Kept(tmp_path / "a", store)
    await first.keeper.open()
    first.sample(100)
    for number in range(EVENTS_SAVED + 5):
        first.feed.take("info", f"e{number}", {"n": number})
    await first.keeper.close()
    again = Kept(tmp_path / "b", store, first.unix_s)
    again.feed.take("info", "new", {})
    await again.keeper.open()
    events = again.feed.after(0)
    assert [each.event for each in events][-2:] == [f"e{EVENTS_SAVED + 4}", "new"]
    assert len(events) == EVENTS_SAVED + 1
    for name in ("", "hall"):
        history = again.keeper.histories.history(name, "1h", again.unix_s)
        assert history is not None
        assert [rigs for rigs in history.rigs if rigs is not None] == [3] * 9
        assert all(rate is None or rate > 0 for rate in history.hashrate_h_s)
    await store.close()


@given(
    begin_s=st.floats(BEGIN_S, BEGIN_S + 3600),
    early_s=st.lists(st.floats(-0.02, 0.001), min_size=30, max_size=30),
    took_s=st.floats(0, 0.05),
)
def test_no_step_is_without_a_sample_though_timers_fire_early(
    begin_s: float, early_s: list[float], took_s: float
) -> None:
    now_s, steps = begin_s, set()
    for early in early_s:
        steps.add(now_s // SAMPLE_S)
        taken_at, now_s = now_s, now_s + took_s
        now_s += max(0.0, wait_s(taken_at, now_s) - early)
    assert len(steps) == max(steps) - min(steps) + 1


class Limited:
    """A pool with power, whose programme has no limit and whose site has one."""

    def __init__(self, shown: Overview) -> None:
        self.status = shown.status
        self._shown = shown

    def sites(self) -> list[SiteStatus]:
        watts = Figure(150e3, 3e3)
        power = PowerStatus(watts, watts, 0.0, 200_000, 50e3, None, None, None, 17.5)
        return [msgspec.structs.replace(site, power=power) for site in self._shown.sites()]


def test_the_limit_of_the_only_site_is_that_of_all(tmp_path: Path) -> None:
    kept = Kept(tmp_path, Away())
    kept.keeper = LookoutKeeper(
        Limited(Stage(tmp_path).overview), kept.feed, Away(), unix_time=lambda: kept.unix_s
    )
    kept.sample(40)
    history = kept.keeper.histories.history("", "1h", kept.unix_s)
    assert history is not None
    assert {limit_w for limit_w in history.limit_w if limit_w is not None} == {200_000}


@pytest.mark.parametrize("saved", ["", "no", '{"": 3}', '{"": {"1h": [1, "x", 1, [], []]}}'])
async def test_what_cannot_be_taken_up_is_left(tmp_path: Path, saved: str) -> None:
    store = LedgerStore(SqliteDatabase(tmp_path / "l.sqlite"))
    await store.open()
    await store.write(lambda connection: energy_sql.put_states(connection, {HISTORY: saved}))
    kept = Kept(tmp_path / "a", store)
    with capture_logs() as logs:
        await kept.keeper.open()
    assert [each["event"] for each in logs] == ["history_not_restored"]
    kept.sample(20)
    await kept.keeper.close()
    assert "1h" in (await store.read(energy_sql.states))[HISTORY]
    await store.close()


class Away:
    """A database that is not there."""

    async def read(self, work: Callable[[Connection], T]) -> T:
        raise StoreError("db", "is away")

    write = read


async def test_a_database_that_is_away_is_told_and_nothing_else(tmp_path: Path) -> None:
    kept = Kept(tmp_path, Away())
    with capture_logs() as logs:
        await kept.keeper.open()
        await kept.keeper.save()
        await kept.keeper.save()
    assert [each["event"] for each in logs] == ["history_not_restored", "history_not_saved"]


async def test_a_keeper_that_was_never_opened_saves_nothing(tmp_path: Path) -> None:
    """The start failed: what an earlier process has saved is not overwritten."""
    with capture_logs() as logs:
        await Kept(tmp_path, Away()).keeper.close()
    assert logs == []
