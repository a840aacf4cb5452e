"""The stream: made once for all, nothing while nobody reads, and who does not read is let go."""

import asyncio
import json

import pytest

from poolserver.control_room.view import PowerView
from poolserver.lookout import broadcast as under_test
from poolserver.lookout.broadcast import (
    AT_ONCE,
    HEARTBEAT,
    HEARTBEAT_S,
    HELLO,
    MOST_READERS,
    MOST_WAITING,
    power_event,
)
from tests.unit.lookout.broadcasting import Stage, waiting
from tests.unit.lookout.seen import node


def view(count: int = 2) -> PowerView:
    nodes = [node(path=f"n{number}") for number in range(count)]
    return PowerView(1.0, "observe", "within", (*nodes, node(path="r", configured=False)), ("x",))


def test_who_joins_has_all_of_it_at_once() -> None:
    stage = Stage()
    stage.feed.take("info", "before", {})
    reader = stage.join(0)
    assert reader._waiting[0] == HELLO == b"retry: 2000\n\n"
    told = waiting(reader)
    assert [event for event, _, _ in told] == ["event", "status", "sites", "nodes"]
    assert told[0][1] == str(stage.feed.last_id)


def test_events_are_resumed_after_the_last_one_that_was_read_and_told_once() -> None:
    stage = Stage()
    for number in range(3):
        stage.feed.take("info", f"e{number}", {})
    resumed, new = stage.join(stage.feed.last_id - 1), stage.join()
    stage.feed.take("info", "e3", {})
    stage.broadcast.look()
    assert [data["event"] for event, _, data in waiting(resumed) if event == "event"] == [
        "e2",
        "e3",
    ]
    assert [data["event"] for event, _, data in waiting(new) if event == "event"] == ["e3"]


def test_a_message_is_made_once_for_all_readers() -> None:
    stage = Stage()
    readers = [stage.join() for _ in range(MOST_READERS)]
    assert stage.broadcast.join(None) is None
    asked = stage.shown.asked
    stage.now += 2.0
    stage.broadcast.look()
    assert stage.shown.asked == asked + 1
    assert len({id(reader._waiting[-1]) for reader in readers}) == 1


async def test_while_nobody_reads_nothing_is_made() -> None:
    stage = Stage()
    running = asyncio.create_task(stage.broadcast.run())
    stage.broadcast.on_power(view())
    for _ in range(5):
        await asyncio.sleep(0)
    assert stage.shown.asked == 0
    assert stage.broadcast._encoding is None
    reader = stage.join()
    await asyncio.sleep(0)
    assert stage.shown.asked > 0
    stage.broadcast.leave(reader)
    assert not stage.broadcast._has_readers.is_set()
    running.cancel()


async def test_who_does_not_read_is_let_go_and_others_read_on() -> None:
    stage = Stage()
    slow, quick = stage.join(), stage.join()
    for number in range(MOST_WAITING):
        stage.now += 2.0
        stage.broadcast.look()
        waiting(quick)
        assert not quick.is_let_go, number
    assert slow.is_let_go
    assert not slow._waiting
    assert [chunk async for chunk in slow.chunks()] == []
    assert (len(stage.broadcast), stage.broadcast.dropped) == (1, 1)


async def test_at_the_end_all_are_let_go_and_nobody_joins() -> None:
    stage = Stage()
    reader = stage.join()
    stage.broadcast.close()
    assert [chunk async for chunk in reader.chunks()] == []
    assert stage.broadcast.join(None) is None


def test_a_silent_stream_says_that_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "STATUS_S", 1e9)
    monkeypatch.setattr(under_test, "LISTS_S", 1e9)
    stage = Stage()
    stage.now = 0.0
    reader = stage.join()
    waiting(reader)
    stage.now = HEARTBEAT_S
    stage.broadcast.look()
    assert list(reader._waiting) == [HEARTBEAT]


async def test_power_is_told_at_each_tick_and_at_once_to_who_joins() -> None:
    stage = Stage()
    first = stage.join()
    waiting(first)
    stage.broadcast.on_power(view())
    assert stage.broadcast._encoding is not None
    await stage.broadcast._encoding
    ((event, _, data),) = waiting(first)
    assert (event, [each["path"] for each in data["nodes"]]) == ("power", ["n0", "n1"])
    assert "power" in [event for event, _, _ in waiting(stage.join())]


@pytest.mark.parametrize("count", [0, 1, AT_ONCE, AT_ONCE + 1])
def test_a_large_tree_is_encoded_in_steps_and_is_whole(count: int) -> None:
    chunk = power_event(view(count))
    head, data, *rest = chunk.split(b"\n")
    assert (head, rest) == (b"event: power", [b"", b""])
    told = json.loads(data.removeprefix(b"data: "))
    assert [each["path"] for each in told["nodes"]] == [f"n{number}" for number in range(count)]
    assert (told["at"], told["intended"]) == (1.0, ["x"])
