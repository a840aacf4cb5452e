"""The store's statements about words on budgets: a log that is only added to. See migrations/."""

from collections.abc import Iterable
from typing import NamedTuple

from poolserver.ledger.database import Connection, Row, Value
from poolserver.power.signal import BudgetSignal

_COLUMNS = """
    taken_at_ms, source, node, of_mining, limit_w, at_ms, valid_until_ms, reason, issued_by
"""
_ADD = f"INSERT INTO budget_word ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_NEWEST = f"""
    SELECT {_COLUMNS} FROM budget_word
    WHERE id IN (SELECT max(id) FROM budget_word GROUP BY source, node, of_mining) ORDER BY id
"""
_SAID = f"""
    SELECT {_COLUMNS} FROM budget_word WHERE taken_at_ms >= ? AND taken_at_ms < ? ORDER BY id
"""


class TakenWord(NamedTuple):
    """A word, and when the pool heard it, in Unix milliseconds."""

    taken_at_ms: int
    word: BudgetSignal


def add_words(connection: Connection, words: Iterable[TakenWord]) -> None:
    """Write down words that a ``BudgetBook`` has taken."""
    connection.executemany(_ADD, (_row(taken_at_ms, word) for taken_at_ms, word in words))


def newest_words(connection: Connection) -> list[BudgetSignal]:
    """The last word of each source on each node: what a ``BudgetBook`` is restored from."""
    return [_read(row).word for row in connection.execute(_NEWEST)]


def said_between(connection: Connection, from_ms: int, until_ms: int) -> list[TakenWord]:
    """All words that were taken in a time, in their order; ``until_ms`` is not in it."""
    return [_read(row) for row in connection.execute(_SAID, (from_ms, until_ms))]


def _row(taken_at_ms: int, word: BudgetSignal) -> tuple[Value, ...]:
    return (
        taken_at_ms,
        word.source,
        word.node,
        int(word.of_mining),
        None if word.limit_w is None else int(word.limit_w),
        round(word.at_s * 1000),
        None if word.valid_until_s is None else round(word.valid_until_s * 1000),
        word.reason,
        word.issued_by,
    )


def _read(row: Row) -> TakenWord:
    taken_at_ms, source, node, of_mining, limit_w, at_ms, until_ms, reason, issued_by = row
    return TakenWord(
        taken_at_ms,
        BudgetSignal(
            node,
            limit_w,
            source,
            at_ms / 1000,
            None if until_ms is None else until_ms / 1000,
            reason,
            issued_by,
            bool(of_mining),
        ),
    )
