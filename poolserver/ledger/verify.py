"""Checks a ledger: chain and rows, the sums among each other, and all of it by the journal.

It reads only, and may run beside the pool: what is compared is the ledger at one moment, and
the journal up to the record that the ledger had counted at that moment.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from poolserver.ledger import audit_sql, share_sql
from poolserver.ledger.audit import SignedDay, day_text
from poolserver.ledger.chain_check import RowCheck, check_heads, check_unsigned
from poolserver.ledger.coverage import NOWHERE_S, Coverage, check_sources, describe
from poolserver.ledger.database import Connection, Database
from poolserver.ledger.delta import WorkerRef
from poolserver.ledger.findings import Difference, Findings, interval_text
from poolserver.ledger.interval_reader import FOR_EVER_S, FROM_EVER_S, IntervalReader, NoPace
from poolserver.ledger.journal_check import JournalCheck
from poolserver.ledger.rebuild import Rebuild, SealHistory
from poolserver.ledger.sum_check import SumCheck
from poolserver.ledger.totals import DAY_S, INTERVAL_S

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class VerifyTerms:
    """What is to be checked."""

    day: int | None = None
    """This one day alone; None: all there is."""
    kept_heads: Mapping[int, bytes] = field(default_factory=dict)
    """Heads by day, as they were published and kept by somebody."""
    public_key: bytes | None = None
    """The key that every day must be signed with."""
    journal: bool = True
    """Whether the journal is folded again."""

    @property
    def from_s(self) -> int:
        """Where the rows begin that are looked at."""
        return FROM_EVER_S if self.day is None else self.day * DAY_S

    @property
    def before_s(self) -> int:
        """Where they end."""
        return FOR_EVER_S if self.day is None else (self.day + 1) * DAY_S


class Report(msgspec.Struct, kw_only=True):
    """What came out. It is good if there are no differences."""

    good: bool = False
    days_signed: int = 0
    last_day: str = ""
    last_head: str = ""
    public_keys: list[str] = []
    rows: int = 0
    """That were read."""
    records: int = 0
    """Of the journal that were folded."""
    journal_intervals: int = 0
    """That were compared with the journal in full."""
    difference_count: int = 0
    differences: list[Difference] = []
    """The first thousand of them."""
    notes: list[str] = []


def verify(
    database: Database,
    journal_dir: Path,
    terms: VerifyTerms,
    on_progress: OnProgress | None = None,
) -> Report:
    """Check it. Blocking, for as long as it takes.

    ``on_progress`` is told how much is done and of how much: records of the journal that are
    folded, and then days whose rows are looked at.

    Raises:
        StoreError: the database cannot be read.
        OSError: the journal cannot be read.
    """
    try:
        with closing(database.reader()) as connection:
            return _verify(connection, journal_dir, terms, on_progress)
    except database.errors as error:
        raise database.error(error) from error


def _verify(
    connection: Connection,
    journal_dir: Path,
    terms: VerifyTerms,
    on_progress: OnProgress | None,
) -> Report:
    findings, report = Findings(), Report()
    with (
        _rebuilding(connection, journal_dir, terms, on_progress) as rebuild,
        connection.transaction(),
    ):
        _check_chain_and_rows(connection, terms, findings, report, on_progress)
        if rebuild is not None:
            _check_journal(connection, rebuild, terms, findings, report)
    report.difference_count, report.differences = findings.count, findings.differences
    report.good, report.notes = not findings.count, findings.notes
    return report


@contextmanager
def _rebuilding(
    connection: Connection,
    journal_dir: Path,
    terms: VerifyTerms,
    on_progress: OnProgress | None,
) -> Iterator[Rebuild | None]:
    """The journal folded so far: it takes long, and a snapshot should not last as long."""
    if not terms.journal:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="poolserver-verify-") as folder:
        rebuild = Rebuild(
            journal_dir,
            Path(folder),
            seals=_seals(connection),
            workers_of=lambda source: _workers(connection, source),
            from_s=terms.from_s,
            before_s=terms.before_s,
        )
        with closing(rebuild):
            rebuild.advance(share_sql.progress(connection), on_progress)
            yield rebuild


def _check_chain_and_rows(
    connection: Connection,
    terms: VerifyTerms,
    findings: Findings,
    report: Report,
    on_progress: OnProgress | None,
) -> None:
    days = audit_sql.signed_days(connection)
    check_heads(days, terms.kept_heads, terms.public_key, findings)
    _tell_chain(days, findings, report)
    reader = IntervalReader(connection, NoPace())
    sums = SumCheck(connection, findings)
    rows = RowCheck(connection, reader, findings, sums.add)
    signed = {day.day: day for day in days}
    found = []
    for day in _days(connection, signed, terms):
        before = rows.rows
        rows.check_day(day, signed.get(day))
        if rows.rows > before:
            found.append(day)
        if on_progress is not None:
            first, last = min({day, *signed}), max({day, *signed})
            on_progress(day - first + 1, last - first + 1)
    check_unsigned(found, days, audit_sql.sealed_through(connection), findings)
    report.rows = rows.rows
    try:
        sums.finish(whole=terms.day is None)
    except ValueError as error:
        findings.differ("not_a_number", f"sums cannot be read: {error}")


def _check_journal(
    connection: Connection,
    rebuild: Rebuild,
    terms: VerifyTerms,
    findings: Findings,
    report: Report,
) -> None:
    progress = share_sql.progress(connection)
    rebuild.seals = _seals(connection)  # as of this moment, as are the sums
    rebuild.advance(progress)
    report.records = rebuild.records
    coverage = check_sources(progress, share_sql.pruned(connection), rebuild, findings)
    for remark in describe(progress, rebuild):
        findings.note(remark)
    coverage = replace(coverage, nothing_before_s=_intervals_from(connection))
    _tell_coverage(coverage, findings)
    check = JournalCheck(connection, rebuild.connection, coverage, findings)
    try:
        check.check(terms.from_s, terms.before_s)
    except ValueError as error:
        findings.differ("not_a_number", f"sums cannot be read: {error}")
    report.journal_intervals = check.intervals


def _days(
    connection: Connection, signed: Mapping[int, SignedDay], terms: VerifyTerms
) -> Iterator[int]:
    """All days that have rows or are signed."""
    if terms.day is not None:
        yield terms.day
        return
    unseen = sorted(signed, reverse=True)
    begin_s = audit_sql.next_interval(connection, FROM_EVER_S, FOR_EVER_S)
    while begin_s is not None or unseen:
        day = begin_s // DAY_S if begin_s is not None else unseen[-1]
        if unseen and unseen[-1] <= day:
            day = unseen.pop()
        yield day
        begin_s = audit_sql.next_interval(connection, (day + 1) * DAY_S, FOR_EVER_S)


def _tell_chain(days: list[SignedDay], findings: Findings, report: Report) -> None:
    report.days_signed = len(days)
    if not days:
        findings.note("no day is signed yet")
        return
    report.last_day, report.last_head = day_text(days[-1].day), days[-1].head.hex()
    report.public_keys = list(dict.fromkeys(day.public_key.hex() for day in days))
    if len(report.public_keys) > 1:
        findings.note(f"the days are signed by {len(report.public_keys)} keys, one after the other")


def _intervals_from(connection: Connection) -> int:
    """From when on the ledger has intervals; before, a ledger of old has one sum at 0."""
    rows, earned = (
        audit_sql.next_interval(connection, 0, 1, table)
        for table in ("worker_interval", "account_interval")
    )
    if rows is None or earned is not None:
        return FROM_EVER_S
    first_s = audit_sql.next_interval(connection, 1, FOR_EVER_S)
    return NOWHERE_S if first_s is None else first_s + INTERVAL_S


def _tell_coverage(coverage: Coverage, findings: Findings) -> None:
    if coverage.shares_from_s == NOWHERE_S:
        findings.note("the journal has nothing that whole intervals can be compared with")
    elif coverage.shares_from_s >= 0:
        findings.note(
            f"the journal is compared from {interval_text(coverage.shares_from_s)} on;"
            " before, it must not have more than the ledger"
        )
    if coverage.nothing_before_s != FROM_EVER_S:
        findings.note(
            f"the ledger has intervals from {interval_text(coverage.nothing_before_s)} on;"
            " what was booked before is not compared with the journal"
        )


def _seals(connection: Connection) -> SealHistory:
    return SealHistory(audit_sql.seals(connection), audit_sql.seal_cutoffs(connection))


def _workers(connection: Connection, source: str) -> dict[WorkerRef, tuple[str, str]]:
    return {
        WorkerRef(source, ref): (account, worker)
        for ref, account, worker in audit_sql.source_workers(connection, source)
    }
