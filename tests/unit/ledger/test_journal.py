import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from errno import EIO, ENOSPC
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from poolserver.ledger import held
from poolserver.ledger.chain import Segment
from poolserver.ledger.journal import Journal, JournalError
from poolserver.ledger.journal_reader import read_segments
from poolserver.ledger.payout_records import payout_records
from poolserver.ledger.records import (
    SHARE_SIZE,
    BlockRecord,
    JournalBatch,
    Record,
    ShareRecord,
    TemplateRecord,
    WorkerRecord,
    decode_records,
    encode_share,
)
from poolserver.ledger.segment import SegmentId
from poolserver.ledger.source_lock import is_live
from poolserver.ledger.waiting import ReleasePolicy, WhenFull
from poolserver.mining.coinbase import TxOut
from poolserver.mining.identity import WorkerIdentity
from poolserver.mining.payout import Distribution, Due
from poolserver.mining.share import ShareOutcome

IDENTITY = WorkerIdentity("pool-1", 0, 17)
HASH_LE = bytes(range(32))
PAID = Distribution((TxOut(60, b"\x51"), TxOut(40, b"\x52")), (Due("a", 40, 0),), 60)


class Disk:
    """A disk that can be full, slow or broken; its files are real."""

    def __init__(self) -> None:
        self.room: int | None = None  # bytes it still takes
        self.broken = False
        self.syncs = 0
        self.writes = 0
        self.may_sync = threading.Event()
        self.may_sync.set()

    def open(self, directory: Path, identity: SegmentId) -> Segment:
        return DiskSegment(self, directory, identity)


class DiskSegment(Segment):
    def __init__(self, disk: Disk, directory: Path, identity: SegmentId) -> None:
        self._disk = disk
        super().__init__(directory, identity)

    def write(self, data: memoryview) -> int:
        disk = self._disk
        disk.writes += 1
        if disk.room is None:
            return super().write(data)
        if disk.room == 0:
            raise OSError(ENOSPC, "No space left on device")
        written = super().write(data[: disk.room])
        disk.room -= written
        return written

    def sync(self) -> None:
        assert self._disk.may_sync.wait(10)
        self._disk.syncs += 1
        if self._disk.broken:
            raise OSError(EIO, "Input/output error")
        super().sync()


