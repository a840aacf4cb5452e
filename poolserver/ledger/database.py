"""What the books need of a database; ``sqlite`` and ``postgresql`` are two.

Statements are SQL that both understand, with ``?`` for values: conflict targets are always
named, and whatever the two say differently is behind ``Connection.upsert``. What the columns
hold stands in the migrations.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from poolserver.ledger.records import LedgerError

Value = str | int | bytes | None
Row = tuple[Any, ...]


class StoreError(LedgerError):
    """The database cannot be used; the text says which and what to look at.

    ``transient`` says that the same call may well work later: a lock, a full disk.
    """

    def __init__(self, database: object, reason: str, *, transient: bool = False) -> None:
        super().__init__(f"{database} {reason}")
        self.transient = transient


class StoreMoved(StoreError):
    """The database does not stand where it was left: a backup or a standby took its place."""

    def __init__(self, database: object, source: str, sequence: int) -> None:
        super().__init__(database, f"does not stand at record {sequence} of {source}")


@dataclass(frozen=True, slots=True)
class Table:
    """A table to which sums are added: where the key is there already, columns are combined."""

    name: str
    key: tuple[str, ...]
    exact: tuple[str, ...] = ()
    """Integers of any size, given and read as decimal text: added up."""
    counts: tuple[str, ...] = ()
    """Integers of up to 63 bits: added up."""
    least: tuple[str, ...] = ()
    """The lower one stays; one without a value takes the other's."""
    greatest: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    """The new one stays."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, in the order of a row."""
        return (
            *self.key,
            *self.exact,
            *self.counts,
            *self.least,
            *self.greatest,
            *self.replaced,
        )


class Rows(Protocol):
    """The result of a statement."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Row | None: ...

    def fetchall(self) -> list[Row]: ...

    def __iter__(self) -> Iterator[Row]: ...


class Connection(Protocol):
    """An open database, for one thread. What goes wrong is one of the database's ``errors``."""

    @property
    def broken(self) -> bool:
        """Whether the database cannot be reached by this any more: then connect anew."""

    def execute(self, sql: str, values: Sequence[Value] = (), /) -> Rows: ...

    def executemany(self, sql: str, rows: Iterable[Sequence[Value]], /) -> None: ...

    def upsert(self, table: Table, rows: Iterable[Sequence[Value]], /) -> None:
        """Put each row (see Table.columns) in, or combine it with the one that has its key.

        No two of the rows may have the same key.
        """

    def transaction(self) -> AbstractContextManager[None]:
        """All of what is done inside, or on an exception none.

        Of a reader's connection: all that is read inside is of one moment. Where the connection
        breaks at the end it is not known whether the transaction was committed.
        """

    def close(self) -> None: ...


class Database(Protocol):
    """A kind of database, and where it is. ``str()`` of it begins a message for operators."""

    errors: tuple[type[Exception], ...]
    """What its connections raise."""

    def connect(self) -> Connection:
        """Make the database if it is not there, bring it up to date, and open it to write.

        One writes at a time: another one, in whatever process, is refused until this one's
        connection is closed. Raises StoreError or one of ``errors``.
        """

    def reader(self) -> Connection:
        """Open it to read only, beside whoever writes; it must be up to date.

        Raises like connect().
        """

    def error(self, error: Exception) -> StoreError:
        """What one of ``errors`` means to the operator."""
