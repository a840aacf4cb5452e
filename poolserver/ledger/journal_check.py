"""Whether the ledger is what the journal comes to."""

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from poolserver.ledger import audit_sql, block_sql
from poolserver.ledger.coverage import Coverage
from poolserver.ledger.database import Connection
from poolserver.ledger.findings import Findings, columns_that_differ
from poolserver.ledger.interval_reader import FOR_EVER_S
from poolserver.ledger.totals import Earning, ShareTotals, WorkerKey


class _Worker(NamedTuple):
    account: str
    worker: str


class JournalCheck:
    """Compares a ledger with the one that was rebuilt of its journal."""

    def __init__(
        self, ledger: Connection, rebuilt: Connection, coverage: Coverage, findings: Findings
    ) -> None:
        self._ledger = ledger
        self._rebuilt = rebuilt
        self._coverage = coverage
        self._findings = findings
        self.intervals = 0
        """How many were compared in full."""

    def check(self, from_s: int, before_s: int = FOR_EVER_S) -> None:
        """Compare all intervals that begin from ``from_s`` on and before ``before_s``."""
        begin_s = self._next(max(from_s, self._coverage.nothing_before_s), before_s)
        while begin_s is not None:
            is_whole = begin_s >= self._coverage.shares_from_s
            self.intervals += is_whole
            self._check_workers(begin_s, is_whole)
            if begin_s >= self._coverage.earnings_from_s:
                self._check_accounts(begin_s)
            begin_s = self._next(begin_s + 1, before_s)
        self._check_blocks()

    def _next(self, from_s: int, before_s: int) -> int | None:
        begins = [
            audit_sql.next_interval(connection, from_s, before_s, table)
            for connection in (self._ledger, self._rebuilt)
            for table in ("worker_interval", "account_interval")
        ]
        return min((begin_s for begin_s in begins if begin_s is not None), default=None)

    def _check_workers(self, begin_s: int, is_whole: bool) -> None:
        mine, keys = _workers(self._ledger, begin_s)
        theirs, rebuilt_keys = _workers(self._rebuilt, begin_s)
        for name in sorted(mine.keys() | theirs):
            ledger, journal = mine.get(name, ShareTotals()), theirs.get(name, ShareTotals())
            key = keys.get(name) or rebuilt_keys[name]
            if ledger == journal:
                continue
            if not is_whole:
                if _has_more(journal, ledger):
                    self._findings.differ(
                        "journal",
                        "the journal has more of it: "
                        + columns_that_differ(ledger, journal, "by the journal"),
                        begin_s=begin_s,
                        key=key,
                    )
                continue
            text = columns_that_differ(ledger, journal, "by the journal")
            self._findings.differ("journal", text, begin_s=begin_s, key=key)

    def _check_accounts(self, begin_s: int) -> None:
        mine, theirs = _accounts(self._ledger, begin_s), _accounts(self._rebuilt, begin_s)
        for account, nbits in sorted(mine.keys() | theirs):
            ledger = mine.get((account, nbits), Earning())
            journal = theirs.get((account, nbits), Earning())
            if ledger != journal:
                self._findings.differ(
                    "journal_account",
                    f"account {account!r} at nbits {nbits:08x}: accepted_work and value_work are"
                    f" {ledger.accepted_work} and {ledger.value_work} in the ledger,"
                    f" {journal.accepted_work} and {journal.value_work} by the journal",
                    begin_s=begin_s,
                )

    def _check_blocks(self) -> None:
        mine = {block.hash_hex: block for block in block_sql.blocks(self._ledger, None)}
        for block in block_sql.blocks(self._rebuilt, None):
            found = mine.get(block.hash_hex)
            if found is None:
                text = f"block {block.hash_hex} is in the journal and not in the ledger"
                self._findings.differ("journal_block", text)
                continue
            # A verdict may have come before the journal's word, and without a name.
            if found.height != block.height or found.worker not in ("", block.worker):
                self._findings.differ(
                    "journal_block",
                    f"block {block.hash_hex} is of height {found.height} by {found.worker!r} in the"
                    f" ledger, {block.height} by {block.worker!r} by the journal",
                )
            pays = block_sql.payout(self._rebuilt, block.hash_hex)
            if pays and pays.complete and pays != block_sql.payout(self._ledger, block.hash_hex):
                self._findings.differ(
                    "journal_payout",
                    f"what block {block.hash_hex} pays is not in the ledger as in the journal",
                )
            mine.pop(block.hash_hex)
        for block in mine.values():
            # What a block pays is known from the journal alone.
            is_whole = block.found_at_ms >= self._coverage.shares_from_s * 1000
            if is_whole and block_sql.payout(self._ledger, block.hash_hex) is not None:
                text = f"block {block.hash_hex} pays by the ledger, and the journal has no such"
                self._findings.differ("journal_block", text)


def _workers(
    connection: Connection, begin_s: int
) -> tuple[dict[_Worker, ShareTotals], dict[_Worker, WorkerKey]]:
    """The sums of an interval whatever the site: the journal does not tell of sites."""
    sums: dict[_Worker, ShareTotals] = {}
    keys: dict[_Worker, WorkerKey] = {}
    for key, totals in audit_sql.interval_totals(connection, begin_s):
        name = _Worker(key.account, key.worker)
        keys[name] = key
        if name in sums:
            sums[name].add(totals)
        else:
            sums[name] = totals
    return sums, keys


def _accounts(connection: Connection, begin_s: int) -> Mapping[tuple[str, int], Earning]:
    sums: defaultdict[tuple[str, int], Earning] = defaultdict(Earning)
    for account, nbits, earning in audit_sql.interval_earnings(connection, begin_s):
        sums[account, nbits].add(earning)
    return sums


def _has_more(one: ShareTotals, other: ShareTotals) -> bool:
    return (
        one.accepted_work > other.accepted_work
        or one.proven_work > other.proven_work
        or any(mine > theirs for mine, theirs in zip(one.shares, other.shares, strict=True))
    )
