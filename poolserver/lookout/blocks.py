"""Found blocks as they are shown: read from the books as they are saved."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, NamedTuple, Protocol

from msgspec import Meta

from poolserver.ledger import block_sql
from poolserver.ledger.block_sql import BlockRow
from poolserver.ledger.blocks import EARNING, BlockBook
from poolserver.ledger.database import Connection
from poolserver.ledger.luck import Luck, expected_blocks
from poolserver.ledger.rewards import Rewards
from poolserver.lookout.view import BlockLine


class BlockSpot(NamedTuple):
    """The last block of a page. A block of a later one is lower, or as high with a lower hash."""

    height: Annotated[int, Meta(ge=0, lt=2**31)]
    hash: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Books(Protocol):
    """See ``ledger.keeper.LedgerKeeper``."""

    blocks: BlockBook
    rewards: Rewards


class Efforts:
    """What each round took, of books that go on: added up anew when a block changes."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._known: object = None
        self._efforts: Mapping[str, Fraction] = {}
        self._carried = Fraction(0)

    def of_blocks(self) -> Mapping[str, Fraction]:
        """The effort of each block that pays, by its hash; it changes no more."""
        luck, book = self._books.rewards.luck, self._books.blocks
        known = (len(luck.rounds), *book.now.items())
        if known != self._known:
            self._efforts, under_way = luck.efforts(book)
            self._carried = under_way - expected_blocks(luck.open.items())
            self._known = known
        return self._efforts

    def under_way(self) -> float:
        """Of the round since the last block that pays."""
        self.of_blocks()
        return float(self._carried + expected_blocks(self._books.rewards.luck.open.items()))

    def luck(self) -> float | None:
        """Blocks that pay over those that all work was to find; None before there is any."""
        luck, book = self._books.rewards.luck, self._books.blocks
        return luck_of(luck, book)


def luck_of(luck: Luck, book: BlockBook) -> float | None:
    """Blocks that pay over those that all work was to find; None before there is any."""
    expected = luck.expected_of_all()
    return float(sum(book.now[state] for state in EARNING) / expected) if expected else None


def block_page(
    connection: Connection,
    efforts: Mapping[str, Fraction],
    limit: int,
    spot: BlockSpot | None,
) -> list[BlockLine]:
    """Up to ``limit`` blocks after ``spot``, the highest first. Some 0.1 ms each."""
    rows = block_sql.blocks_below(connection, limit, spot)
    return [block_line(connection, row, efforts.get(row.hash_hex)) for row in rows]


def block_line(connection: Connection, row: BlockRow, effort: Fraction | None) -> BlockLine:
    """A block with what it pays."""
    paid = block_sql.payout(connection, row.hash_hex)
    dues = () if paid is None else paid.dues
    return BlockLine(
        height=row.height,
        hash=row.hash_hex,
        state=row.state,
        found_unix_ms=row.found_at_ms,
        worker=row.worker,
        value_sat=0 if paid is None else paid.value_sat,
        fee_sat=0 if paid is None else paid.fee_sat,
        payees_paid=sum(due.due_sat > due.unpaid_sat for due in dues),
        unpaid_sat=sum(due.unpaid_sat for due in dues),
        effort=None if effort is None else float(effort),
        luck=float(1 / effort) if effort else None,
    )
