"""What a day's signed head is made of: bytes that anybody can make again. Pure.

See docs/ledger.md, which says the same for those who check. Nothing here may change without a
new number in the tags: heads that operators and miners have kept must stay checkable for ever.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from poolserver.ledger.merkle import HASH_SIZE
from poolserver.ledger.netstrings import netstring, netstrings
from poolserver.ledger.totals import DAY_S, ShareTotals, WorkerKey

ROW_TAG = "poolserver interval 1"
HEAD_TAG = b"poolserver ledger day 1\n"
FIRST_PREVIOUS = bytes(HASH_SIZE)
"""What the first day's head has in place of the head before it."""

NUMBERS = (
    "accepted_work",
    "proven_work",
    "proven_work_sq",
    "accepted",
    "stale",
    "job_not_found",
    "duplicate",
    "low_difficulty",
    "unauthorized",
    "not_subscribed",
    "ntime_out_of_range",
    "version_outside_mask",
    "malformed",
    "best_hash",
    "first_ms",
    "last_ms",
)
"""The columns of a row after ``begin_s``, in the order in which they are hashed."""

_EPOCH = date(1970, 1, 1)
_HEX_OR_NONE = NUMBERS.index("best_hash")
_NUMBERS_FORMAT = " ".join(["%s"] * (1 + len(NUMBERS)))


class SignedDay(NamedTuple):
    """A day whose rows are signed; the hashes are bytes, the day is days since 1970, UTC."""

    day: int
    row_count: int
    root: bytes
    """The Merkle root over the leaves of the day's rows."""
    head: bytes
    """Over this day and the head of the one before it."""
    public_key: bytes
    signature: bytes
    """Ed25519, over the head."""
    signed_at_ms: int

    @property
    def end_s(self) -> int:
        """When the day ended, in Unix seconds."""
        return (self.day + 1) * DAY_S


class LedgerRow(NamedTuple):
    """A row of ``worker_interval`` as it is hashed."""

    begin_s: int
    names: bytes
    """names_bytes() of its worker."""
    numbers: bytes
    """numbers_bytes() of the rest."""

    @property
    def canonical(self) -> bytes:
        """The bytes that the row's leaf is the hash of."""
        return self.names + self.numbers

    @property
    def key(self) -> WorkerKey:
        """Whose it is."""
        _, *names = netstrings(self.names)
        return WorkerKey(*names)

    @property
    def texts(self) -> list[str]:
        """Its columns of NUMBERS as they are hashed."""
        (numbers,) = netstrings(self.numbers)
        return numbers.split(" ")[1:]

    @property
    def totals(self) -> ShareTotals:
        """What it says.

        Raises:
            ValueError: there is no number where one should be.
        """
        return totals_of(self.texts)


def day_text(day: int) -> str:
    """A day as people write it, e.g. ``2026-12-01``; a number where no calendar has it."""
    try:
        return (_EPOCH + timedelta(days=day)).isoformat()
    except OverflowError:
        return str(day)


def day_of(text: str) -> int:
    """The inverse of day_text().

    Raises:
        ValueError: it is no day.
    """
    return (date.fromisoformat(text) - _EPOCH).days if "-" in text else int(text)


def names_bytes(key: WorkerKey) -> bytes:
    """How a row begins: netstrings of the tag, the site, the account and the worker."""
    return b"".join(netstring(text.encode()) for text in (ROW_TAG, *key))


def numbers_bytes(begin_s: int, columns: Sequence[Any]) -> bytes:
    """How a row ends: a netstring of ``begin_s`` and the columns of NUMBERS, spaces between.

    A number is in decimal; ``best_hash`` is 64 hex digits; what there is none of is ``-``.
    """
    best_hash, first_ms, last_ms = columns[_HEX_OR_NONE:]
    numbers = _NUMBERS_FORMAT % (
        begin_s,
        *columns[:_HEX_OR_NONE],
        "-" if best_hash is None else best_hash.hex(),
        "-" if first_ms is None else first_ms,
        "-" if last_ms is None else last_ms,
    )
    return netstring(numbers.encode())


def totals_of(numbers: Sequence[str]) -> ShareTotals:
    """The sums that the texts of NUMBERS stand for.

    Raises:
        ValueError: there is no number where one should be.
    """
    accepted_work, proven_work, proven_work_sq, *shares, best_hash, first_ms, last_ms = numbers
    return ShareTotals(
        accepted_work=int(accepted_work),
        proven_work=int(proven_work),
        proven_work_sq=int(proven_work_sq),
        shares=[int(count) for count in shares],
        best_hash=None if best_hash == "-" else int(best_hash, 16),
        first_ms=None if first_ms == "-" else int(first_ms),
        last_ms=None if last_ms == "-" else int(last_ms),
    )


def parse_row(canonical: bytes) -> tuple[WorkerKey, dict[str, str]]:
    """The names and, by column, the numbers of canonical bytes; names_bytes() and numbers_bytes().

    Raises:
        ValueError: these are not a row's bytes.
    """
    try:
        tag, site, account, worker, numbers = netstrings(canonical)
        columns = dict(zip(("begin_s", *NUMBERS), numbers.split(" "), strict=True))
    except ValueError as error:
        raise ValueError(f"no row of a ledger: {error}") from error
    if tag != ROW_TAG:
        raise ValueError(f"no row of a ledger: it begins with {tag!r}")
    return WorkerKey(site, account, worker), columns


def head_of(previous: bytes, day: int, row_count: int, root: bytes) -> bytes:
    """The head of a day: SHA-256 over the tag, the head before it, the day, how many rows, root.

    Both numbers are 8 bytes, the highest first.
    """
    numbers = day.to_bytes(8, "big", signed=True) + row_count.to_bytes(8, "big", signed=True)
    return sha256(HEAD_TAG + previous + numbers + root).digest()


def is_signed(head: bytes, signature: bytes, public_key: bytes) -> bool:
    """Whether the signature is the key's, over the head."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, head)
    except (InvalidSignature, ValueError):
        return False
    return True
