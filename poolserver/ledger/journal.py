"""The share journal: what a worker process writes down of every submit, before all else.

The share path appends to memory and returns; one write() at the end of the event loop's turn
takes all of the turn's records to the kernel, and one fdatasync() in a thread takes all of
an interval's to the disk (group commit).

When the disk fails (it is full, or a sync reports an error), mining goes on: replies are
released as if the records were safe, the records stay in memory and are written again after
1 s, 2 s, ... 60 s. After a failed *sync* they go to a new file, since the kernel may drop
pages that it could not write and report success the next time. Up to ``max_held_bytes`` are
held; shares beyond that are not recorded, only counted (``dropped``). Declarations of workers
and found blocks are always kept.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from functools import partial
from pathlib import Path

from poolserver.ledger.held import HeldRecords, Mark
from poolserver.ledger.records import (
    BlockRecord,
    JournalBatch,
    LedgerError,
    WorkerRecord,
    encode_block,
    encode_worker,
)
from poolserver.ledger.segment import Segment, SegmentId
from poolserver.mining.identity import WorkerIdentity

SEGMENT_BYTES = 64 << 20
"""A file of 790,000 shares: a handful a day for 1,000 rigs, 8 s of 109,000 shares/s."""
MAX_HELD_BYTES = 64 << 20
"""790,000 shares: over 6 min of a failed disk at 2,000 shares/s (10,000 rigs)."""
FIRST_RETRY_S = 1.0
LAST_RETRY_S = 60.0

Callback = Callable[[], None]


class JournalError(LedgerError):
    """The journal cannot be begun, or ended with records that could not be saved."""


class ReleasePolicy(StrEnum):
    """How safe a share's record is before its miner is told of it."""

    AT_ONCE = "at_once"
    """Not at all: a crash may lose shares that were answered."""
    TURN = "turn"
    """Written: it survives the end of the process, ``kill -9`` too."""
    SYNC = "sync"
    """Synced: it survives a power cut."""


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
        self.dropped = 0
        self.last_sync_s = 0.0
        self._directory = directory
        self._on_durable = on_durable
        self._on_failure = on_failure
        self._policy = release
        self._sync_interval_s = sync_interval_s
        self._wall_ms = wall_ms
        self._segment_bytes = segment_bytes
        self._first_retry_s = self._retry_s = first_retry_s
        self._open_segment = open_segment
        self._loop = asyncio.get_running_loop()
        self._held = HeldRecords(1, max_held_bytes)
        self._worker_refs: dict[tuple[str, str], int] = {}
        self._turn_ms = 0
        self._turn_waiters: deque[Callback] = deque()
        self._sync_waiters: deque[tuple[int, Callback]] = deque()
        self._flush_handle: asyncio.Handle | None = None
        self._retry_handle: asyncio.TimerHandle | None = None
        self._sync_handle: asyncio.TimerHandle | None = None
        self._sync: asyncio.Future[float] | None = None
        self._synced_at = -sync_interval_s
        self._full: list[Segment] = []
        self._segment: Segment | None = None
        self._segments_opened = 0
        self._closed = False
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._begin_segment()
        except OSError as error:
            raise JournalError(f"the share journal cannot be begun: {error}") from error
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="journal-sync")
