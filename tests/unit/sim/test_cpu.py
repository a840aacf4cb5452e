"""The queue for the CPU, with searches that need none."""

import asyncio
from contextlib import suppress
from typing import cast

import pytest

from poolserver.sim.cpu import HASHES_PER_TURN, Cpu
from poolserver.sim.search import Attempt


class FakeAttempt:
    """Finds nothing until its last turn."""

    def __init__(self, nonce: int | None) -> None:
        self._nonce = nonce

    def run(self, hashes: int) -> int | None:
        assert hashes == HASHES_PER_TURN
        return self._nonce


class FakeSearching:
    """Is done after so many turns; writes down whose turn it was."""

    def __init__(self, name: str, turns: int, log: list[str]) -> None:
        self._name = name
        self._left = turns
        self._log = log
        self.found: list[int | None] = []
        self.done = asyncio.Event()

    def next_attempt(self) -> Attempt | None:
        if not self._left:
            self.done.set()
            return None
        self._left -= 1
        return cast(Attempt, FakeAttempt(None if self._left else 7))

    def on_tried(self, attempt: Attempt, nonce: int | None) -> None:
        self._log.append(self._name)
        self.found.append(nonce)


async def test_searches_take_turns_until_they_are_done() -> None:
    log: list[str] = []
    cpu = Cpu()
    long, short = FakeSearching("long", 4, log), FakeSearching("short", 2, log)
    cpu.enqueue(long)
    cpu.enqueue(short)
    running = asyncio.create_task(cpu.run())
    await asyncio.gather(long.done.wait(), short.done.wait())
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert log == ["long", "short", "long", "short", "long", "long"]
    assert long.found == [None, None, None, 7]


async def test_a_search_that_fails_is_not_passed_over() -> None:
    class Broken(FakeSearching):
        def next_attempt(self) -> Attempt | None:
            raise ZeroDivisionError

    cpu = Cpu()
    cpu.enqueue(Broken("", 1, []))
    with pytest.raises(ExceptionGroup) as caught:
        await cpu.run()
    assert caught.group_contains(ZeroDivisionError)


def test_without_threads_there_is_no_hashing() -> None:
    with pytest.raises(ValueError, match="thread"):
        Cpu(0)
