"""A small ledger with its journal, made by the real parts, for tests of what checks them."""

import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from poolserver.ledger.auditor import Auditor
from poolserver.ledger.database import Database
from poolserver.ledger.fold import Fold
from poolserver.ledger.records import (
    JournalBatch,
    Record,
    ShareRecord,
    TemplateRecord,
    WorkerRecord,
)
from poolserver.ledger.segment import SegmentId, encode_header
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import DAY_S
from poolserver.mining.share import ShareOutcome
from tests.unit.ledger.places import places
from tests.unit.ledger.strategies import encode

T = TypeVar("T")

SOURCE = "pool-1/0/100"
DAY = 20_000  # days since 1970: 2024-10-04
NBITS = 0x1703A30C
RIGS = ("north.rig1", "north.rig2", "south.rig1")


def day_ms(day: int, second: float = 0) -> int:
    """A moment of a day, in Unix milliseconds."""
    return day * DAY_S * 1000 + int(second * 1000)


def share(
    ref: int,
    unix_ms: int,
    work: int = 1 << 40,
    outcome: ShareOutcome = ShareOutcome.ACCEPTED,
    hash_le: bytes = b"\x01" * 28 + bytes(4),
) -> ShareRecord:
    proven = outcome is ShareOutcome.ACCEPTED
    return ShareRecord(ref, outcome, proven, 1, unix_ms, work if proven else 0, hash_le)


def declared(*names: str) -> list[Record]:
    """The workers' declarations, with numbers from 1 on."""
    return [WorkerRecord(ref, 1, name.partition(".")[0], name) for ref, name in enumerate(names, 1)]


def template(value_sat: int = 312_500_000, unix_ms: int = 1) -> TemplateRecord:
    return TemplateRecord(900_000, NBITS, value_sat, unix_ms)


def day_of_shares(day: int, count: int = 30) -> list[Record]:
    """Shares of all RIGS, over a few intervals of a day."""
    return [
        share(
            1 + number % len(RIGS),
            day_ms(day, number * 100),
            work=(1 << 40) + number,
            outcome=ShareOutcome.STALE if number % 7 == 3 else ShareOutcome.ACCEPTED,
        )
        for number in range(count)
    ]


class Books:
    """A journal in files, and the ledger that was folded of it."""

    def __init__(self, folder: Path, database: Database | None = None) -> None:
        self.folder = folder
        self.journal_dir = folder / "journal"
        self.journal_dir.mkdir(exist_ok=True)
        self.key_file = folder / "ledger.key"
        self.path = folder / "ledger.sqlite"
        self.database = database or SqliteDatabase(self.path)
        self.fold = self.new_fold()
        self.sites = {"north": "hall", "south": "hall"}
        self._ordinals: dict[str, int] = {}

    def new_fold(self, **known: Any) -> Fold:
        return Fold(
            site_of=lambda account: self.sites.get(account, "unassigned"),
            place_of=places(1),
            **known,
        )

    async def book(self, records: Sequence[Record], source: str = SOURCE) -> Path:
        """Write records to a new file of the source's journal, and fold them."""
        first = self.fold.folded(source) + 1
        path = self.write(source, first, encode(first, records))
        delta = self.fold.fold(JournalBatch(source, first, len(records), encode(first, records)))
        await self._apply(delta)
        return path

    def write(self, source: str, first: int, data: bytes) -> Path:
        """Write a file of a source's journal."""
        ordinal = self._ordinals[source] = self._ordinals.get(source, 0) + 1
        identity = SegmentId(source, first, ordinal)
        path = self.journal_dir / identity.file_name
        path.write_bytes(encode_header(identity) + data)
        return path

    async def seal(self, through_day: int) -> None:
        await self._apply(self.fold.seal(through_day, day_ms(through_day + 1, 600)))

    async def sign(self) -> Auditor:
        """Sign what is sealed."""

        async def sign(store: LedgerStore) -> Auditor:
            auditor = Auditor(store, self.key_file, unix_time=lambda: 1.0)
            await auditor.open()
            await auditor.sign_due()
            return auditor

        return await self.with_store(sign)

    async def with_store(self, work: Callable[[LedgerStore], Coroutine[Any, Any, T]]) -> T:
        store = LedgerStore(self.database)
        await store.open()
        try:
            return await work(store)
        finally:
            await store.close()

    async def _apply(self, delta: Any) -> None:
        await self.with_store(lambda store: store.apply(delta))

    def sql(self, statement: str, *values: Any) -> list[Any]:
        """Do something to the ledger behind everybody's back."""
        connection = sqlite3.connect(self.path)
        try:
            with connection:
                return connection.execute(statement, values).fetchall()
        finally:
            connection.close()


async def two_signed_days(folder: Path, database: Database | None = None) -> Books:
    """Two days that are closed and signed, and the beginning of a third."""
    books = Books(folder, database)
    await books.book([*declared(*RIGS), template(), *day_of_shares(DAY)])
    await books.book(day_of_shares(DAY + 1))
    await books.seal(DAY)
    await books.book(day_of_shares(DAY + 2))
    await books.seal(DAY + 1)
    await books.sign()
    return books
