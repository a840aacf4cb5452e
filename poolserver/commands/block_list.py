"""``poolserver blocks``: the pool's blocks, what became of each, what it paid and how hard it was.

It reads the books as they are saved, beside a pool that may be running.
"""

from contextlib import closing
from fractions import Fraction

import msgspec

from poolserver.config import Config
from poolserver.ledger import block_sql, reward_sql
from poolserver.ledger.blocks import EARNING, BlockBook
from poolserver.ledger.database import Connection, Database
from poolserver.ledger.luck import Luck
from poolserver.ledger.totals import UNASSIGNED_SITE
from poolserver.lookout.blocks import block_line, luck_of
from poolserver.lookout.view import BlockLine


class SiteLine(msgspec.Struct, frozen=True):
    """What the work of a site, or of all, was to find on average, and to earn before any fee."""

    site: str
    expected_blocks: float
    expected_sat: float


class BlockList(msgspec.Struct, frozen=True):
    """``luck`` is that of all work so far; None before there is any."""

    network: str
    blocks: list[BlockLine]
    sites: list[SiteLine]
    paying: int
    earned_sat: int
    expected_blocks: float
    expected_sat: float
    luck: float | None
    effort: float
    """Of the round that is under way."""
    owed_sat: dict[str, int]


class BlocksError(RuntimeError):
    """The books cannot be read; the text says why."""


def read_blocks(config: Config, database: Database, limit: int | None) -> BlockList:
    """The newest blocks, and what all of them come to.

    Raises:
        BlocksError: the database cannot be read.
    """
    try:
        with closing(database.reader()) as connection:
            return blocks_of(config.network, connection, limit)
    except database.errors as error:
        raise BlocksError(str(database.error(error))) from error


def blocks_of(network: str, connection: Connection, limit: int | None) -> BlockList:
    """What the books have of blocks."""
    luck, book = Luck(), BlockBook()
    luck.earned = reward_sql.earned(connection)
    luck.rounds, luck.open = reward_sql.rounds(connection)
    for block in block_sql.known_blocks(connection):
        book.enter(block)
    efforts, under_way = luck.efforts(book)
    expected = sum((luck.expected_blocks(site) for site in luck.sites), Fraction(0))
    paying = sum(book.now[state] for state in EARNING)
    return BlockList(
        network=network,
        blocks=[
            block_line(connection, row, efforts.get(row.hash_hex))
            for row in block_sql.blocks(connection, limit)
        ],
        sites=[
            SiteLine(
                site or UNASSIGNED_SITE,
                float(luck.expected_blocks(site)),
                float(luck.expected_sat(site)),
            )
            for site in luck.sites
        ],
        paying=paying,
        earned_sat=sum(book.value_sat[state] for state in EARNING),
        expected_blocks=float(expected),
        expected_sat=float(sum((luck.expected_sat(site) for site in luck.sites), Fraction(0))),
        luck=luck_of(luck, book),
        effort=float(under_way),
        owed_sat=block_sql.owed(connection),
    )
