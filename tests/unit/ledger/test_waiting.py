"""Who waits for the journal, without one; what it waits for is told in test_journal.py."""

import asyncio
from collections.abc import Callable

import pytest

from poolserver.ledger.waiting import Waiting


class Told:
    """Which callbacks were called, in order."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, name: str) -> Callable[[], None]:
        return lambda: self.names.append(name)


@pytest.fixture
async def waiting() -> Waiting:
    return Waiting(asyncio.get_running_loop())


async def test_a_turns_end_calls_back_who_waits_for_it_once_and_in_order(waiting: Waiting) -> None:
    told = Told()
    waiting.for_turn(told("a"))
    waiting.for_turn(told("b"))
    waiting.for_sync(2, told("c"))
    waiting.end_turn()
    waiting.end_turn()
    assert told.names == ["a", "b"]


async def test_a_sync_releases_whoever_came_before_its_end(waiting: Waiting) -> None:
    told = Told()
    for sequence in (2, 5, 6):
        waiting.for_sync(sequence, told(str(sequence)))
    waiting.call(waiting.synced(5))
    assert told.names == ["2", "5"]
    waiting.call(waiting.synced(6))
    assert told.names == ["2", "5", "6"]


async def test_a_failure_calls_back_who_waits_for_the_disk(waiting: Waiting) -> None:
    told = Told()
    waiting.for_sync(2, told("a"))
    waiting.fail(until_it_is_over=False)
    assert told.names == []  # not before whoever found the failure is done
    await asyncio.sleep(0)
    assert told.names == ["a"]


async def test_who_must_not_be_told_waits_until_the_failure_is_over(waiting: Waiting) -> None:
    told = Told()
    waiting.for_sync(2, told("a"))
    waiting.for_turn(told("b"))
    waiting.fail(until_it_is_over=True)
    waiting.end_turn()
    waiting.call(waiting.synced(9))
    await asyncio.sleep(0)
    assert told.names == []
    waiting.recover()
    await asyncio.sleep(0)
    assert told.names == ["a", "b"]


async def test_one_error_does_not_hold_up_the_others(waiting: Waiting) -> None:
    told = Told()

    def fail() -> None:
        raise RuntimeError("a bug")

    waiting.for_turn(fail)
    waiting.for_turn(told("a"))
    with pytest.raises(RuntimeError, match="a bug"):
        waiting.end_turn()
    await asyncio.sleep(0)
    assert told.names == ["a"]
