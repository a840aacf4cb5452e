"""The share journal: what a worker process writes down of every submit, before all else.

The share path appends to memory and returns; one write() at the end of the event loop's turn
takes all of the turn's records to the kernel, and one fdatasync() in a thread takes all of
an interval's to the disk (group commit).

When the disk fails (it is full, or a sync reports an error), mining goes on: replies are
released as if the records were safe, the records stay in memory and are written again after
1 s, 2 s, ... 60 s. After a failed *sync* they go to a new file, since the kernel may drop
pages that it could not write and report success the next time. Up to ``max_held_bytes`` are
held; a share beyond that is refused: it is not recorded, and its miner is to be told so. With
``WhenFull.REFUSE`` each accepted share is, for as long as the disk fails, and the replies to those
that were recorded before that showed wait until it is over. Declarations of workers, found
blocks with their shares and what these pay are always kept.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from poolserver.histogram import DISK_S, Histogram
from poolserver.ledger.chain import Segment, SegmentChain, SyncPoint
from poolserver.ledger.held import HeldRecords, Mark, batches
from poolserver.ledger.payout_records import payout_records
from poolserver.ledger.records import (
    BlockRecord,
    JournalBatch,
    LedgerError,
    ShareRecord,
    TemplateRecord,
    WorkerRecord,
    encode_block,
    encode_payout,
    encode_share,
    encode_template,
    encode_worker,
)
from poolserver.ledger.segment import SegmentId
from poolserver.ledger.source_lock import SourceLock
from poolserver.ledger.waiting import Callback, ReleasePolicy, Waiting, WhenFull
from poolserver.mining.identity import WorkerIdentity
from poolserver.mining.payout import Distribution

SEGMENT_BYTES = 64 << 20
"""A file of 790,000 shares: a handful a day for 1,000 rigs, 8 s of 109,000 shares/s."""
MAX_HELD_BYTES = 64 << 20
"""790,000 shares: over 6 min of a failed disk at 2,000 shares/s (10,000 rigs)."""
FIRST_RETRY_S = 1.0
LAST_RETRY_S = 60.0
MAX_SEGMENT_AGE_S = 3600.0
"""A small site's file, too, is old enough to be deleted some day."""


class JournalError(LedgerError):
    """The journal cannot be begun, or ended with records that could not be saved."""


