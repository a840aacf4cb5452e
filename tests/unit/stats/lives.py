"""A pool's books and statistics over several lives, on clocks that the test sets."""

from collections.abc import Sequence
from pathlib import Path

from poolserver.ledger.keeper import LedgerKeeper
from poolserver.ledger.records import BlockRecord, JournalBatch, Record, ShareRecord, WorkerRecord
from poolserver.ledger.segment import SegmentId, encode_header
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from poolserver.mining.share import ShareOutcome
from poolserver.stats.keeper import StatisticsKeeper
from poolserver.stats.meter import Reading
from poolserver.stats.meters import Level, MeterName, Meters
from tests.unit.ledger.strategies import batch_of, encode

WORK = 1 << 40
RIGS = ("alice.1", "alice.2", "bob.1")
REFS = {rig: ref for ref, rig in enumerate(RIGS, 1)}


def site_of(account: str) -> str:
    return "north" if account in ("alice", "bob") else "unassigned"


class Clocks:
    """Both clocks: ``unix_s`` goes on over restarts, ``now_s`` begins anew with each boot."""

    def __init__(self, now_s: float = 1000.0, unix_s: float = 1_750_000_001.0) -> None:
        self.now_s = now_s
        self.unix_s = unix_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds
        self.unix_s += seconds


class Life:
    """One life of a pool in ``folder``; its journal is there before its books."""

    def __init__(self, folder: Path, clocks: Clocks, epoch: int, max_names: int = 1000) -> None:
        self.clocks = clocks
        self.meters = Meters(site_of, max_names=max_names)
        self.store = LedgerStore(SqliteDatabase(folder / "ledger.sqlite"))
        journal_dir = folder / "journal"
        journal_dir.mkdir(exist_ok=True)
        self.statistics = StatisticsKeeper(
            self.meters,
            self.store,
            journal_dir,
            site_of=site_of,
            clock=lambda: clocks.now_s,
            unix_time=lambda: clocks.unix_s,
        )
        self.keeper = LedgerKeeper(
            self.store,
            journal_dir,
            site_of=site_of,
            on_delta=lambda delta: self.statistics.wake(),
            in_thread=self.statistics.add,
            clock=lambda: clocks.now_s,
            unix_time=lambda: clocks.unix_s,
        )
        self.source = f"pool-1/0/{epoch}"
        self._path = journal_dir / SegmentId(self.source, 1, 0).file_name
        self._sequence = 1

    async def open(self) -> None:
        await self.keeper.open()
        await self.statistics.open()

    def write(self, records: Sequence[Record]) -> JournalBatch:
        """On the disk, and nobody was told yet."""
        if not self._path.exists():
            self._path.write_bytes(encode_header(SegmentId(self.source, 1, 0)))
        batch = batch_of(self.source, self._sequence, records)
        with self._path.open("ab") as file:
            file.write(encode(self._sequence, records))
        self._sequence += len(records)
        return batch

    async def take(self, *records: Record) -> None:
        """Written, folded and measured."""
        self.keeper.add(self.write(records))
        await self.keeper.take_in()
        await self.statistics.take_in()

    def declared(self) -> list[Record]:
        return [WorkerRecord(ref, 1, rig.partition(".")[0], rig) for rig, ref in REFS.items()]

    def share(
        self, rig: str, outcome: ShareOutcome = ShareOutcome.ACCEPTED, zeros: int = 8
    ) -> ShareRecord:
        """A share of now; its hash begins with so many zero bits."""
        proven = outcome in (ShareOutcome.ACCEPTED, ShareOutcome.STALE)
        hash_le = (1 << (255 - zeros)).to_bytes(32, "little")
        unix_ms = int(self.clocks.unix_s * 1000)
        return ShareRecord(REFS[rig], outcome, proven, 1, unix_ms, WORK * proven, hash_le)

    def block(self, number: int) -> BlockRecord:
        """A block of now, found by the first rig."""
        unix_ms = int(self.clocks.unix_s * 1000)
        return BlockRecord(number, number.to_bytes(32, "little"), 1, unix_ms)

    async def stop(self) -> None:
        """In order, as the coordinator does it."""
        await self.keeper.take_in()
        await self.statistics.close()
        await self.keeper.close()

    async def kill(self) -> None:
        """What is in memory is lost."""
        await self.store.close()

    def readings(self) -> dict[tuple[Level, MeterName], Reading]:
        return readings(self.meters, self.clocks.now_s)


def readings(meters: Meters, now_s: float) -> dict[tuple[Level, MeterName], Reading]:
    return {
        (level, name): meters.read(level, name, now_s)
        for level in Level
        for name in meters.levels[level].states
    }
