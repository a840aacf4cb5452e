"""A worker whose disk fails: what the operator is told."""

import asyncio
from collections.abc import Callable
from errno import ENOSPC
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from poolserver.ledger import chain
from poolserver.ledger.journal import Journal
from poolserver.ledger.records import SHARE_SIZE
from poolserver.mining.share import ShareOutcome
from tests.unit.server.hall import running


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A disk that is full behind a file's header; undo it to mend it."""
    write = chain.Segment.write

    def no_room(segment: chain.Segment, data: memoryview) -> int:
        if segment.size:
            raise OSError(ENOSPC, "No space left on device")
        return write(segment, data)

    monkeypatch.setattr(chain.Segment, "write", no_room)
    return monkeypatch


def append(journal: Journal) -> bool:
    return journal.append_share(1, ShareOutcome.ACCEPTED, True, 4, 1, bytes(32))


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not reached():  # noqa: ASYNC110 - the retry has a timer of its own
            await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_a_full_disk_is_told_loudly_and_once(
    tmp_path: Path, full_disk: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, journal_when_full="refuse") as hall:
        journal = hall.worker.journal
        with capture_logs() as lines:
            journal.declare_worker("demo", "demo.rig")
            await until(lambda: journal.failed is not None)
            for _ in range(3):
                assert not append(journal)
                hall.tick()
            assert hall.counters().journal_failed
            full_disk.undo()
            await until(lambda: any(line["event"] == "journal_restored" for line in lines))
            assert append(journal)
            hall.tick(60)
        told = [(line["event"], line["log_level"]) for line in lines]
        assert [line for line in told if "journal" in line[0] or "shares" in line[0]] == [
            ("journal_failed", "error"),
            ("shares_refused", "error"),
            ("journal_restored", "info"),
            ("shares_recorded_again", "info"),
        ]
        assert hall.counters().journal_dropped == 3


async def test_a_refusal_that_is_over_before_the_next_tick_is_told(
    tmp_path: Path, full_disk: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, journal_held_bytes=2 * SHARE_SIZE) as hall:
        journal = hall.worker.journal
        hall.tick()
        assert [append(journal) for _ in range(3)] == [True, True, False]
        full_disk.undo()
        await until(lambda: journal.pending == 0)
        assert not journal.is_refusing
        with capture_logs() as lines:
            hall.tick()
        assert [line["event"] for line in lines] == ["shares_refused"]
