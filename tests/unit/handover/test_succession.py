"""A SIGHUP is never forgotten: what was written last is in force in the end."""

import asyncio
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from poolserver.config import Config, parse_config
from poolserver.handover import succession as succession_module
from poolserver.handover.state import FORMAT, Hello, Reloading
from poolserver.handover.succession import Succession

GOOD = (Path(__file__).parents[3] / "configs" / "regtest.toml").read_text()
HEIR = 4242


def parsed(text: str) -> Config:
    return parse_config(text, source="pool.toml", folder=Path("/pool"), environ={})


class FakeUpgrade:
    """Under way from its beginning until the test says how it ended."""

    def __init__(self, estate: Any, hello: Any, on_handed: Any, **more: Any) -> None:
        self._on_handed, self._on_failed = on_handed, more["on_failed"]
        self.begun = 0
        self.is_under_way = False
        self.heir_pid: int | None = None

    def begin(self) -> bool:
        if self.is_under_way:
            return False
        self.begun += 1
        self.is_under_way = True
        return True

    def fail(self) -> None:
        self.is_under_way = False
        self._on_failed("no node")

    def succeed(self) -> None:
        self.heir_pid = HEIR
        self._on_handed()


class Pool:
    """A process that has started, or is about to. ``text`` is what its file has."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(succession_module, "Upgrade", FakeUpgrade)
        monkeypatch.setattr(os, "kill", lambda pid, number: self.killed.append((pid, number)))
        self.text, self.reads = GOOD, 0
        self.may_read = threading.Event()
        self.may_read.set()
        self.is_reading = asyncio.Event()
        self.killed: list[tuple[int, int]] = []
        self._loop = asyncio.get_running_loop()
        self.succession = Succession(parsed(GOOD), read=self.read)

    def read(self) -> Config:
        config = parsed(self.text)
        self.reads += 1
        self._loop.call_soon_threadsafe(self.is_reading.set)
        self.may_read.wait(10)
        return config

    def change(self) -> None:
        self.text += "# once more\n[limits]\nstrikes = 9\n" if "strikes" not in self.text else "#\n"

    def open(self) -> None:
        nothing: Any = None
        self.succession.open(nothing, nothing, lambda: None)

    @property
    def upgrade(self) -> FakeUpgrade:
        upgrade: Any = self.succession._upgrade
        return upgrade

    async def settle(self) -> None:
        async with asyncio.timeout(10):
            while (task := self.succession._hanging_up) is not None:
                await asyncio.wait([task])
                await asyncio.sleep(0)


@pytest.fixture
async def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    pool = Pool(monkeypatch)
    pool.open()
    return pool


async def test_one_that_comes_while_the_file_is_read_has_it_read_again(pool: Pool) -> None:
    pool.may_read.clear()
    pool.succession.hang_up()
    await pool.is_reading.wait()
    pool.change()
    with capture_logs() as lines:
        for _ in range(3):
            pool.succession.hang_up()
        pool.may_read.set()
        await pool.settle()
    assert pool.reads == 2  # three that waited are one
    assert pool.upgrade.begun == 1
    events = [line["event"] for line in lines]
    assert events == [*["reload_waits"] * 3, "reload_unchanged", "reload_begun"]


async def test_two_in_the_same_turn_of_the_loop_are_two_reloads_one_after_the_other(
    pool: Pool,
) -> None:
    pool.succession.hang_up()
    pool.succession.hang_up()
    await pool.settle()
    assert pool.succession.facts.counts == {"unchanged": 2}


async def test_one_that_comes_while_another_asks_by_http_is_done_after_it(pool: Pool) -> None:
    pool.may_read.clear()
    asked = asyncio.create_task(pool.succession.reload("token:operator"))
    await pool.is_reading.wait()
    pool.change()
    pool.succession.hang_up()
    pool.may_read.set()
    assert (await asked).code == "unchanged"
    await pool.settle()
    assert pool.upgrade.begun == 1


async def test_one_that_comes_during_a_handover_that_fails_is_done_then(pool: Pool) -> None:
    pool.change()
    pool.succession.hang_up()
    await pool.settle()
    pool.succession.hang_up()
    assert pool.reads == 1
    pool.upgrade.fail()
    await pool.settle()
    assert (pool.reads, pool.upgrade.begun) == (2, 2)
    assert pool.killed == []


async def test_one_that_comes_during_a_handover_is_the_heirs(pool: Pool) -> None:
    pool.succession.upgrade()
    pool.succession.hang_up()
    assert pool.killed == []
    pool.upgrade.succeed()
    assert pool.killed == [(HEIR, signal.SIGHUP)]
    pool.succession.hang_up()  # this process is about to end
    assert pool.killed == [(HEIR, signal.SIGHUP)] * 2
    assert pool.reads == 0


async def test_an_heir_does_it_when_all_of_it_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(monkeypatch)
    mark = Reloading(pool.succession.facts.fingerprint, 1.0)
    pool.succession.came_of(Hello(FORMAT, "regtest", 8, reloading=mark))
    pool.succession.hang_up()
    pool.open()
    assert pool.reads == 0  # its workers are still to come
    pool.succession.has_come()
    await pool.settle()
    assert pool.succession.facts.counts == {"reloaded": 1, "unchanged": 1}


async def test_one_that_comes_before_the_pool_runs_is_done_as_soon_as_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = Pool(monkeypatch)
    pool.change()
    pool.succession.hang_up()
    assert pool.reads == 0
    pool.open()
    await pool.settle()
    assert pool.upgrade.begun == 1


async def test_who_asks_by_http_meanwhile_is_told(pool: Pool) -> None:
    pool.change()
    pool.succession.hang_up()
    await pool.settle()
    assert (await pool.succession.reload("token:operator")).code == "busy"
