"""What it takes to sign a day and to verify it, and how long the event loop waits meanwhile.

    python -m bench.audit [RIGS]

Makes a day of the ledger in a temporary folder: 96 intervals, each with a row for each of RIGS
(10,000 if not given), put in as the pool puts them in. Then signs it beside an event loop that
checks a share each 0.2 ms; verifies chain, rows and sums; and folds a part of such a day's journal
as the verification does.
"""

import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path

from poolserver.ledger.auditor import Auditor
from poolserver.ledger.delta import Delta, Progress, Seal
from poolserver.ledger.rebuild import Rebuild, SealHistory
from poolserver.ledger.records import ShareRecord, WorkerRecord, encode_share, encode_worker
from poolserver.ledger.segment import SegmentId, encode_header
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import (
    DAY_S,
    INTERVAL_S,
    Earning,
    EarningKey,
    IntervalKey,
    ShareTotals,
    WorkerKey,
)
from poolserver.ledger.verify import VerifyTerms, verify
from poolserver.mining.share import ShareOutcome
from tests.unit.stalls import watching

RIGS = 10_000
ACCOUNTS = 100
DAY = 20_000
SOURCE = "pool-1/0/100"
NBITS = 0x1703A30C
SHARES = 180  # of a rig in an interval: 12 a minute
WORK = 65_536 * 4_295_032_833
VALUE_SAT = 312_500_000
JOURNAL_SHARES = 1_000_000


def interval(begin_s: int, rigs: int) -> Delta:
    """An interval's rows, each a little different."""
    delta = Delta()
    for rig in range(rigs):
        account = f"account{rig % ACCOUNTS}"
        shares = SHARES - rig % 7
        totals = ShareTotals(
            accepted_work=WORK * shares,
            proven_work=WORK * shares,
            proven_work_sq=WORK * WORK * shares,
            shares=[shares, rig % 3, *[0] * 8],
            best_hash=(1 << 220) // (rig + 1 + begin_s % 97),
            first_ms=begin_s * 1000 + rig,
            last_ms=(begin_s + INTERVAL_S) * 1000 - rig - 1,
        )
        key = WorkerKey("hall", account, f"{account}.rig{rig:05d}")
        delta.intervals[IntervalKey(begin_s, key)] = totals
        earned = delta.earnings.setdefault(EarningKey(begin_s, "hall", account, NBITS), Earning())
        earned.add(Earning(WORK * shares, WORK * shares * VALUE_SAT))
        delta.rounds.work(NBITS, WORK * shares)
    return delta


async def make_day(store: LedgerStore, rigs: int) -> None:
    """A whole day, and its seal."""
    for number in range(DAY_S // INTERVAL_S):
        delta = interval(DAY * DAY_S + number * INTERVAL_S, rigs)
        delta.progress[SOURCE] = Progress(number, number + 1)
        await store.apply(delta)
    await store.apply(Delta(seals=[Seal(DAY, (DAY + 1) * DAY_S * 1000, {SOURCE: 96})]))


async def sign(store: LedgerStore, folder: Path) -> None:
    """Sign the day beside a loop that is looked at."""
    auditor = Auditor(store, folder / "ledger.key")
    await auditor.open()
    async with watching() as waits:
        await asyncio.sleep(2)
        before = waits.take()
        began, cpu_began = time.perf_counter(), time.process_time()
        await auditor.sign_due()
        took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
        during = waits.take()
    assert auditor.last is not None
    print(f"signed {auditor.last.row_count:,} rows in {took_s:.1f} s, {cpu_s:.1f} s of CPU")
    for name, seconds in (("before", before), ("meanwhile", during)):
        seconds.sort()
        print(
            f"  waits of the loop {name}: median {seconds[len(seconds) // 2] * 1e3:.2f} ms,"
            f" 99.9 % {seconds[len(seconds) * 999 // 1000] * 1e3:.2f} ms,"
            f" longest {seconds[-1] * 1e3:.2f} ms, of {len(seconds):,}"
        )


def check(database: SqliteDatabase, folder: Path) -> None:
    """Verify without a journal."""
    began, cpu_began = time.perf_counter(), time.process_time()
    report = verify(database, folder, VerifyTerms(journal=False))
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    assert report.good, report.differences
    size = database.path.stat().st_size
    print(
        f"verified chain, rows and sums of {report.rows:,} rows in {took_s:.1f} s, {cpu_s:.1f} s of"
        f" CPU; the ledger is {size / 1e6:.0f} MB; at most"
        f" {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB of memory so far"
    )


def fold_journal(folder: Path, rigs: int) -> None:
    """Fold a part of a day's journal once more, and say what the whole day would take."""
    journal_dir = folder / "journal"
    journal_dir.mkdir()
    records = [
        encode_worker(rig, WorkerRecord(rig, 1, "account", f"account.rig{rig:05d}"))
        for rig in range(1, rigs + 1)
    ]
    for number in range(JOURNAL_SHARES):
        share = ShareRecord(
            1 + number % rigs,
            ShareOutcome.ACCEPTED,
            True,
            1,
            (DAY * DAY_S + number // (rigs * 12 // 60)) * 1000,
            WORK,
            number.to_bytes(28, "big") + bytes(4),
        )
        records.append(encode_share(len(records) + 1, share))
    identity = SegmentId(SOURCE, 1, 1)
    (journal_dir / identity.file_name).write_bytes(encode_header(identity) + b"".join(records))
    rebuild = Rebuild(
        journal_dir,
        folder,
        seals=SealHistory([], iter(())),
        workers_of=lambda source: {},
        from_s=0,
        before_s=1 << 62,
    )
    began, cpu_began = time.perf_counter(), time.process_time()
    rebuild.advance({SOURCE: len(records)})
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    rebuild.close()
    day = rigs * 12 * 1440
    print(
        f"folded {JOURNAL_SHARES:,} shares of a journal again in {took_s:.1f} s,"
        f" {took_s / JOURNAL_SHARES * 1e6:.2f} us a share (CPU {cpu_s / JOURNAL_SHARES * 1e6:.2f});"
        f" a day of {day / 1e6:.1f} million would take {took_s / JOURNAL_SHARES * day / 60:.1f} min"
    )


async def main(rigs: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = LedgerStore(SqliteDatabase(folder / "ledger.sqlite"))
        await store.open()
        began = time.perf_counter()
        await make_day(store, rigs)
        print(f"made a day of {rigs:,} rigs in {time.perf_counter() - began:.1f} s")
        await sign(store, folder)
        await store.close()
        check(SqliteDatabase(folder / "ledger.sqlite"), folder)
        fold_journal(folder, rigs)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else RIGS))
