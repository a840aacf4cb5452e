"""The store's statements about where rigs are: a log that is only added to. See migrations/."""

from collections.abc import Iterable

from poolserver.ledger.database import Connection
from poolserver.power.places import MappingWord

_COLUMNS = "taken_at_ms, worker, node, is_grown, issued_by"
_ADD = f"INSERT INTO mapping_word ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)"
_NEWEST = f"""
    SELECT {_COLUMNS} FROM mapping_word
    WHERE id IN (SELECT max(id) FROM mapping_word GROUP BY worker) AND node IS NOT NULL
    ORDER BY id
"""


def add(connection: Connection, words: Iterable[MappingWord]) -> None:
    """Write words down that are about to hold."""
    connection.executemany(
        _ADD,
        (
            (each.taken_at_ms, each.worker, each.node, int(each.is_grown), each.issued_by)
            for each in words
        ),
    )


def newest(connection: Connection) -> list[MappingWord]:
    """The last word on each worker, those that were taken back left out."""
    return [
        MappingWord(worker, node, taken_at_ms, bool(is_grown), issued_by)
        for taken_at_ms, worker, node, is_grown, issued_by in connection.execute(_NEWEST)
    ]
