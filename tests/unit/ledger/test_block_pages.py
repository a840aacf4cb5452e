"""Pages of blocks are alike in each kind of database."""

from contextlib import closing

from poolserver.ledger import block_sql
from poolserver.ledger.blocks import BlockChange, BlockState
from poolserver.ledger.database import Database


def test_blocks_below_a_block_are_the_highest_first(database: Database) -> None:
    names = [f"{number:064x}" for number in range(6)]
    with closing(database.connect()) as connection, connection.transaction():
        for number, name in enumerate(names):
            change = BlockChange(name, 100 + number // 2, "a.r", BlockState.FOUND, "", 1000)
            block_sql.take_steps(connection, [change])
        first = block_sql.blocks_below(connection, 2, None)
        assert [row.hash_hex for row in first] == [names[5], names[4]]
        rest = block_sql.blocks_below(connection, 10, (102, names[4]))
        assert [row.hash_hex for row in rest] == names[3::-1]
        assert block_sql.blocks_below(connection, 10, (100, names[0])) == []
