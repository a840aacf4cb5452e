"""What the new process does when the old one dies, or does not end."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from poolserver.handover import heir as heir_module
from poolserver.handover.heir import Heir
from poolserver.handover.passing import GoneError, Passage
from poolserver.handover.state import Ready, decode
from poolserver.handover.talk import Talk


@pytest.fixture
def pair() -> Iterator[tuple[Heir, socket.socket]]:
    """A new process, and the old one's end of the passage."""
    a, b = socket.socketpair()
    heir = Heir(Talk(Passage(a, 5.0)))
    yield heir, b
    heir.give_up()
    b.close()


async def test_one_that_dies_before_it_has_heard_that_all_is_taken_is_gone_on_for(
    pair: tuple[Heir, socket.socket],
) -> None:
    """What it left unread makes its end a reset, and no mere end, for us."""
    heir, old = pair
    with capture_logs() as logs:
        taking = asyncio.create_task(heir.take_no_rigs())
        message, _ = await asyncio.to_thread(Passage(old, 5.0).receive)
        assert isinstance(decode(message), Ready)
        assert await asyncio.to_thread(old.recv, 1, socket.MSG_PEEK)  # the next word is there
        old.close()
        await taking
    assert [log["event"] for log in logs] == ["old_process_died"]


async def test_nothing_is_taken_of_one_that_was_dead_before(
    pair: tuple[Heir, socket.socket],
) -> None:
    heir, old = pair
    old.close()
    with pytest.raises(GoneError):
        await heir.take_no_rigs()


async def test_one_that_does_not_end_is_waited_for_and_told_of(
    pair: tuple[Heir, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To end as well would be to lose the rigs, which are served meanwhile."""
    heir, old = pair
    monkeypatch.setattr(heir_module, "BOOKS_TIMEOUT_S", 0.02)
    with capture_logs() as logs:
        waiting = asyncio.create_task(heir.books_are_closed())
        async with asyncio.timeout(5):
            while len(logs) < 2:  # noqa: ASYNC110 - a thread waits
                await asyncio.sleep(0.01)
            assert not waiting.done()
            old.close()
            await waiting
    assert {log["event"] for log in logs} == {"old_process_does_not_end"}
