"""Words between two processes, over a real socket pair."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator

import msgspec
import pytest

from poolserver.handover.passing import Passage, PassingError
from poolserver.handover.state import (
    FORMAT,
    Go,
    HandoverError,
    Hello,
    Listening,
    Ready,
    Taken,
    decode,
    encode,
)
from poolserver.handover.talk import Talk


@pytest.fixture
async def ends() -> AsyncIterator[tuple[Talk, Talk, Passage]]:
    a, b = socket.socketpair()
    passage = Passage(a, 5.0)
    here, there = Talk(passage), Talk(Passage(b, 5.0))
    yield here, there, passage
    here.end()
    there.end()


async def test_a_word_comes_as_it_was_said(ends: tuple[Talk, Talk, Passage]) -> None:
    here, there, _ = ends
    hello = Hello(FORMAT, "main", 8, (Listening("", 3333, 2),), Listening("::1", 9332, 1))
    await here.tell(hello, [0])
    await here.tell(lambda: Ready())
    word, fds = await there.hear(Hello)
    assert word == hello
    assert len(fds) == 1
    os.close(fds[0])
    assert await there.hear(Go, Ready) == (Ready(), [])


async def test_a_word_out_of_turn_is_an_error_and_leaves_nothing_open(
    ends: tuple[Talk, Talk, Passage],
) -> None:
    here, there, _ = ends
    before = len(os.listdir("/proc/self/fd"))
    await here.tell(Go(), [0])
    with pytest.raises(HandoverError, match="says Go out of turn"):
        await there.hear(Taken)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    "word", [b"\xc1", b"", msgspec.msgpack.encode({"type": "unheard of"}), b"\x81\xa4type\xa5hello"]
)
async def test_what_is_not_understood_is_an_error(
    word: bytes, ends: tuple[Talk, Talk, Passage]
) -> None:
    _, there, passage = ends
    passage.send(word)
    with pytest.raises(HandoverError, match="not understood"):
        await there.hear(Hello)


def test_fields_of_a_newer_version_are_passed_over() -> None:
    words = msgspec.msgpack.decode(encode(Hello(FORMAT, "main", 8)))
    assert decode(msgspec.msgpack.encode({**words, "what_is_new": 1})) == Hello(FORMAT, "main", 8)


async def test_to_end_it_wakes_who_waits(ends: tuple[Talk, Talk, Passage]) -> None:
    here, there, _ = ends
    waiting = asyncio.create_task(there.hear(Go))
    await asyncio.sleep(0.01)
    there.end()
    with pytest.raises(PassingError):
        await waiting
    with pytest.raises(PassingError):
        await here.hear(Go)
