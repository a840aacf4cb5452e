"""The ledger as tables for others: rows in a fixed order, one after the other.

Columns are only ever added, at the end. Integers that may be larger than 63 bits are decimal
text: work has up to 128 bits and its squares 256, more than any number of Parquet holds.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from poolserver.ledger import audit_sql, block_sql
from poolserver.ledger.audit import NUMBERS, day_text
from poolserver.ledger.database import Connection
from poolserver.ledger.interval_reader import FOR_EVER_S, IntervalReader, NoPace
from poolserver.ledger.totals import DAY_S

Kind = Literal["text", "integer"]
Row = Sequence[str | int | None]


class Column(NamedTuple):
    """A column: its name, and whether it is text or an integer of up to 63 bits."""

    name: str
    kind: Kind


class Days(NamedTuple):
    """From one day to another, both included; days since 1970, UTC."""

    first: int
    last: int

    @property
    def from_s(self) -> int:
        """When they begin, in Unix seconds."""
        return self.first * DAY_S

    @property
    def before_s(self) -> int:
        """When they are over."""
        return (self.last + 1) * DAY_S


ALL_DAYS = Days(-(10**12), 10**12)


@dataclass(frozen=True, slots=True)
class Export:
    """A table: its columns, and what gives its rows."""

    columns: tuple[Column, ...]
    rows: Callable[[Connection, Days], Iterator[Row]]


def _columns(**kinds: Kind) -> tuple[Column, ...]:
    return tuple(Column(name, kind) for name, kind in kinds.items())


def _intervals(connection: Connection, days: Days) -> Iterator[Row]:
    reader = IntervalReader(connection, NoPace())
    for begin_s in reader.intervals(days.from_s, days.before_s):
        for row in reader.rows(begin_s):
            yield (begin_s, *row.key, *(_none(text) for text in row.texts))


def _none(text: str) -> str | None:
    return None if text == "-" else text


def _accounts(connection: Connection, days: Days) -> Iterator[Row]:
    table = "account_interval"
    begin_s = audit_sql.next_interval(connection, days.from_s, days.before_s, table)
    while begin_s is not None:
        # Sorted here: not every database sorts text by its bytes.
        for site, account, nbits, work, value in sorted(
            audit_sql.account_rows(connection, begin_s)
        ):
            yield begin_s, site, account, f"{nbits:08x}", work, value
        begin_s = audit_sql.next_interval(connection, begin_s + 1, days.before_s, table)


def _days(connection: Connection, days: Days) -> Iterator[Row]:
    for day in audit_sql.signed_days(connection):
        if days.first <= day.day <= days.last:
            hashes = (day.root, day.head, day.public_key, day.signature)
            texts = (each.hex() for each in hashes)
            yield day.day, day_text(day.day), day.row_count, *texts, day.signed_at_ms


def _blocks(connection: Connection, days: Days) -> Iterator[Row]:
    for hash_hex, nbits, *rest in _found(connection, days):
        yield hash_hex, *rest[:6], f"{nbits:08x}", *rest[6:]


def _payouts(connection: Connection, days: Days) -> Iterator[Row]:
    for hash_hex, _, height, state, _, _, found_at_ms, *_ in _found(connection, days):
        paid = block_sql.payout(connection, hash_hex)
        if paid is None:
            continue
        block = (hash_hex, height, state, found_at_ms)
        for position, output in enumerate(paid.outputs):
            script = output.script_pubkey.hex()
            yield *block, "output", position, None, script, output.value_sat, None, None
        for position, due in enumerate(paid.dues):
            yield *block, "due", position, due.label, None, None, due.due_sat, due.unpaid_sat


def _found(connection: Connection, days: Days) -> list[tuple[Any, ...]]:
    limit_ms = FOR_EVER_S
    from_ms, before_ms = days.from_s * 1000, days.before_s * 1000
    return audit_sql.found_blocks(connection, max(from_ms, -limit_ms), min(before_ms, limit_ms))


_NUMBER_KINDS: dict[str, Kind] = {
    name: "text" if name.endswith(("work", "work_sq", "hash")) else "integer" for name in NUMBERS
}

EXPORTS: dict[str, Export] = {
    "intervals": Export(
        _columns(begin_s="integer", site="text", account="text", worker="text", **_NUMBER_KINDS),
        _intervals,
    ),
    "accounts": Export(
        _columns(
            begin_s="integer",
            site="text",
            account="text",
            nbits="text",
            accepted_work="text",
            value_work="text",
        ),
        _accounts,
    ),
    "days": Export(
        _columns(
            day="integer",
            date="text",
            row_count="integer",
            root="text",
            head="text",
            public_key="text",
            signature="text",
            signed_at_ms="integer",
        ),
        _days,
    ),
    "blocks": Export(
        _columns(
            hash="text",
            height="integer",
            state="text",
            reason="text",
            worker="text",
            found_at_ms="integer",
            updated_at_ms="integer",
            nbits="text",
            value_sat="integer",
            fee_sat="integer",
        ),
        _blocks,
    ),
    "payouts": Export(
        _columns(
            hash="text",
            height="integer",
            state="text",
            found_at_ms="integer",
            kind="text",
            position="integer",
            label="text",
            script="text",
            value_sat="integer",
            due_sat="integer",
            unpaid_sat="integer",
        ),
        _payouts,
    ),
}
