"""Signs each day once it is closed, in a thread that keeps nobody waiting.

A day's rows cannot change once it is sealed: the seal is in the store in the same transaction
as the last that was booked before it, and the fold books whatever comes later in the day after.
So they may be read in any number of steps, and an audit that was broken off begins again.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import structlog

from poolserver.ledger import audit_sql
from poolserver.ledger.audit import FIRST_PREVIOUS, SignedDay, day_text, head_of
from poolserver.ledger.database import Connection, Database
from poolserver.ledger.interval_reader import IntervalReader, Pace, Stopped
from poolserver.ledger.merkle import MerkleRoot, leaf_hash
from poolserver.ledger.records import LedgerError
from poolserver.ledger.signing import SigningKey, load_or_make_key
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import DAY_S
from poolserver.log import RateLimited

CHECK_INTERVAL_S = 60.0
"""Days are closed ten minutes after their end: a minute more keeps nobody waiting."""

log = structlog.get_logger(__name__)


class DayRoot(NamedTuple):
    """What a day's rows come to."""

    day: int
    row_count: int
    root: bytes
    leaves: dict[int, bytes]
    """By interval, the leaves of its rows one after the other."""


class Auditor:
    """Signs days. ``clock`` is monotonic, ``unix_time`` the time of day, both in seconds."""

    def __init__(
        self,
        store: LedgerStore,
        key_file: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._key_file = key_file
        self._clock = clock
        self._unix_time = unix_time
        self._trouble = RateLimited(log)
        self._key: SigningKey
        self.last: SignedDay | None = None
        """The end of the chain."""

    async def open(self) -> None:
        """Load the key, or make it; the store must be open.

        Raises:
            SigningKeyError: the key cannot be used.
            StoreError: the store cannot be read.
        """
        self._key = load_or_make_key(self._key_file)
        self.last = await self._store.read(audit_sql.last_signed_day)
        if self._key.is_new:
            # At a pool's first start that is as it should be; later another key is missing.
            tell = log.info if self.last is None else log.warning
            tell(
                "ledger_key_made",
                file=str(self._key_file),
                public_key=self._key.public_key.hex(),
            )

    async def run(self) -> None:
        """Sign what is closed, for ever."""
        while True:
            try:
                await self.sign_due()
            except LedgerError as error:
                self._trouble.failed("ledger_audit", str(error), self._clock())
            else:
                self._trouble.restored("ledger_audit_restored", self._clock())
            await asyncio.sleep(CHECK_INTERVAL_S)

    async def sign_due(self) -> None:
        """Sign all days that are closed and not signed.

        Raises:
            StoreError: the store failed; what was signed before stays signed.
            UnnamedRows: a day has rows that are nobody's: it cannot be signed.
        """
        self.last = await self._store.read(audit_sql.last_signed_day)
        through_day = await self._store.read(audit_sql.sealed_through)
        while found := await self._next_root(self._after, through_day):
            signed = self._sign(found)
            await self._store.write(partial(audit_sql.add_signed_day, signed, found.leaves))
            self.last = signed
            log.info(
                "ledger_day_signed",
                day=day_text(signed.day),
                rows=signed.row_count,
                root=signed.root.hex(),
                head=signed.head.hex(),
                signature=signed.signature.hex(),
                public_key=signed.public_key.hex(),
            )

    @property
    def _after(self) -> int:
        return -1 if self.last is None else self.last.day

    def _sign(self, found: DayRoot) -> SignedDay:
        previous = FIRST_PREVIOUS if self.last is None else self.last.head
        head = head_of(previous, found.day, found.row_count, found.root)
        return SignedDay(
            found.day,
            found.row_count,
            found.root,
            head,
            self._key.public_key,
            self._key.sign(head),
            int(self._unix_time() * 1000),
        )

    async def _next_root(self, after_day: int, through_day: int) -> DayRoot | None:
        """In a thread and on a connection of its own: the store's own go on meanwhile."""
        if after_day >= through_day:
            return None
        pace = Pace()
        database = self._store.database
        thread = ThreadPoolExecutor(1, thread_name_prefix="ledger-audit")
        try:
            return await asyncio.get_running_loop().run_in_executor(
                thread, lambda: next_root(database, after_day, through_day, pace)
            )
        finally:
            pace.stop()  # whoever is cancelled leaves no thread behind that goes on for long
            thread.shutdown(wait=False)


def next_root(database: Database, after_day: int, through_day: int, pace: Pace) -> DayRoot | None:
    """The first day with rows after ``after_day`` up to ``through_day``; days without are none.

    Blocking. Raises StoreError, and UnnamedRows.
    """
    try:
        connection = database.reader()
        try:
            begin_s = audit_sql.next_interval(
                connection, (after_day + 1) * DAY_S, (through_day + 1) * DAY_S
            )
            return None if begin_s is None else _root(connection, begin_s // DAY_S, pace)
        finally:
            connection.close()
    except database.errors as error:
        raise database.error(error) from error
    except Stopped:
        return None


def _root(connection: Connection, day: int, pace: Pace) -> DayRoot:
    reader = IntervalReader(connection, pace)
    tree = MerkleRoot()
    leaves = {}
    for begin_s in reader.intervals(day * DAY_S, (day + 1) * DAY_S):
        hashes = bytearray()
        for row in reader.rows(begin_s):
            leaf = leaf_hash(row.canonical)
            tree.add(leaf)
            hashes += leaf
        leaves[begin_s] = bytes(hashes)
    return DayRoot(day, tree.size, tree.root(), leaves)
