"""The store's statements about rewards: work that counts, rounds, debts. See migrations/."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from poolserver.ledger.block_sql import OPEN_ROUND
from poolserver.ledger.blocks import EARNING
from poolserver.ledger.database import Connection, Table
from poolserver.ledger.luck import network_work
from poolserver.ledger.totals import Earning, EarningKey
from poolserver.ledger.window import IntervalWork

ACCOUNT_TOTALS = Table(
    "account_totals", ("site", "account", "nbits"), exact=("accepted_work", "value_work")
)

# Of this many intervals the rows are read at once: a day.
_INTERVALS_AT_ONCE = 96
_EARNING = ", ".join("?" * len(EARNING))
_SETTLED = f"""
    SELECT label, sum(unpaid_sat) FROM block_due JOIN block USING (hash)
    WHERE unpaid_sat <> 0 AND final = 1 AND state IN ({_EARNING}) GROUP BY label
"""
_UNSETTLED = """
    SELECT hash, label, unpaid_sat FROM block_due JOIN block USING (hash)
    WHERE unpaid_sat <> 0 AND final = 0
"""
_TOTALS = "SELECT site, account, nbits, accepted_work, value_work FROM account_totals"
_ROUNDS = """
    SELECT block_round.hash, block_round.nbits, accepted_work FROM block_round
    LEFT JOIN block ON block.hash = block_round.hash
    ORDER BY found_at_ms, block_round.hash
"""
_LAST_NBITS = """
    SELECT nbits FROM account_interval WHERE nbits <> 0 ORDER BY begin_s DESC LIMIT 1
"""
_NEWEST_BEFORE = f"""
    SELECT min(begin_s), count(*) FROM (
        SELECT DISTINCT begin_s FROM account_interval WHERE begin_s < ?
        ORDER BY begin_s DESC LIMIT {_INTERVALS_AT_ONCE}
    ) AS newest
"""
_WORK = """
    SELECT begin_s, account, accepted_work FROM account_interval
    WHERE begin_s >= ? AND begin_s < ? ORDER BY begin_s DESC
"""


class OlderWork(NamedTuple):
    """The work of intervals, by their beginning in Unix seconds, the newest without a gap."""

    intervals: dict[int, IntervalWork]
    is_whole: bool
    """Whether there is nothing before these."""


def add_earnings(connection: Connection, earnings: Mapping[EarningKey, Earning]) -> None:
    """The sums of accounts over all intervals."""
    sums: dict[tuple[str, str, int], Earning] = {}
    for key, earning in earnings.items():
        sums.setdefault((key.site, key.account, key.nbits), Earning()).add(earning)
    connection.upsert(
        ACCOUNT_TOTALS,
        ((*key, str(each.accepted_work), str(each.value_work)) for key, each in sums.items()),
    )


def account_totals(connection: Connection) -> dict[tuple[str, str, int], Earning]:
    """Accepted work and its worth by site, account and nbits."""
    rows = connection.execute(_TOTALS)
    return {
        (site, account, nbits): Earning(int(work), int(value_work))
        for site, account, nbits, work, value_work in rows
    }


def earned(connection: Connection) -> dict[tuple[str, int], Earning]:
    """The same by site and nbits."""
    sums: dict[tuple[str, int], Earning] = {}
    for (site, _, nbits), each in account_totals(connection).items():
        sums.setdefault((site, nbits), Earning()).add(each)
    return sums


def rounds(connection: Connection) -> tuple[dict[str, Mapping[int, int]], dict[int, int]]:
    """Work by nbits of each round by its block, in the order of finding; and of the open one."""
    closed: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for hash_hex, nbits, work in connection.execute(_ROUNDS):
        of_block = closed[hash_hex]  # also of one without work
        if int(work):
            of_block[nbits] = int(work)
    open_round = closed.pop(OPEN_ROUND, {})
    return dict(closed), open_round


def debts(connection: Connection) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """What blocks that pay for good leave unpaid by label; by hash, those in the balance."""
    settled = connection.execute(_SETTLED, sorted(EARNING))
    by_label = {label: int(sat) for label, sat in settled}
    unsettled: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for hash_hex, label, sat in connection.execute(_UNSETTLED):
        unsettled[hash_hex][label] = unsettled[hash_hex].get(label, 0) + sat
    return by_label, dict(unsettled)


def last_network_work(connection: Connection) -> int:
    """What a block took on average when there was work last; 1 where that is not known."""
    row = connection.execute(_LAST_NBITS).fetchone()
    return 1 if row is None else network_work(row[0]) or 1


def work_before(
    connection: Connection, before_s: int, missing_work: int, is_paid: Callable[[str], bool]
) -> OlderWork:
    """The newest intervals before ``before_s`` that have so much work of accounts that count."""
    intervals: dict[int, IntervalWork] = {}
    found = 0
    while True:
        row = connection.execute(_NEWEST_BEFORE, (before_s,)).fetchone()
        begin_s, count = row if row is not None else (None, 0)
        if not count or begin_s is None:
            return OlderWork(intervals, is_whole=True)
        for interval_s, account, work in connection.execute(_WORK, (begin_s, before_s)):
            if interval_s not in intervals:
                if found >= missing_work:
                    return OlderWork(intervals, is_whole=False)
                intervals[interval_s] = IntervalWork()
            if is_paid(account) and int(work):
                intervals[interval_s].add(account, int(work))
                found += int(work)
        before_s = begin_s
        for each in intervals.values():
            each.pack()
