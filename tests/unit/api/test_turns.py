"""Requests' work and the loop take turns, and whoever leaves leaves nothing behind."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress

import pytest

from poolserver.api.endpoint import Call, Endpoint
from poolserver.api.turns import Turns
from tests.unit.api.asking import serving

MANY = 20


class LoopTurns:
    """Counts the turns of the loop, as a rig's socket would be read in each."""

    def __init__(self) -> None:
        self.count = 0
        self._is_on = True
        self._count_on()

    def _count_on(self) -> None:
        self.count += 1
        if self._is_on:
            asyncio.get_running_loop().call_soon(self._count_on)

    def stop(self) -> None:
        self._is_on = False


@asynccontextmanager
async def counting() -> AsyncIterator[LoopTurns]:
    turns = LoopTurns()
    try:
        yield turns
    finally:
        turns.stop()


async def test_between_two_requests_the_loop_turns() -> None:
    async with counting() as loop_turns:
        worked_in: list[int] = []

        async def work(call: Call) -> int:
            worked_in.append(loop_turns.count)
            return len(worked_in)

        async with serving([Endpoint("GET", "/work", "", work)]) as ask:
            await asyncio.gather(*(ask("GET", "/work") for _ in range(MANY)))
    assert len(set(worked_in)) == MANY


async def test_a_turn_has_one_piece_of_one_work() -> None:
    turns = Turns()
    async with counting() as loop_turns:
        worked_in: list[int] = []

        async def work() -> None:
            for _ in range(3):
                worked_in.append(loop_turns.count)
                await asyncio.sleep(0)

        async with asyncio.timeout(10):
            await asyncio.gather(*(turns.through(work()) for _ in range(MANY)))
    assert len(set(worked_in)) == 3 * MANY


async def test_they_are_done_in_the_order_in_which_they_came() -> None:
    turns, done = Turns(), []

    async def work(number: int) -> None:
        done.append(number)

    await asyncio.gather(*(turns.through(work(number)) for number in range(MANY)))
    assert done == list(range(MANY))


async def test_what_is_waited_for_is_nobodys_turn() -> None:
    turns, waits_for = Turns(), asyncio.Event()
    waiting = asyncio.create_task(_through(turns, waits_for.wait()))
    async with asyncio.timeout(10):
        assert await turns.through(_given("at once")) == "at once"
        assert not waiting.done()
        waits_for.set()
        assert await waiting is True


async def test_one_who_leaves_while_in_line_is_let_go_at_once_and_the_line_goes_on() -> None:
    turns, done = Turns(), []

    async def work(number: int) -> None:
        try:
            await asyncio.sleep(0)
            done.append(number)
        except asyncio.CancelledError:
            done.append(-number)
            raise

    tasks = [asyncio.create_task(_through(turns, work(number))) for number in range(1, 6)]
    for _ in range(3):
        await asyncio.sleep(0)
    for number in (2, 4):
        tasks[number - 1].cancel()
    async with asyncio.timeout(10):
        told = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(each, asyncio.CancelledError) for each in told] == [
        *(False, True, False, True, False)
    ]
    assert {1, 3, 5} <= set(done)  # the fourth had not begun, and does not


async def test_one_that_was_given_the_turn_and_leaves_costs_the_others_nothing() -> None:
    turns = Turns()
    first, second, third = (
        asyncio.create_task(_through(turns, _given(which))) for which in ("1st", "2nd", "3rd")
    )
    await asyncio.sleep(0)  # the first is done, and the others wait in line
    assert first.done()
    await asyncio.sleep(0)  # the second has been given the turn
    second.cancel()
    async with asyncio.timeout(10):
        assert await third == "3rd"
    with pytest.raises(asyncio.CancelledError):
        await second


async def test_a_timeout_inside_of_it_is_its_own() -> None:
    turns = Turns()

    async def work() -> str:
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            return "too late"
        return "?"

    assert await turns.through(work()) == "too late"
    assert await turns.through(_given("clean")) == "clean"


async def test_a_timeout_holds_in_line_too() -> None:
    turns = Turns()
    await turns.through(_given(None))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await turns.through(asyncio.sleep(3600))
    assert await turns.through(_given("clean")) == "clean"


async def test_errors_are_raised_as_they_are_inside_and_outside() -> None:
    turns = Turns()
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    failed.set_exception(ValueError("of what was waited for"))

    async def catching() -> str:
        try:
            await failed
        except ValueError as error:
            return str(error)
        return "?"

    assert await turns.through(catching()) == "of what was waited for"
    with pytest.raises(ZeroDivisionError):
        await turns.through(_failing())


async def test_an_error_leaves_nothing_for_the_garbage_collector() -> None:
    class Held:
        pass

    gone: list[weakref.ref[Held]] = []

    async def work() -> None:
        held = Held()
        gone.append(weakref.ref(held))
        await asyncio.to_thread(int, "none")

    turns = Turns()
    gc.disable()
    try:
        with suppress(ValueError):
            await turns.through(work())
        await asyncio.sleep(0)
        assert gone[0]() is None
    finally:
        gc.enable()


async def _given(value: str | None) -> str | None:
    return value


async def _failing() -> None:
    await asyncio.sleep(0)
    raise ZeroDivisionError


async def _through(turns: Turns, work: Awaitable[object]) -> object:
    return await turns.through(work)