def unix_ms() -> int:
    """The time of day in Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Journal:
    """The journal of one life of one worker process. Every method runs on the event loop."""

    def __init__(
        self,
        directory: Path,
        identity: WorkerIdentity,
        *,
        on_durable: Callable[[JournalBatch], None],
        release: ReleasePolicy = ReleasePolicy.TURN,
        when_full: WhenFull = WhenFull.HOLD,
        sync_interval_s: float = 0.05,
        on_failure: Callable[[OSError | None], None] = lambda _: None,
        wall_ms: Callable[[], int] = unix_ms,
        max_held_bytes: int = MAX_HELD_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
        first_retry_s: float = FIRST_RETRY_S,
        open_segment: Callable[[Path, SegmentId], Segment] = Segment,
    ) -> None:
        """Begin the first file; needs a running event loop.

        ``on_durable`` is given each stretch of records once it is synced, in order and
        without gaps. ``on_failure`` is told the error when saving begins to fail, and None
        when all is saved again.

        Raises:
            JournalError: the file cannot be made.
        """
        self.source = identity.source
        self.failed: OSError | None = None
        """The error for which records are held back, if any."""
        self.dropped = 0
        """Shares that were refused: they are not recorded and get no credit."""
        self.is_refusing = False
        """Whether the last share that came was refused."""
        self.syncs = Histogram(DISK_S)
        """How long syncs took."""
        self._on_durable = on_durable
        self._on_failure = on_failure
        self._policy = release
        self._when_full = when_full
        self._refuses_accepted = False
        self._failed_before = 0
        self._sync_interval_s = sync_interval_s
        self._wall_ms = wall_ms
        self._first_retry_s = self._retry_s = first_retry_s
        self._held = HeldRecords(1, max_held_bytes)
        self._worker_refs: dict[tuple[str, str], int] = {}
        self._template = (0, 0, 0)
        self._chain = SegmentChain(
            directory, self.source, segment_bytes, MAX_SEGMENT_AGE_S, open_segment
        )
        self._loop = asyncio.get_running_loop()
        self.turn = 0
        """Which turn's records are being collected: it grows with the first record of each."""
        self._turn_ms = 0
        self._waiting = Waiting(self._loop)
        self._flush_handle: asyncio.Handle | None = None
        self._retry_handle: asyncio.TimerHandle | None = None
        self._sync_handle: asyncio.TimerHandle | None = None
        self._sync: asyncio.Future[float] | None = None
        self._next_sync_at = 0.0
        self._closed = False
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._life = SourceLock(directory, self.source)
            try:
                self._begin_segment()
            except OSError:
                self._life.release()
                raise
        except OSError as error:
            raise JournalError(f"the share journal cannot be begun: {error}") from error
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="journal-sync")

    @property
    def pending(self) -> int:
        """The number of records that are not durable yet."""
        return len(self._held)

    # --- what is recorded ----------------------------------------------------------------

    def declare_worker(self, account: str, worker_name: str) -> int:
        """The number that stands for this worker in the records of this journal.

        Raises:
            ValueError: a name is too long (see records.py) or not Unicode text.
        """
        name = (account, worker_name)
        worker_ref = self._worker_refs.get(name)
        if worker_ref is None:
            worker_ref = len(self._worker_refs) + 1
            now_ms = self._open_turn()
            record = WorkerRecord(worker_ref, now_ms, account, worker_name)
            self._held.append(encode_worker(self._held.next_sequence, record))
            self._worker_refs[name] = worker_ref
        return worker_ref

    def append_share(
        self,
        worker_ref: int,
        outcome: int,
        proven: bool,
        work: int,
        job_number: int,
        hash_le: bytes,
    ) -> bool:
        """Record a judged submit. ``work`` (hashes) is that of the difficulty it was judged by.

        False where it cannot be recorded, now or later: it must not count as accepted.
        ``hash_le`` has 32 bytes, zeros where the hash is not known; this is not checked.
        """
        now_ms = self._turn_ms if self._flush_handle is not None else self._open_turn()
        if (self._refuses_accepted and not outcome) or not self._held.append_share(
            worker_ref, outcome, proven, work, job_number, now_ms, hash_le
        ):
            self.dropped += 1
            self.is_refusing = True
            return False
        return True

    def packing(self) -> tuple[int, int, int]:
        """What shares are packed with elsewhere, to be given to ``append_shares`` in this turn:

        the sequence of the first, the time in Unix milliseconds, and how many there is room for:
        none while the disk fails, when each has to be asked about.
        """
        now_ms = self._turn_ms if self._flush_handle is not None else self._wall_ms()
        room = self._held.room if self.failed is None else 0
        return self._held.next_sequence, now_ms, room

    def append_shares(self, records: bytes, count: int, unix_ms: int) -> None:
        """Record accepted shares that were packed as ``packing`` said."""
        self._open_turn(unix_ms)
        self._held.append_shares(records, count)

    def append_solution(self, share: ShareRecord) -> None:
        """Record a share that is a block, whatever the state of the disk; its time is set here."""
        timed = share._replace(unix_ms=self._open_turn())
        self._held.append(encode_share(self._held.next_sequence, timed))

    def append_block(
        self, height: int, hash_le: bytes, worker_ref: int, distribution: Distribution
    ) -> None:
        """Record a share that met the network target, and what its coinbase pays."""
        record = BlockRecord(height, hash_le, worker_ref, self._open_turn())
        self._held.append(encode_block(self._held.next_sequence, record))
        for payout in payout_records(hash_le, distribution):
            self._held.append(encode_payout(self._held.next_sequence, payout))

    def note_template(self, height: int, nbits: int, value_sat: int) -> None:
        """Record what shares are made on from here on, if that is something new."""
        template = height, nbits, value_sat
        if template != self._template:
            self._template = template
            record = TemplateRecord(*template, self._open_turn())
            self._held.append(encode_template(self._held.next_sequence, record))

    def release(self, callback: Callback) -> None:
        """Call back once what was recorded so far is as safe as the policy asks.

        That may be at once. While the disk fails it is at the end of the turn; where shares are
        refused then, what was recorded before is called back when the failure is over.
        """
        if self._policy is ReleasePolicy.AT_ONCE:
            callback()
        elif self._policy is ReleasePolicy.SYNC and self._held and self.failed is None:
            self._waiting.for_sync(self._held.next_sequence, callback)
        elif self._flush_handle is not None:
            self._waiting.for_turn(callback)
        else:
            callback()

    def _open_turn(self, unix_ms: int | None = None) -> int:
        """The time of this turn; its first record reads the clock and orders the flush."""
        if self._flush_handle is None:
            if self._closed:
                raise JournalError("the journal is closed")
            self.turn += 1
            self._turn_ms = self._wall_ms() if unix_ms is None else unix_ms
            self._flush_handle = self._loop.call_soon(self._end_turn)
        return self._turn_ms

    # --- to the file ---------------------------------------------------------------------

    def _end_turn(self) -> None:
        self._flush_handle = None
        if self._retry_handle is None:
            self._write()
        self._waiting.end_turn()

    def _retry(self) -> None:
        self._retry_handle = None
        self._write()

    def _write(self) -> None:
        try:
            while unwritten := self._held.unwritten():
                self._held.wrote(self._begin_segment().write(unwritten))
        except OSError as error:
            self._fail(error)
        else:
            self._chain.end_if_full(self._loop.time())
            self._order_sync()

    def _begin_segment(self) -> Segment:
        return self._chain.begin(self._held.flushed.sequence, self._loop.time())

    # --- to the disk ---------------------------------------------------------------------

    def _order_sync(self) -> None:
        if self._sync is None and self._sync_handle is None and self._held.flushed.offset:
            wait_s = self._next_sync_at - self._loop.time()
            if wait_s > 0:
                self._sync_handle = self._loop.call_later(wait_s, self._begin_sync)
            else:
                self._begin_sync()

    def _begin_sync(self) -> None:
        self._sync_handle = None
        self._next_sync_at = self._loop.time() + self._sync_interval_s
        point = self._chain.sync_point()
        self._sync = self._loop.run_in_executor(self._executor, point.sync)
        self._sync.add_done_callback(partial(self._end_sync, point, self._held.flushed))

    def _end_sync(self, point: SyncPoint, safe: Mark, sync: asyncio.Future[float]) -> None:
        self._sync = None
        try:
            self.syncs.note(sync.result())
        except OSError as error:
            self._chain.abandon()
            self._held.rewind()
            self._fail(error)
            return
        self._chain.synced(point)
        self.is_refusing = False
        first_sequence = self._held.first_sequence
        records = self._held.cut(safe)
        if self._retry_handle is None:
            if safe.sequence >= self._failed_before:
                self._recover()
            self._order_sync()
        released = self._waiting.synced(safe.sequence)
        try:
            count = safe.sequence - first_sequence
            for batch in batches(self.source, first_sequence, count, records):
                self._on_durable(batch)
        finally:
            self._waiting.call(released)

    async def settle(self) -> bool:
        """Write and sync at once what is recorded by now; whether that is done.

        The answers that waited for it are released then, and nothing is held any more.
        """
        while self._held and self.failed is None:
            if self._flush_handle is not None:
                await asyncio.sleep(0)  # the end of the turn writes
                continue
            if self._sync is None:
                self._cancel_timers()
                self._begin_sync()
            await self._sync_is_over()
        return self.failed is None

    # --- failure -------------------------------------------------------------------------

    def _fail(self, error: OSError) -> None:
        """Let the miners have their replies, or refuse what they send; try again later."""
        if self.failed is None:
            self._loop.call_soon(self._on_failure, error)
        self.failed = error
        # All is well again only once this is safe: a sync under way may know nothing of it.
        self._failed_before = self._held.next_sequence
        self._refuses_accepted = self._when_full is WhenFull.REFUSE
        if self._retry_handle is not None:
            self._retry_handle.cancel()
        self._retry_handle = self._loop.call_later(self._retry_s, self._retry)
        self._retry_s = min(2 * self._retry_s, LAST_RETRY_S)
        self._waiting.fail(until_it_is_over=self._refuses_accepted)

    def _recover(self) -> None:
        if self.failed is not None:
            self.failed = None
            self._refuses_accepted = False
            self._retry_s = self._first_retry_s
            self._loop.call_soon(self._on_failure, None)
            self._waiting.recover()

    # --- the end -------------------------------------------------------------------------

    async def close(self) -> None:
        """Write and sync what is left, and report it.

        Raises:
            JournalError: some of it could not be saved.
        """
        self._closed = True
        await self._sync_is_over()
        self._cancel_timers()
        self._end_turn()
        self._cancel_timers()
        if self._sync is None and self._held.flushed.offset:
            self._begin_sync()
        await self._sync_is_over()
        self._cancel_timers()
        self._chain.abandon()
        if self._held.next_sequence == 1:
            self._chain.remove()  # a start that failed leaves nothing
        self._life.release()
        self._executor.shutdown(wait=False)
        if self._held:
            raise JournalError(f"{self.pending} records could not be saved: {self.failed}")

    async def _sync_is_over(self) -> None:
        while self._sync is not None:
            await asyncio.wait([self._sync])

    def _cancel_timers(self) -> None:
        for handle in (self._flush_handle, self._retry_handle, self._sync_handle):
            if handle is not None:
                handle.cancel()
        self._flush_handle = self._retry_handle = self._sync_handle = None
