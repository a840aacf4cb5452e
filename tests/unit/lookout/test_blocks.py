"""Pages of blocks, from books as they are saved."""

from contextlib import closing
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from poolserver.ledger import block_sql
from poolserver.ledger.blocks import BlockBook, BlockChange, BlockState
from poolserver.ledger.delta import Rounds
from poolserver.ledger.luck import Luck
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.lookout.blocks import BlockSpot, Efforts, block_page
from poolserver.lookout.view import BlockLine

NBITS = 0x207FFFFF  # two hashes a block


def name(number: int) -> str:
    return f"{number:064x}"


def test_pages_are_the_highest_first_and_none_twice_while_blocks_are_found(tmp_path: Path) -> None:
    def found(height: int, number: int) -> None:
        change = BlockChange(name(number), height, "a.r", BlockState.FOUND, "", 1000 + number)
        block_sql.take_steps(connection, [change])

    seen: list[BlockLine] = []
    with closing(SqliteDatabase(tmp_path / "l.sqlite").connect()) as connection:
        for number in range(10):
            found(100 + number // 2, number)  # two of each height
        spot = None
        while page := block_page(connection, {}, 3, spot):
            seen += page
            spot = BlockSpot(page[-1].height, page[-1].hash)
            found(200 + len(seen), 100 + len(seen))
    assert [line.hash for line in seen] == [name(number) for number in reversed(range(10))]
    assert all(line.state == "found" and line.effort is None for line in seen)


def test_a_line_has_its_effort_and_luck(tmp_path: Path) -> None:
    with closing(SqliteDatabase(tmp_path / "l.sqlite").connect()) as connection:
        change = BlockChange(name(1), 100, "a.r", BlockState.FOUND, "", 1000)
        block_sql.take_steps(connection, [change])
        (line,) = block_page(connection, {name(1): Fraction(5, 2)}, 3, None)
    assert (line.effort, line.luck, line.worker, line.found_unix_ms) == (2.5, 0.4, "a.r", 1000)


def test_efforts_are_added_up_anew_only_when_a_block_changes() -> None:
    luck, book = Luck(), BlockBook()
    books: Any = SimpleNamespace(blocks=book, rewards=SimpleNamespace(luck=luck))
    efforts = Efforts(books)
    assert (efforts.under_way(), dict(efforts.of_blocks())) == (0.0, {})
    luck.end_rounds(Rounds(open={NBITS: 4}))
    assert efforts.under_way() == 2.0
    luck.end_rounds(Rounds(closed=[(name(1), {NBITS: 2})], open={NBITS: 1}))
    block = book.find(name(1), 100)
    assert efforts.under_way() == 3.5  # until it pays its work is the round's
    known = efforts.of_blocks()
    assert efforts.of_blocks() is known
    book.change(block, BlockState.ACCEPTED)
    assert dict(efforts.of_blocks()) == {name(1): 3}
    assert efforts.under_way() == 0.5
