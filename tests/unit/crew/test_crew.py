"""Workers are begun, missed when they die, found again by the next coordinator, and ended."""

import asyncio
import gc
import os
import signal
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from poolserver.cluster.messages import (
    ListenerSettings,
    Up,
    WorkerEnded,
    WorkerHello,
    WorkerSettings,
    WorkerStarted,
    WorkerSucceeded,
)
from poolserver.crew import berths as berths_module
from poolserver.crew import crew as crew_module
from poolserver.crew.crew import Crew, CrewError, worker_command
from poolserver.crew.lock import ProcessLock, holder
from poolserver.crew.post import COORDINATOR_LOCK, post_dir, worker_lock
from tests.unit.server import hall

STAND_IN = Path(__file__).with_name("stand_in.py")
ANY_PORT = (ListenerSettings("127.0.0.1", 0, 1.0, 1.0, 1.0),)


@pytest.fixture(autouse=True)
def children_of_a_crew_that_is_gone() -> Iterator[None]:
    """Workers outlive their coordinator, which here does not end with a process of its own."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


class Pool:
    """A crew, what it said, and the settings that it gave."""

    def __init__(self, folder: Path, count: int, how: str) -> None:
        self.folder = folder
        self.heard: list[Up] = []
        self.given: list[WorkerSettings] = []
        command = [sys.executable, str(STAND_IN), how]
        self.crew = Crew(count, folder, ANY_PORT, self._settings_for, self.heard.append, command)

    def _settings_for(
        self, index: int, epoch: int, listeners: tuple[ListenerSettings, ...]
    ) -> WorkerSettings:
        self.given.append(
            hall.settings(self.folder, worker_index=index, boot_epoch=epoch, listeners=listeners)
        )
        return self.given[-1]

    def pid(self, index: int) -> int | None:
        return holder(worker_lock(post_dir(self.folder), index))

    async def becomes(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                self.crew.check()
                await asyncio.sleep(0.01)

    async def is_up(self) -> None:
        await self.becomes(lambda: self.crew.berths.up == len(self.crew.berths))


@asynccontextmanager
async def pool_in(folder: Path, count: int = 1, how: str = "serves") -> AsyncIterator[Pool]:
    """Begun; in the end all of it ends, unless the test has done so."""
    pool = Pool(folder, count, how)
    try:
        await pool.crew.open()
        await pool.crew.start()
        yield pool
    finally:
        await pool.crew.close(whole_pool=True)
        for process in pool.crew._processes.values():  # which another coordinator may have ended
            await process.wait()
        await asyncio.sleep(0)  # in which what asyncio has of them is closed


async def test_each_has_an_index_and_an_epoch_of_its_own_and_all_the_same_port(
    tmp_path: Path,
) -> None:
    async with pool_in(tmp_path, 2) as pool:
        await pool.is_up()
        assert sorted(each.worker_index for each in pool.given) == [0, 1]
        assert len({each.boot_epoch for each in pool.given}) == 2
        assert len({each.listeners for each in pool.given}) == 1
        assert pool.given[0].listeners[0].port
        started = [each for each in pool.heard if isinstance(each, WorkerStarted)]
        assert {each.ports[0] for each in started} == {pool.given[0].listeners[0].port}
        await pool.crew.stop(whole_pool=True)
        assert [pool.pid(index) for index in range(2)] == [None, None]


async def test_one_that_is_killed_is_told_of_and_begun_again_with_a_later_epoch(
    tmp_path: Path,
) -> None:
    async with pool_in(tmp_path) as pool:
        await pool.is_up()
        (berth,) = pool.crew.berths
        source, pid = berth.source, pool.pid(0)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await pool.becomes(lambda: berth.restarts == 1)
        await pool.is_up()
        assert WorkerEnded(source) in pool.heard
        assert pool.given[1].boot_epoch > pool.given[0].boot_epoch


async def test_who_dies_again_and_again_is_waited_with(tmp_path: Path) -> None:
    async with pool_in(tmp_path, how="dies") as pool:
        (berth,) = pool.crew.berths
        await pool.becomes(lambda: berth.starts == 2 and not berth.is_living)
        assert berth.due_at - pool.crew._clock() > 0.5


async def test_a_first_worker_that_cannot_start_fails_the_start(tmp_path: Path) -> None:
    async with pool_in(tmp_path, how="fails") as pool:
        with pytest.raises(CrewError, match="no such certificate"):
            await pool.is_up()


async def test_workers_outlive_their_coordinator_and_the_next_finds_them(tmp_path: Path) -> None:
    async with pool_in(tmp_path) as first:
        await first.is_up()
        pid, source = first.pid(0), first.crew.berths.get(0)
        assert source is not None
        await first.crew.close(whole_pool=False)
        assert first.pid(0) == pid
        async with pool_in(tmp_path) as second:
            await second.is_up()
            assert second.pid(0) == pid
            (berth,) = second.crew.berths
            assert (berth.source, berth.starts) == (source.source, 0)
            # It is told the settings as a word of greeting, with the epoch of its life.
            assert second.given[0].boot_epoch == first.given[0].boot_epoch
        assert first.pid(0) is None


async def test_one_of_a_larger_crew_is_ended(tmp_path: Path) -> None:
    async with pool_in(tmp_path, 2) as first:
        await first.is_up()
        await first.crew.close(whole_pool=False)
        surplus = first.crew.berths.get(1)
        assert surplus is not None
        async with pool_in(tmp_path, 1) as second:
            await second.is_up()
            await second.becomes(lambda: second.pid(1) is None)
            assert second.pid(0) is not None
            # Its journal is to be read to its end.
            await second.becomes(lambda: WorkerEnded(surplus.source) in second.heard)


async def test_a_pool_has_one_coordinator(tmp_path: Path) -> None:
    lock = ProcessLock(post_dir(tmp_path) / COORDINATOR_LOCK)
    pool = Pool(tmp_path, 1, "serves")
    with pytest.raises(CrewError, match="runs already"):
        await pool.crew.open()
    await pool.crew.close(whole_pool=True)
    lock.release()


def test_a_worker_is_this_python_with_its_own_module() -> None:
    assert worker_command("info", "json") == [
        *(sys.executable, "-m", "poolserver.crew", "--log-level", "info", "--log-format", "json")
    ]


async def test_workers_of_an_earlier_coordinator_are_told_to_hand_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in does not; those that this coordinator has begun are not asked."""
    monkeypatch.setattr(crew_module, "RENEW_TIMEOUT_S", 0.5)
    async with pool_in(tmp_path, 1) as first:
        await first.is_up()
        with capture_logs() as logs:
            await first.crew.renew()
        assert not [log for log in logs if "renewed" in log["event"]]
        pid = first.pid(0)
        await first.crew.close(whole_pool=False)
        async with pool_in(tmp_path, 1) as second:
            await second.is_up()
            with capture_logs() as logs:
                await second.crew.renew()
            assert "worker_not_renewed" in [log["event"] for log in logs]
            epochs = [[each.boot_epoch for each in pool.given] for pool in (first, second)]
            assert max(epochs[1]) > max(epochs[0])
            assert second.pid(0) == pid, "it mines on"


