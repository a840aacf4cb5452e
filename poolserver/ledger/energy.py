"""The energy ledger: what a closed interval's row says, and the chain of rows. Pure.

A row is of one node of the power tree and one interval, and never changes. Its hash stands over
all that it says and over the row before it; see docs/energy.md, which says the same for those
who check. Nothing here may change without a new number in the tags.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from hashlib import sha256
from typing import NamedTuple

from poolserver.ledger.merkle import HASH_SIZE
from poolserver.ledger.netstrings import netstring

ROW_TAG = b"poolserver energy 1"
HEAD_TAG = b"poolserver energy row 1\n"
FIRST_PREVIOUS = bytes(HASH_SIZE)
"""What the first row's head has in place of the head before it."""


class EnergyRow(NamedTuple):
    """One node's interval. Energy in joules, rounded down, but for ``estimated_pj``."""

    begin_s: int
    end_s: int
    node: str
    method: str
    """How ``mining_j`` is known: one of ``ledger.energy_close.Method``."""
    meter: str | None
    metered_j: int | None
    """What its meter measured in the interval. None where it has none, or that told nothing."""
    covered_ms: int
    """How much of the interval the meter's readings cover."""
    spread_ms: int
    """Of that, what was in a gap, over which the counter tells the sum and not the shape."""
    late_j: int
    """What its meter measured of intervals that were closed before it could tell."""
    proven_work: int
    """Hashes, as they were proven; ``work_scale`` is not in it."""
    accepted_work: int
    pue: Fraction
    """What work times rating is multiplied by here: 1 but for sites."""
    work_scale: int
    estimated_pj: Fraction
    """Work times rating, in picojoules: exact."""
    sigma_j: int
    """One standard error of that."""
    ai_j: int
    ai_known_ms: int
    """How much of the interval all of the AI load was told, and not assumed."""
    auxiliary_j: int
    mining_j: int
    residual_j: int | None
    """Metered less AI, auxiliary and estimated. None where it is not known."""
    allocated_j: int | None
    """What it might have drawn: the effective limit over the time that there was one."""
    excess_j: int
    """By how much more than that was drawn, while it was more: what was asked to be curtailed."""
    curtailed_j: int
    """What was switched off to keep a limit; in OBSERVE what would have been."""
    expected_msat: int | None
    """What the accepted work was worth, in thousandths of a satoshi. Sites and programme only."""
    observed_ms: int
    """How much of the interval the pool was there and looked."""

    @property
    def estimated_j(self) -> int:
        """Rounded down. Sums are to be made of ``estimated_pj``."""
        return int(self.estimated_pj // 10**12)

    @property
    def canonical(self) -> bytes:
        """What its hash stands over: netstrings of the tag and of each field as text."""
        return netstring(ROW_TAG) + b"".join(netstring(text.encode()) for text in self.texts)

    @property
    def texts(self) -> list[str]:
        """Each field as text: numbers in decimal, fractions as ``17/2``, ``-`` for None."""
        return ["-" if field is None else str(field) for field in self]


class ChainedRow(NamedTuple):
    """A row with its place in the chain."""

    number: int
    """1 is the first."""
    row: EnergyRow
    head: bytes
    """SHA-256, over this row and the head before it."""


def head_of(previous: bytes, row: EnergyRow) -> bytes:
    """The head of a row: SHA-256 over the tag, the head before it and the row's bytes."""
    return sha256(HEAD_TAG + previous + row.canonical).digest()


def chained(
    rows: Iterable[EnergyRow], number: int = 0, previous: bytes = FIRST_PREVIOUS
) -> Iterator[ChainedRow]:
    """Rows with their places behind row ``number``, whose head is ``previous``."""
    for row in rows:
        number, previous = number + 1, head_of(previous, row)
        yield ChainedRow(number, row, previous)
