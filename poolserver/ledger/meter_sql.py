"""The store's statements about saved statistics. See migrations/."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from poolserver.ledger.database import Connection, Table
from poolserver.ledger.delta import WorkerRef

METER = Table("meter", ("level", "account", "name"), replaced=("saved_at_ms", "state"))

_BEGIN_SOURCE = """
    INSERT INTO source (source, sequence, ended) VALUES (?, 0, 0) ON CONFLICT (source) DO NOTHING
"""
_TOO_MANY = """
    DELETE FROM meter WHERE level = ? AND saved_at_ms < (
        SELECT saved_at_ms FROM meter WHERE level = ?
        ORDER BY saved_at_ms DESC LIMIT 1 OFFSET ?
    )
"""
# Of a source that has ended and is metered in full nothing is read again.
_SOURCES = "SELECT source, sequence, metered, ended FROM source"
_WORKERS = """
    SELECT source, worker_ref, account, worker FROM source_worker JOIN source USING (source)
    WHERE ended = 0 OR metered < sequence
"""


class MeterRow(NamedTuple):
    """A saved meter; what does not tell of its level is empty."""

    level: str
    account: str
    name: str
    saved_at_ms: int
    state: bytes


class MeteredSource(NamedTuple):
    """How far a source is in the sums, and how far in the meters."""

    sequence: int
    metered: int
    is_ended: bool

    @property
    def is_behind(self) -> bool:
        """Whether there is more in the sums than in the meters."""
        return self.metered < self.sequence


def meters(connection: Connection, level: str | None = None) -> Iterable[MeterRow]:
    """The saved meters, of one level or all."""
    statement = "SELECT level, account, name, saved_at_ms, state FROM meter"
    if level is None:
        rows = connection.execute(statement)
    else:
        rows = connection.execute(f"{statement} WHERE level = ?", (level,))
    for its_level, account, name, saved_at_ms, state in rows:
        yield MeterRow(its_level, account, name, saved_at_ms, bytes(state))


def sources(connection: Connection) -> dict[str, MeteredSource]:
    """Where each source stands."""
    rows = connection.execute(_SOURCES)
    return {
        source: MeteredSource(sequence, metered, bool(ended))
        for source, sequence, metered, ended in rows
    }


def workers(connection: Connection) -> dict[WorkerRef, tuple[str, str]]:
    """What the numbers of workers stand for, of sources that may have more for the meters."""
    return {
        WorkerRef(source, ref): (*names,) for source, ref, *names in connection.execute(_WORKERS)
    }


def put(connection: Connection, rows: Iterable[MeterRow], metered: Mapping[str, int]) -> None:
    """Save meters, and the last record of each source that is in them."""
    connection.upsert(METER, rows)
    for source, sequence in metered.items():
        connection.execute(_BEGIN_SOURCE, (source,))
        connection.execute("UPDATE source SET metered = ? WHERE source = ?", (sequence, source))


def leave(connection: Connection, level: str, idle_before_ms: int, at_most: int) -> None:
    """Forget meters that were last saved before that, and the oldest where there are more."""
    connection.execute(
        "DELETE FROM meter WHERE level = ? AND saved_at_ms < ?", (level, idle_before_ms)
    )
    connection.execute(_TOO_MANY, (level, level, at_most - 1))
