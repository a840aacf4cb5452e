"""Whether the rows are those that were signed, and the heads a chain; and where they are not.

(Not to be taken for ``chain``, the files of a journal.)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from poolserver.ledger import audit_sql
from poolserver.ledger.audit import (
    FIRST_PREVIOUS,
    LedgerRow,
    SignedDay,
    day_text,
    head_of,
    is_signed,
)
from poolserver.ledger.database import Connection
from poolserver.ledger.findings import Findings, worker_text
from poolserver.ledger.interval_reader import IntervalReader, UnnamedRows
from poolserver.ledger.merkle import HASH_SIZE, MerkleRoot, leaf_hash, merkle_root
from poolserver.ledger.totals import DAY_S

RowHook = Callable[[LedgerRow], None]


def check_heads(
    days: Sequence[SignedDay],
    kept: Mapping[int, bytes],
    public_key: bytes | None,
    findings: Findings,
) -> None:
    """The chain by itself: each head over the one before it, its signature, and kept heads."""
    previous = FIRST_PREVIOUS
    for day in days:
        if head_of(previous, day.day, day.row_count, day.root) != day.head:
            findings.differ(
                "head",
                "its head does not stand over its root and the head before it",
                day=day.day,
            )
        if not is_signed(day.head, day.signature, day.public_key):
            findings.differ("signature", "the signature is not good", day=day.day)
        if public_key is not None and day.public_key != public_key:
            findings.differ("key", f"it is signed by key {day.public_key.hex()}", day=day.day)
        previous = day.head
    heads = {day.day: day.head for day in days}
    for number, head in sorted(kept.items()):
        mine = heads.get(number)
        if mine != head:
            now = "it is not signed" if mine is None else f"its head is {mine.hex()} now"
            findings.differ("kept_head", f"{now}, and was {head.hex()}", day=number)


class _Place(NamedTuple):
    """Where found rows and kept leaves differ: so many rows in place of so many others."""

    begin_s: int
    before: LedgerRow | None
    rows: list[LedgerRow]
    signed: int
    after: LedgerRow | None


class RowCheck:
    """Compares the rows of days with what was signed; ``on_row`` is given each of them."""

    def __init__(
        self,
        connection: Connection,
        reader: IntervalReader,
        findings: Findings,
        on_row: RowHook,
    ) -> None:
        self._connection = connection
        self._reader = reader
        self._findings = findings
        self._on_row = on_row
        self.rows = 0
        """How many there were."""

    def check_day(self, day: int, signed: SignedDay | None) -> None:
        """Read a day's rows; without a signature there is nothing to compare them with."""
        tree, places = MerkleRoot(), list[_Place]()
        kept_intervals = audit_sql.leaf_intervals(self._connection, day) if signed else []
        intervals = {*self._reader.intervals(day * DAY_S, (day + 1) * DAY_S), *kept_intervals}
        for begin_s in sorted(intervals):
            kept = audit_sql.leaves(self._connection, day, begin_s) if signed else b""
            leaves = self._leaves(begin_s, tree)
            if signed and leaves != kept:
                places.extend(self._locate(begin_s, kept))
        self.rows += tree.size
        if signed is None:
            return
        if (tree.root(), tree.size) == (signed.root, signed.row_count):
            if places:
                self._findings.differ(
                    "leaves", "the rows are those that were signed, the kept leaves not", day=day
                )
            return
        self._findings.differ(
            "root",
            f"the root over its {tree.size} rows is {tree.root().hex()};"
            f" signed is {signed.root.hex()}, over {signed.row_count}",
            day=day,
        )
        if merkle_root(list(self._kept_leaves(day))) != signed.root:
            self._findings.differ(
                "leaves",
                "the leaves were changed as well: only the journal can tell which rows",
                day=day,
            )
            return
        for place in places:
            self._tell(place)

    def _leaves(self, begin_s: int, tree: MerkleRoot) -> bytes:
        leaves = bytearray()
        for row in self._rows(begin_s):
            leaf = leaf_hash(row.canonical)
            tree.add(leaf)
            leaves += leaf
            self._on_row(row)
        return bytes(leaves)

    def _rows(self, begin_s: int) -> Iterator[LedgerRow]:
        try:
            yield from self._reader.rows(begin_s)
        except UnnamedRows as error:
            self._findings.differ("unnamed", str(error), begin_s=begin_s)

    def _kept_leaves(self, day: int) -> Iterator[bytes]:
        for begin_s in audit_sql.leaf_intervals(self._connection, day):
            yield from _split(audit_sql.leaves(self._connection, day, begin_s))

    def _locate(self, begin_s: int, kept: bytes) -> Iterator[_Place]:
        """The stretches between rows that are as they were signed."""
        signed = _split(kept)
        at = {leaf: number for number, leaf in enumerate(signed)}
        before, others, done = None, list[LedgerRow](), 0
        for row in self._reader.rows_with_names(begin_s):
            number = at.get(leaf_hash(row.canonical))
            if number is None or number < done:
                others.append(row)
                continue
            if others or number > done:
                yield _Place(begin_s, before, others, number - done, row)
            before, others, done = row, [], number + 1
        if others or len(signed) > done:
            yield _Place(begin_s, before, others, len(signed) - done, None)

    def _tell(self, place: _Place) -> None:
        changed = min(len(place.rows), place.signed)
        for row in place.rows:
            kind, text = "row_changed", "this row is not as it was signed"
            if len(place.rows) > place.signed:
                kind, text = "row_added", "this row was not there when the day was signed"
                if place.signed:
                    text = f"{place.signed} of the rows here were changed, the others added"
            self._findings.differ(kind, text, begin_s=place.begin_s, key=row.key)
        missing = place.signed - changed
        if missing:
            self._tell_missing(place, missing)

    def _tell_missing(self, place: _Place, missing: int) -> None:
        beside = [
            f"{word} {worker_text(row.key)}"
            for word, row in (("after", place.before), ("before", place.after))
            if row is not None
        ]
        where = " and ".join(beside) or "in the whole interval"
        # Rows are in the order of their names: whoever has no row here and fits between may it be.
        there = {row.names for row in place.rows}
        may_be = [
            row
            for row in self._reader.between(place.begin_s, place.before, place.after)
            if row.names not in there
        ]
        if len(may_be) == missing:
            for row in may_be:
                text = "this row was signed and is missing"
                self._findings.differ("row_missing", text, begin_s=place.begin_s, key=row.key)
        else:
            text = f"{missing} signed row(s) are missing {where}"
            self._findings.differ("row_missing", text, begin_s=place.begin_s)


def check_unsigned(
    days_with_rows: Sequence[int],
    signed: Sequence[SignedDay],
    sealed_through: int,
    findings: Findings,
) -> None:
    """Days that are closed and have rows must be signed, the last ones soon."""
    have = {day.day for day in signed}
    last = max(have, default=-1)
    waiting = []
    for day in days_with_rows:
        if day in have or day > sealed_through:
            continue
        if day < last:
            findings.differ("unsigned", "it has rows and was not signed, later days were", day=day)
        else:
            waiting.append(day_text(day))
    if waiting:
        findings.note(f"closed and not signed yet: {', '.join(waiting)}")


def _split(leaves: bytes) -> list[bytes]:
    return [leaves[at : at + HASH_SIZE] for at in range(0, len(leaves), HASH_SIZE)]
