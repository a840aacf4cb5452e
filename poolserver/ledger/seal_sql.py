"""The store's statements about closed days. See migrations/."""

from collections.abc import Iterable

from poolserver.ledger.database import Connection
from poolserver.ledger.delta import Seal

# The newest cutoff of each source: a seal tells of those alone that moved since the one before.
_CUTOFFS = """
    SELECT source, max(sequence) FROM seal_cutoff WHERE through_day <= ? GROUP BY source
"""


def add_seals(connection: Connection, seals: Iterable[Seal]) -> None:
    """Close days."""
    for seal in seals:
        connection.execute(
            "INSERT INTO seal (through_day, sealed_at_ms) VALUES (?, ?)",
            (seal.through_day, seal.sealed_at_ms),
        )
        connection.executemany(
            "INSERT INTO seal_cutoff (through_day, source, sequence) VALUES (?, ?, ?)",
            ((seal.through_day, source, sequence) for source, sequence in seal.cutoffs.items()),
        )


def last_seal(connection: Connection) -> tuple[int, dict[str, int]]:
    """The last day that is closed (-1: none), and the cutoffs of all sources."""
    ((day,),) = connection.execute("SELECT max(through_day) FROM seal")
    through_day = -1 if day is None else int(day)
    return through_day, cutoffs(connection, through_day)


def cutoffs(connection: Connection, through_day: int) -> dict[str, int]:
    """The last record of each source that was booked in a day up to ``through_day``."""
    return dict(connection.execute(_CUTOFFS, (through_day,)).fetchall())
