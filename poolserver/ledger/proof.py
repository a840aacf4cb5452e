"""Proofs that a row is one of those that were signed, for whoever has nothing but a head.

A proof holds the row, its path to the root of its day, what the day's head is made of, and the
days after it: so it can be checked by any head from that day on.
"""

from collections.abc import Iterator
from contextlib import closing

import msgspec

from poolserver.ledger import audit_sql
from poolserver.ledger.audit import (
    FIRST_PREVIOUS,
    SignedDay,
    day_text,
    head_of,
    is_signed,
    parse_row,
)
from poolserver.ledger.database import Connection, Database
from poolserver.ledger.findings import interval_text
from poolserver.ledger.interval_reader import IntervalReader, NoPace
from poolserver.ledger.merkle import HASH_SIZE, inclusion_path, leaf_hash, root_of_path
from poolserver.ledger.records import LedgerError
from poolserver.ledger.totals import DAY_S

FORMAT = "poolserver ledger proof 1"


class ProofError(LedgerError):
    """There is no such proof, or it proves nothing; the text says why."""


class LaterDay(msgspec.Struct, frozen=True):
    """What the head of a day after the proof's is made of."""

    day: int
    row_count: int
    root: str


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """A row up to the signed head of its day. Bytes are in hex."""

    format: str = FORMAT
    date: str
    interval: str
    site: str
    account: str
    worker: str
    row: dict[str, str]
    """The numbers, by column."""
    canonical: str
    """The row's bytes, which are UTF-8."""
    index: int
    """The how-many-th row of its day it is, from 0."""
    path: list[str]
    day: int
    row_count: int
    root: str
    previous_head: str
    head: str
    public_key: str
    signature: str
    later: list[LaterDay]


def make_proof(
    database: Database,
    begin_s: int,
    worker: str,
    *,
    site: str | None = None,
    account: str | None = None,
) -> Proof:
    """The proof for a worker's row of an interval. Blocking.

    ``site`` and ``account`` need to be told only where there are several such rows.

    Raises:
        ProofError: its day is not signed, there is no such row or more than one, or the row is
            not what was signed.
        StoreError: the database cannot be read.
    """
    try:
        with closing(database.reader()) as connection, connection.transaction():
            return _proof(connection, begin_s, worker, site, account)
    except database.errors as error:
        raise database.error(error) from error


def _proof(
    connection: Connection, begin_s: int, worker: str, site: str | None, account: str | None
) -> Proof:
    day = begin_s // DAY_S
    days = audit_sql.signed_days(connection)
    at = next((number for number, each in enumerate(days) if each.day == day), None)
    if at is None:
        raise ProofError(f"{day_text(day)} is not signed")
    signed, previous = days[at], days[at - 1].head if at else FIRST_PREVIOUS
    reader = IntervalReader(connection, NoPace())
    found = [
        (place, row)
        for place, row in enumerate(reader.rows(begin_s))
        if row.key.worker == worker
        and site in (None, row.key.site)
        and account in (None, row.key.account)
    ]
    if not found:
        raise ProofError(f"{worker} has no row in the interval {interval_text(begin_s)}")
    if len(found) > 1:
        rows = ", ".join(f"{row.key.account} at {row.key.site}" for _, row in found)
        raise ProofError(f"{worker} has several rows, name an account or a site: {rows}")
    ((place, row),) = found
    leaves, before = _day_leaves(connection, day, begin_s)
    index = before + place
    path = inclusion_path(leaves, index) if index < len(leaves) else []
    if root_of_path(leaf_hash(row.canonical), index, signed.row_count, path) != signed.root:
        raise ProofError("the row is not as it was signed; `poolserver ledger verify` says more")
    return Proof(
        date=day_text(day),
        interval=interval_text(begin_s),
        **row.key._asdict(),
        row=parse_row(row.canonical)[1],
        canonical=row.canonical.decode(),
        index=index,
        path=[each.hex() for each in path],
        day=day,
        row_count=signed.row_count,
        root=signed.root.hex(),
        previous_head=previous.hex(),
        head=signed.head.hex(),
        public_key=signed.public_key.hex(),
        signature=signed.signature.hex(),
        later=[_later(each) for each in days[at + 1 :]],
    )


def _later(day: SignedDay) -> LaterDay:
    return LaterDay(day.day, day.row_count, day.root.hex())


def _day_leaves(connection: Connection, day: int, begin_s: int) -> tuple[list[bytes], int]:
    """The leaves of a day, and how many there are before an interval."""
    leaves: list[bytes] = []
    before = 0
    for each in audit_sql.leaf_intervals(connection, day):
        hashes = audit_sql.leaves(connection, day, each)
        if each < begin_s:
            before += len(hashes) // HASH_SIZE
        leaves.extend(hashes[at : at + HASH_SIZE] for at in range(0, len(hashes), HASH_SIZE))
    return leaves, before


def check_proof(proof: Proof, head: bytes | None = None, public_key: bytes | None = None) -> str:
    """What the proof proves, in a line; it needs no ledger.

    ``head`` is one that was published and kept, of the proof's day or a later one, and
    ``public_key`` the one that it must be signed with.

    Raises:
        ProofError: it proves nothing, or not by this head.
    """
    if proof.format != FORMAT:
        raise ProofError(f"the format is {proof.format!r}, this program checks {FORMAT!r}")
    try:
        proved = _checked(proof, head)
    except (ValueError, OverflowError) as error:
        raise ProofError(f"it is damaged: {error}") from error
    if public_key is not None and public_key.hex() != proof.public_key:
        raise ProofError(f"it is signed by another key: {proof.public_key}")
    return proved


def _checked(proof: Proof, head: bytes | None) -> str:
    canonical = proof.canonical.encode()
    key, numbers = parse_row(canonical)
    if (key, numbers) != ((proof.site, proof.account, proof.worker), proof.row):
        raise ProofError("what it tells of the row is not what the row's bytes say")
    begin_s = int(numbers["begin_s"])
    if begin_s // DAY_S != proof.day:
        raise ProofError("the row is of another day")
    path = [bytes.fromhex(each) for each in proof.path]
    root = root_of_path(leaf_hash(canonical), proof.index, proof.row_count, path)
    if root is None or root.hex() != proof.root:
        raise ProofError("the path does not lead from the row to the day's root")
    heads = list(_heads(proof))
    if heads[0].hex() != proof.head:
        raise ProofError("the head does not stand over the root")
    if not is_signed(heads[0], bytes.fromhex(proof.signature), bytes.fromhex(proof.public_key)):
        raise ProofError("the signature is not good")
    if head is not None and head not in heads:
        raise ProofError(f"it does not lead to the head {head.hex()}")
    row = f"{key.worker} in {interval_text(begin_s)}: accepted_work {numbers['accepted_work']}"
    by = f"by the head {head.hex()}" if head else f"by a head that {proof.public_key} signed"
    return f"proved {by}: {row}"


def _heads(proof: Proof) -> Iterator[bytes]:
    """The head of the proof's day, and those of the days after it."""
    head = bytes.fromhex(proof.previous_head)
    days = [LaterDay(proof.day, proof.row_count, proof.root), *proof.later]
    for day in days:
        head = head_of(head, day.day, day.row_count, bytes.fromhex(day.root))
        yield head