async def test_who_has_taken_a_workers_place_is_its_successor_and_no_end(tmp_path: Path) -> None:
    pool = Pool(tmp_path, 1, "serves")
    (berth,) = pool.crew.berths
    before, after = "pool-1/0/1", "pool-1/0/2"
    visitor: Any = SimpleNamespace()
    for source in (before, before, after):
        pool.crew.welcome(visitor, WorkerHello(0, source))
        assert berth.source == source
        berth.is_linked = False
    assert pool.heard == [WorkerSucceeded(before, after)]


async def test_what_is_said_before_the_books_are_open_is_not_heard_and_said_again(
    tmp_path: Path,
) -> None:
    pool = Pool(tmp_path, 1, "serves")
    (berth,) = pool.crew.berths
    try:
        await pool.crew.open()
        await pool.is_up()
        assert pool.heard == []
        await pool.crew.start()
        await pool.becomes(lambda: bool(pool.heard))
        assert pool.heard == [WorkerStarted(berth.source, ())]  # as to a new coordinator
    finally:
        await pool.crew.close(whole_pool=True)


async def test_a_disk_that_is_full_renews_no_worker_and_is_said_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def next_boot_epoch(data_dir: Path, unix_time: int) -> int:
        raise OSError("no space left on device")

    async with pool_in(tmp_path, 2) as first:
        await first.is_up()
        await first.crew.close(whole_pool=False)
        async with pool_in(tmp_path, 2) as second:
            await second.is_up()
            monkeypatch.setattr(crew_module, "next_boot_epoch", next_boot_epoch)
            with capture_logs() as logs:
                await second.crew.renew()
            told = [log["process"] for log in logs if log["event"] == "worker_not_renewed"]
            assert told == [0, 1]


async def test_a_worker_that_hangs_is_ended_and_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a link, and its process lives: only that it says nothing tells of it."""
    async with pool_in(tmp_path) as pool:
        await pool.is_up()
        (berth,), pid = pool.crew.berths, pool.pid(0)
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        monkeypatch.setattr(berths_module, "ADRIFT_S", 0.1)
        monkeypatch.setattr(berths_module, "HUNG_S", 0.3)
        with capture_logs() as logs:
            await pool.becomes(lambda: berth.starts == 2)
        monkeypatch.undo()
        await pool.is_up()
        assert pool.pid(0) not in (None, pid)
        assert [log["event"] for log in logs][:3] == [
            "workers_adrift",
            "worker_killed",
            "worker_ended",
        ]