class Desk:
    """A journal with its disk, and what it reported."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.disk = Disk()
        self.batches: list[JournalBatch] = []
        self.failures: list[OSError | None] = []
        self.now_ms = 1000
        self.changed = asyncio.Event()
        self.journals: list[Journal] = []
        self.errors: list[BaseException] = []  # of callbacks: nobody else would see them
        asyncio.get_running_loop().set_exception_handler(self._on_error)

    def journal(
        self,
        release: ReleasePolicy = ReleasePolicy.TURN,
        *,
        sync_interval_s: float = 0.0,
        max_held_bytes: int = 1 << 20,
        segment_bytes: int = 1 << 20,
        when_full: WhenFull = WhenFull.HOLD,
    ) -> Journal:
        journal = Journal(
            self.directory,
            IDENTITY,
            on_durable=self._on_durable,
            release=release,
            when_full=when_full,
            sync_interval_s=sync_interval_s,
            on_failure=self._on_failure,
            wall_ms=lambda: self.now_ms,
            max_held_bytes=max_held_bytes,
            segment_bytes=segment_bytes,
            first_retry_s=0.01,
            open_segment=self.disk.open,
        )
        self.journals.append(journal)
        return journal

    def _on_error(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.errors.append(context["exception"])

    def _on_durable(self, batch: JournalBatch) -> None:
        self.batches.append(batch)
        self.changed.set()

    def _on_failure(self, error: OSError | None) -> None:
        self.failures.append(error)
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def durable(self) -> list[Record]:
        """The reported records; fails unless they are all there, in order."""
        due, records = 1, []
        for batch in self.batches:
            assert batch.source == "pool-1/0/17"
            assert batch.first_sequence == due
            found = list(decode_records(batch.records, due))
            assert len(found) == batch.count
            due += batch.count
            records += [record for _, record in found]
        return records

    def written(self) -> list[Record]:
        """The records that a start would read, each once; fails on a gap."""
        records: dict[int, Record] = {}
        for item in read_segments(self.directory):
            if not isinstance(item, JournalBatch):
                continue
            for sequence, record in decode_records(item.records, item.first_sequence):
                assert records.setdefault(sequence, record) == record
        assert list(records) == list(range(1, len(records) + 1))
        return list(records.values())


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.disk.room, desk.disk.broken = None, False
    desk.disk.may_sync.set()
    for journal in desk.journals:
        await journal.close()
    await turn()
    assert desk.errors == []


def append(
    journal: Journal, job_number: int, outcome: ShareOutcome = ShareOutcome.ACCEPTED
) -> bool:
    return journal.append_share(1, outcome, True, 10, job_number, HASH_LE)


def jobs(records: list[Record]) -> list[int]:
    return [record.job_number for record in records if isinstance(record, ShareRecord)]


def fail() -> None:
    raise ZeroDivisionError


async def turn() -> None:
    await asyncio.sleep(0)


# --- what is recorded ------------------------------------------------------------------------


async def test_what_was_recorded_is_reported_once_it_is_durable(desk: Desk) -> None:
    journal = desk.journal()
    ref = journal.declare_worker("north", "north.rig1")
    journal.append_share(ref, ShareOutcome.STALE, True, 1 << 70, 9, HASH_LE)
    journal.append_block(840_000, HASH_LE, ref, PAID)
    assert journal.pending == 5
    await desk.until(lambda: bool(desk.batches))
    assert desk.durable() == [
        WorkerRecord(1, 1000, "north", "north.rig1"),
        ShareRecord(1, ShareOutcome.STALE, True, 9, 1000, 1 << 70, HASH_LE),
        BlockRecord(840_000, HASH_LE, 1, 1000),
        *payout_records(HASH_LE, PAID),
    ]
    assert journal.pending == 0
    assert journal.syncs.seconds > 0
    assert desk.written() == desk.durable()


async def test_a_worker_is_declared_once(desk: Desk) -> None:
    journal = desk.journal()
    assert journal.declare_worker("north", "north.rig1") == 1
    assert journal.declare_worker("north", "north.rig2") == 2
    assert journal.declare_worker("north", "north.rig1") == 1
    assert journal.pending == 2


async def test_a_name_that_cannot_be_declared_takes_no_number(desk: Desk) -> None:
    journal = desk.journal()
    with pytest.raises(ValueError, match="at most 255 bytes"):
        journal.declare_worker("north", "x" * 256)
    assert journal.declare_worker("north", "north.rig1") == 1
    assert journal.pending == 1


async def test_a_turn_is_one_write_and_has_one_time(desk: Desk) -> None:
    journal = desk.journal()
    writes = desk.disk.writes
    append(journal, 1)
    desk.now_ms = 2000
    append(journal, 2)
    assert desk.disk.writes == writes
    await turn()
    assert desk.disk.writes == writes + 1
    append(journal, 3)
    await turn()
    times = [record.unix_ms for record in desk.written() if isinstance(record, ShareRecord)]
    assert times == [1000, 1000, 2000]


def packed(sequence: int, unix_ms: int, *job_numbers: int) -> bytes:
    """Shares as they are packed elsewhere."""
    return b"".join(
        encode_share(
            sequence + i, ShareRecord(1, ShareOutcome.ACCEPTED, True, n, unix_ms, 10, HASH_LE)
        )
        for i, n in enumerate(job_numbers)
    )


async def test_shares_packed_elsewhere_are_recorded_among_the_others(desk: Desk) -> None:
    journal = desk.journal()
    append(journal, 1)
    desk.now_ms = 2000  # in the same turn, whose time stands
    sequence, unix_ms, room = journal.packing()
    assert (sequence, unix_ms) == (2, 1000)
    assert room > 1000
    released: list[int] = []
    journal.append_shares(packed(sequence, unix_ms, 2, 3), 2, unix_ms)
    journal.release(lambda: released.append(journal.pending))
    append(journal, 4)
    assert released == []
    await turn()
    assert released == [4]
    assert jobs(desk.written()) == [1, 2, 3, 4]


async def test_shares_packed_elsewhere_open_a_turn(desk: Desk) -> None:
    journal = desk.journal()
    before = journal.turn
    sequence, unix_ms, _ = journal.packing()
    journal.append_shares(packed(sequence, unix_ms, 1), 1, unix_ms)
    assert journal.turn == before + 1
    await turn()
    assert jobs(desk.written()) == [1]


async def test_while_the_disk_fails_each_share_has_to_be_asked_about(desk: Desk) -> None:
    journal = desk.journal()
    desk.disk.room = 0
    append(journal, 1)
    await turn()
    assert journal.failed is not None
    assert journal.packing()[2] == 0


async def test_a_full_segment_is_followed_by_the_next(desk: Desk) -> None:
    journal = desk.journal(segment_bytes=2 * SHARE_SIZE)
    for number in range(10):
        append(journal, number)
        await turn()
    await journal.close()
    assert len(list(desk.directory.iterdir())) >= 4
    assert jobs(desk.durable()) == jobs(desk.written()) == list(range(10))


async def test_a_second_journal_of_the_same_identity_is_refused(desk: Desk) -> None:
    desk.journal()
    with pytest.raises(JournalError, match="cannot be begun"):
        Journal(desk.directory, IDENTITY, on_durable=desk.batches.append)


async def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="cannot be begun"):
        Journal(tmp_path / "file" / "journal", IDENTITY, on_durable=lambda _: None)


# --- group commit ----------------------------------------------------------------------------


async def test_what_comes_during_a_sync_is_in_the_next_one(desk: Desk) -> None:
    journal = desk.journal()
    desk.disk.may_sync.clear()
    append(journal, 1)
    await turn()
    for number in range(2, 6):
        append(journal, number)
        await turn()
    desk.disk.may_sync.set()
    await desk.until(lambda: journal.pending == 0)
    assert [batch.count for batch in desk.batches] == [1, 4]
    assert jobs(desk.durable()) == [1, 2, 3, 4, 5]


async def test_syncs_keep_their_interval(desk: Desk) -> None:
    journal = desk.journal(sync_interval_s=60.0)
    append(journal, 1)
    await desk.until(lambda: journal.pending == 0)
    for number in range(2, 20):
        append(journal, number)
        await turn()
    assert desk.disk.syncs == 1
    await journal.close()
    assert [batch.count for batch in desk.batches] == [1, 18]


# --- the release of replies ------------------------------------------------------------------


async def test_at_once_releases_before_anything_is_written(desk: Desk) -> None:
    journal = desk.journal(ReleasePolicy.AT_ONCE)
    released: list[int] = []
    append(journal, 1)
    journal.release(lambda: released.append(1))
    assert released == [1]


async def test_turn_releases_after_the_write_at_the_end_of_the_turn(desk: Desk) -> None:
    journal = desk.journal(ReleasePolicy.TURN)
    desk.disk.may_sync.clear()
    in_file: list[list[int]] = []
    append(journal, 1)
    journal.release(lambda: in_file.append(jobs(desk.written())))
    append(journal, 2)
    assert in_file == []
    await turn()
    assert in_file == [[1, 2]]


async def test_turn_with_nothing_to_write_releases_at_once(desk: Desk) -> None:
    journal = desk.journal(ReleasePolicy.TURN)
    append(journal, 1)
    await turn()
    released: list[int] = []
    journal.release(lambda: released.append(1))
    assert released == [1]


async def test_sync_releases_after_the_sync_that_covers_the_record(desk: Desk) -> None:
    journal = desk.journal(ReleasePolicy.SYNC)
    desk.disk.may_sync.clear()
    released: list[tuple[int, int]] = []  # the share, and how many were durable by then
    append(journal, 1)
    journal.release(lambda: released.append((1, len(desk.durable()))))
    await turn()
    append(journal, 2)
    journal.release(lambda: released.append((2, len(desk.durable()))))
    await turn()
    assert released == []
    desk.disk.may_sync.set()
    await desk.until(lambda: journal.pending == 0)
    await turn()
    assert released == [(1, 1), (2, 2)]
    journal.release(lambda: released.append((3, 0)))
    assert released[-1] == (3, 0)  # all is durable: nothing to wait for


@pytest.mark.parametrize("policy", [ReleasePolicy.TURN, ReleasePolicy.SYNC])
async def test_a_callback_that_fails_does_not_hold_up_the_others(
    desk: Desk, policy: ReleasePolicy
) -> None:
    journal = desk.journal(policy)
    released: list[int] = []
    append(journal, 1)
    journal.release(lambda: released.append(1))
    journal.release(fail)
    journal.release(lambda: released.append(3))
    await desk.until(lambda: journal.pending == 0)
    await turn()
    await turn()
    assert released == [1, 3]
    assert [type(error) for error in desk.errors] == [ZeroDivisionError]
    desk.errors.clear()


# --- a disk that fails -----------------------------------------------------------------------


@pytest.mark.parametrize("policy", list(ReleasePolicy))
async def test_a_full_disk_releases_replies_and_keeps_the_records(
    desk: Desk, policy: ReleasePolicy
) -> None:
    journal = desk.journal(policy)
    desk.disk.room = 100  # a record and a part of one
    released: list[int] = []
    for number in range(3):
        append(journal, number)
        journal.release(partial(released.append, number))
    await desk.until(lambda: bool(desk.failures))
    append(journal, 3)
    journal.release(lambda: released.append(3))
    await turn()
    assert released == [0, 1, 2, 3]
    assert isinstance(journal.failed, OSError)
    desk.disk.room = None
    await desk.until(lambda: journal.failed is None and journal.pending == 0)
    await desk.until(lambda: desk.failures[-1] is None)
    assert len(desk.failures) == 2
    assert jobs(desk.durable()) == jobs(desk.written()) == [0, 1, 2, 3]


async def test_a_failed_sync_writes_the_records_to_a_new_file(desk: Desk) -> None:
    journal = desk.journal(ReleasePolicy.SYNC)
    append(journal, 1)
    await desk.until(lambda: journal.pending == 0)
    desk.disk.broken = True
    released: list[int] = []
    append(journal, 2)
    journal.release(lambda: released.append(2))
    await desk.until(lambda: bool(desk.failures))
    await turn()
    assert released == [2]
    append(journal, 3)
    desk.disk.broken = False
    await desk.until(lambda: journal.failed is None and journal.pending == 0)
    assert jobs(desk.durable()) == [1, 2, 3]
    first, *_, last = sorted(desk.directory.glob("*.journal"))
    assert first.name.endswith("-00000000000000000001-000000.journal")
    assert "-00000000000000000002-" in last.name
    assert jobs(desk.written()) == [1, 2, 3]  # the files overlap, and agree


async def test_shares_beyond_the_limit_are_refused_and_counted(desk: Desk) -> None:
    journal = desk.journal(max_held_bytes=3 * SHARE_SIZE)
    desk.disk.room = 0
    assert [append(journal, number) for number in range(5)] == [True] * 3 + [False] * 2
    assert journal.is_refusing
    ref = journal.declare_worker("north", "north.rig1")
    await turn()
    assert journal.dropped == 2
    desk.disk.room = None
    await desk.until(lambda: journal.pending == 0)
    assert not journal.is_refusing
    append(journal, 9)
    await journal.close()
    assert jobs(desk.durable()) == [0, 1, 2, 9]
    assert ref == 1
    assert desk.written() == desk.durable()


async def test_while_the_disk_fails_accepted_shares_can_be_refused_at_once(desk: Desk) -> None:
    journal = desk.journal(when_full=WhenFull.REFUSE)
    assert append(journal, 0)  # before anybody can know
    desk.disk.room = 0
    await turn()
    assert not append(journal, 1)
    assert append(journal, 2, ShareOutcome.STALE)  # nobody is promised anything by that
    solution = ShareRecord(1, ShareOutcome.ACCEPTED, True, 3, 0, 5, HASH_LE)
    journal.append_solution(solution)
    journal.append_block(840_000, HASH_LE, 1, PAID)
    assert (journal.dropped, journal.is_refusing) == (1, True)
    desk.disk.room = None
    await desk.until(lambda: journal.pending == 0)
    assert append(journal, 4)
    await journal.close()
    assert jobs(desk.durable()) == [0, 2, 3, 4]
    assert BlockRecord(840_000, HASH_LE, 1, 1000) in desk.durable()
    assert not journal.is_refusing


async def test_a_source_lives_as_long_as_its_journal(desk: Desk) -> None:
    journal = desk.journal()
    assert is_live(desk.directory, journal.source)
    await journal.close()
    assert not is_live(desk.directory, journal.source)


async def test_a_block_and_what_it_pays_are_kept_where_shares_are_dropped(desk: Desk) -> None:
    journal = desk.journal(max_held_bytes=SHARE_SIZE)
    desk.disk.room = 0
    for number in range(3):
        append(journal, number)
    many = Distribution(PAID.outputs * 3000, PAID.dues * 3000, 60)  # of several records
    journal.append_block(840_000, HASH_LE, 1, many)
    append(journal, 3)
    assert journal.dropped == 3
    desk.disk.room = None
    await desk.until(lambda: journal.pending == 0)
    assert desk.durable()[1:] == [
        BlockRecord(840_000, HASH_LE, 1, 1000),
        *payout_records(HASH_LE, many),
    ]
    assert desk.written() == desk.durable()


async def test_retries_become_rarer(desk: Desk) -> None:
    journal = desk.journal()
    desk.disk.room = 0
    append(journal, 1)
    await desk.until(lambda: bool(desk.failures))
    writes = desk.disk.writes
    for number in range(50):  # a write that is held back is not tried at each turn
        append(journal, number)
        await turn()
    assert desk.disk.writes - writes <= 3


# --- the end ---------------------------------------------------------------------------------


@pytest.mark.parametrize("interval_s", [0.0, 60.0])
async def test_close_saves_and_reports_everything(desk: Desk, interval_s: float) -> None:
    journal = desk.journal(ReleasePolicy.SYNC, sync_interval_s=interval_s)
    released: list[int] = []
    for number in range(5):
        append(journal, number)
        journal.release(partial(released.append, number))
        if number % 2:
            await turn()
    await journal.close()
    assert jobs(desk.durable()) == jobs(desk.written()) == [0, 1, 2, 3, 4]
    assert released == [0, 1, 2, 3, 4]
    with pytest.raises(JournalError, match="closed"):
        append(journal, 5)


async def test_close_leaves_no_sync_to_come(desk: Desk) -> None:
    journal = desk.journal(sync_interval_s=0.02)
    append(journal, 1)
    await desk.until(lambda: journal.pending == 0)
    append(journal, 2)
    await journal.close()
    syncs = desk.disk.syncs
    await asyncio.sleep(0.04)
    assert desk.disk.syncs == syncs
    assert desk.errors == []


async def test_close_tells_what_could_not_be_saved(desk: Desk) -> None:
    journal = desk.journal(ReleasePolicy.SYNC)
    desk.disk.room = 0
    released: list[int] = []
    append(journal, 1)
    journal.release(lambda: released.append(1))
    with pytest.raises(JournalError, match=r"1 records could not be saved: .*No space"):
        await journal.close()
    await turn()
    assert released == [1]
    desk.journals.clear()


async def test_close_has_a_last_try_after_a_failure(desk: Desk) -> None:
    journal = desk.journal()
    desk.disk.broken = True
    append(journal, 1)
    await desk.until(lambda: bool(desk.failures))
    desk.disk.broken = False
    append(journal, 2)
    await journal.close()
    assert jobs(desk.durable()) == jobs(desk.written()) == [1, 2]


# --- refusal ---------------------------------------------------------------------------------


@pytest.mark.parametrize("release", [ReleasePolicy.TURN, ReleasePolicy.SYNC])
async def test_where_failure_means_refusal_no_reply_goes_out_before_its_record_is_safe(
    desk: Desk, release: ReleasePolicy
) -> None:
    journal = desk.journal(release, when_full=WhenFull.REFUSE)
    desk.disk.room = 0
    released: list[int] = []
    assert append(journal, 1)
    journal.release(lambda: released.append(1))
    await desk.until(lambda: bool(desk.failures))
    assert not append(journal, 2)
    assert append(journal, 3, ShareOutcome.STALE)
    journal.release(lambda: released.append(3))
    await turn()
    assert released == [3]  # to 1 neither true nor false is right yet
    desk.disk.room = None
    await desk.until(lambda: None in desk.failures)
    await turn()
    assert released == [3, 1]
    await journal.close()
    assert jobs(desk.durable()) == jobs(desk.written()) == [1, 3]


async def test_a_reply_that_waits_for_the_sync_that_fails_waits_on(desk: Desk) -> None:
    journal = desk.journal(ReleasePolicy.SYNC, when_full=WhenFull.REFUSE)
    desk.disk.may_sync.clear()
    desk.disk.broken = True
    released: list[int] = []
    for number in (1, 2):
        append(journal, number)
        journal.release(partial(released.append, number))
        if number == 1:
            await turn()  # 2 is not written when the sync of 1 fails
    desk.disk.may_sync.set()
    await desk.until(lambda: bool(desk.failures))
    await turn()
    assert released == []
    desk.disk.broken = False
    await desk.until(lambda: None in desk.failures)
    await turn()
    assert released == [1, 2]


async def test_close_releases_nothing_that_is_not_safe_where_failure_means_refusal(
    desk: Desk,
) -> None:
    journal = desk.journal(when_full=WhenFull.REFUSE)
    desk.disk.room = 0
    released: list[int] = []
    append(journal, 1)
    journal.release(lambda: released.append(1))
    with pytest.raises(JournalError, match=r"1 records could not be saved: .*No space"):
        await journal.close()
    await turn()
    assert released == []
    desk.journals.clear()


@pytest.mark.parametrize("policy", WhenFull)
async def test_a_refused_share_is_in_no_file_and_no_batch_whatever_the_disk_does(
    desk: Desk, policy: WhenFull
) -> None:
    recorded: list[int] = []
    journal = desk.journal(when_full=policy, max_held_bytes=4 * SHARE_SIZE)
    for number in range(60):
        if number % 7 == 3:
            desk.disk.room = 50 * (number % 3)  # short writes too
        if number % 7 == 6:
            desk.disk.room = None
        desk.disk.broken = number % 11 == 5
        if append(journal, number):
            recorded.append(number)
        if number % 2:
            await asyncio.sleep(0.002)  # for the retries
    desk.disk.room, desk.disk.broken = None, False
    await journal.close()
    assert jobs(desk.durable()) == jobs(desk.written()) == recorded
    assert 0 < len(recorded) < 60
    assert journal.dropped == 60 - len(recorded)


# --- what is told of, and time ---------------------------------------------------------------


async def test_no_batch_is_longer_than_its_limit_by_more_than_a_record(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "BATCH_BYTES", 3 * SHARE_SIZE)
    journal = desk.journal()
    for number in range(10):
        append(journal, number)
    await journal.close()
    assert [batch.count for batch in desk.batches] == [3, 3, 3, 1]
    assert jobs(desk.durable()) == list(range(10))


async def test_a_clock_that_jumps_changes_the_times_and_not_the_order(desk: Desk) -> None:
    journal = desk.journal(segment_bytes=3 * SHARE_SIZE)
    times = [1_000_000, 5, 2**63, 0, 1_000_000, 999_999]
    for number, desk.now_ms in enumerate(times):
        append(journal, number)
        await turn()
    await journal.close()
    records = desk.written()
    assert records == desk.durable()
    assert jobs(records) == list(range(6))
    assert [each.unix_ms for each in records if isinstance(each, ShareRecord)] == times


async def test_a_template_is_noted_where_it_differs_from_the_one_before(desk: Desk) -> None:
    journal = desk.journal()
    for template in [(1, 2, 3), (1, 2, 3), (1, 2, 4), (1, 3, 4), (2, 3, 4), (2, 3, 4)]:
        journal.note_template(*template)
    await journal.close()
    assert desk.durable() == [
        TemplateRecord(1, 2, 3, 1000),
        TemplateRecord(1, 2, 4, 1000),
        TemplateRecord(1, 3, 4, 1000),
        TemplateRecord(2, 3, 4, 1000),
    ]


async def test_a_journal_that_cannot_be_begun_lets_go_of_its_source(tmp_path: Path) -> None:
    (tmp_path / SegmentId(IDENTITY.source, 1, 0).file_name).touch()
    with pytest.raises(JournalError, match="cannot be begun"):
        Journal(tmp_path, IDENTITY, on_durable=lambda _: None)
    assert not is_live(tmp_path, IDENTITY.source)


async def test_a_sync_that_was_under_way_at_a_failure_lets_no_later_answer_out(
    desk: Desk,
) -> None:
    journal = desk.journal(ReleasePolicy.SYNC, when_full=WhenFull.REFUSE)
    durable_at_release: list[int] = []

    def released() -> None:
        durable_at_release.append(desk.batches[-1].last_sequence if desk.batches else 0)
        desk.changed.set()

    desk.disk.may_sync.clear()
    append(journal, 1)
    journal.release(released)
    await turn()  # written, and its sync is under way
    desk.disk.room = 0
    append(journal, 2)
    journal.release(released)
    await desk.until(lambda: bool(desk.failures))
    desk.disk.room = None
    writes = desk.disk.writes
    async with asyncio.timeout(10):
        while desk.disk.writes == writes:  # until the retry has it in the file
            await turn()
    assert durable_at_release == []
    desk.disk.may_sync.set()
    await desk.until(lambda: len(durable_at_release) == 2)
    assert durable_at_release[-1] == 2  # the second answer waited for the second sync


async def test_a_life_without_a_record_leaves_nothing(desk: Desk) -> None:
    await desk.journal().close()
    assert list(desk.directory.iterdir()) == []
    journal = desk.journal()
    journal.note_template(1, 2, 3)
    await journal.close()
    assert len(list(desk.directory.iterdir())) == 1


@pytest.mark.parametrize("release", ReleasePolicy)
async def test_to_settle_is_to_have_all_on_the_disk_and_answered_without_a_wait(
    release: ReleasePolicy, tmp_path: Path
) -> None:
    answered: list[int] = []
    told: list[JournalBatch] = []
    journal = Journal(
        tmp_path, IDENTITY, on_durable=told.append, release=release, sync_interval_s=3600.0
    )
    for number in range(3):  # the second and the third are within the interval of the first
        journal.append_share(1, ShareOutcome.ACCEPTED, True, 1, number, HASH_LE)
        journal.release(partial(answered.append, number))
        if number == 1:
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            assert await journal.settle()
        assert journal.pending == 0
        assert answered == list(range(number + 1))
    assert sum(batch.count for batch in told) == 3
    journal.append_share(1, ShareOutcome.ACCEPTED, True, 1, 3, HASH_LE)  # it goes on as before
    await journal.close()


async def test_a_journal_that_cannot_be_written_does_not_settle(tmp_path: Path) -> None:
    disk = Disk()
    journal = Journal(
        tmp_path, IDENTITY, on_durable=lambda _: None, open_segment=disk.open, first_retry_s=3600.0
    )
    disk.room = 0
    journal.append_share(1, ShareOutcome.ACCEPTED, True, 1, 1, HASH_LE)
    assert not await journal.settle()
    assert journal.pending == 1
    disk.room = None
    await journal.close()
