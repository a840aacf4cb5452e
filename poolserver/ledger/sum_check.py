"""Whether the ledger's sums agree with each other."""

from collections import defaultdict

from poolserver.ledger import audit_sql, block_sql, share_sql
from poolserver.ledger.audit import LedgerRow
from poolserver.ledger.database import Connection
from poolserver.ledger.findings import Findings, columns_that_differ, interval_text
from poolserver.ledger.totals import Earning, ShareTotals, WorkerKey


class SumCheck:
    """Give each row to ``add()``, then call ``finish()``. It holds a sum a worker."""

    def __init__(self, connection: Connection, findings: Findings) -> None:
        self._connection = connection
        self._findings = findings
        self._workers: dict[bytes, ShareTotals] = {}
        self._keys: dict[bytes, WorkerKey] = {}
        self._begin_s: int | None = None
        self._accounts: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._earned = 0

    def add(self, row: LedgerRow) -> None:
        """Take the next row; they come by intervals."""
        if row.begin_s != self._begin_s:
            self._end_interval()
            self._begin_s = row.begin_s
        key = self._keys.get(row.names)
        if key is None:
            key = self._keys[row.names] = row.key
            self._workers[row.names] = ShareTotals()
        try:
            totals = row.totals
            self._workers[row.names].add(totals)
        except ValueError as error:
            text = f"this row has what cannot be added up: {error}"
            self._findings.differ("not_a_number", text, begin_s=row.begin_s, key=key)
            return
        if totals.accepted_work:
            self._accounts[key.site, key.account] += totals.accepted_work

    def finish(self, *, whole: bool) -> None:
        """No more rows; ``whole`` says that these were all there are."""
        self._end_interval()
        if whole:
            self._check_workers()
            self._check_rounds()
            self._check_accounts()
            self._check_payouts()

    def _end_interval(self) -> None:
        begin_s, rows, self._accounts = self._begin_s, self._accounts, defaultdict(int)
        if begin_s is None:
            return
        accounts: defaultdict[tuple[str, str], int] = defaultdict(int)
        for site, account, accepted_work in audit_sql.account_work(self._connection, begin_s):
            accounts[site, account] += int(accepted_work)
        self._earned += sum(accounts.values())
        for site, account in sorted(rows.keys() | accounts):
            ours, theirs = rows[site, account], accounts[site, account]
            # What was booked before there were intervals is in workers' rows alone.
            if ours != theirs and not (begin_s == 0 and ours > theirs):
                self._findings.differ(
                    "account",
                    f"account {account!r} at site {site!r} has accepted_work {theirs},"
                    f" its workers together {ours}",
                    begin_s=begin_s,
                )

    def _check_workers(self) -> None:
        sums = dict(share_sql.totals(self._connection))
        intervals = {self._keys[names]: totals for names, totals in self._workers.items()}
        for key in sorted(sums.keys() | intervals):
            total = sums.get(key, ShareTotals())
            found = intervals.get(key, ShareTotals())
            if total != found:
                self._findings.differ(
                    "worker_total",
                    "over its whole life " + columns_that_differ(total, found, "by its intervals"),
                    key=key,
                )

    def _check_rounds(self) -> None:
        stray = audit_sql.stray_account_intervals(self._connection)
        for begin_s in stray:
            text = f"{interval_text(begin_s)}: accounts have work, and no worker has a row"
            self._findings.differ("account", text)
        rounds = sum(int(work) for work in audit_sql.round_work(self._connection))
        if not stray and rounds != self._earned:
            self._findings.differ(
                "rounds",
                f"the rounds between blocks have accepted_work {rounds} together,"
                f" the accounts {self._earned}",
            )

    def _check_accounts(self) -> None:
        found: dict[tuple[str, str, int], Earning] = {}
        for site, account, nbits, work, value_work in audit_sql.earnings(
            self._connection, "account_interval"
        ):
            found.setdefault((site, account, nbits), Earning()).add(
                Earning(int(work), int(value_work))
            )
        kept = {
            (site, account, nbits): Earning(int(work), int(value_work))
            for site, account, nbits, work, value_work in audit_sql.earnings(
                self._connection, "account_totals"
            )
        }
        for key in sorted(found.keys() | kept):
            if found.get(key, Earning()) != kept.get(key, Earning()):
                site, account, nbits = key
                text = f"account {account!r} at site {site!r}: its total at nbits {nbits:08x}"
                self._findings.differ("account", f"{text} is not the sum of its intervals")

    def _check_payouts(self) -> None:
        for hash_hex in audit_sql.blocks_with_stray_amounts(self._connection):
            text = f"block {hash_hex} has outputs or dues, and nothing says what it pays"
            self._findings.differ("payout", text)
        for block in block_sql.blocks(self._connection, None):
            pays = block_sql.payout(self._connection, block.hash_hex)
            if pays is None or not pays.complete:
                continue
            outputs_sat = sum(output.value_sat for output in pays.outputs)
            due_sat = pays.fee_sat + sum(due.due_sat for due in pays.dues)
            if outputs_sat != pays.value_sat or (pays.dues and due_sat != pays.value_sat):
                self._findings.differ(
                    "payout",
                    f"block {block.hash_hex} is worth {pays.value_sat} sat, its outputs are"
                    f" {outputs_sat}, its dues and the fee {due_sat}",
                )
