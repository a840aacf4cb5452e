"""What is owed, from the dues of blocks and what has become of these."""

import pytest

from poolserver.ledger.blocks import BlockBook, BlockState, KnownBlock
from poolserver.ledger.debts import Debts
from poolserver.ledger.payout_records import DuesRecord, PayoutHead
from poolserver.mining.payout import Due

FOUND, ACCEPTED, STALE, REJECTED, ORPHANED, MATURE = BlockState
HASH = "ab" * 32


class Books:
    """A book of blocks and the debts, brought up to date as the keeper does it."""

    def __init__(self) -> None:
        self.book = BlockBook()
        self.debts = Debts()

    def pays(self, dues: dict[str, int], hash_hex: str = HASH, position: int = 0) -> KnownBlock:
        """A block's dues, each with what is unpaid of it."""
        block = self.book.find(hash_hex, 1)
        due = tuple(
            Due(label, max(0, unpaid_sat), unpaid_sat) for label, unpaid_sat in dues.items()
        )
        head = PayoutHead(bytes(32), 100, 0, 1, position + len(due))
        self.debts.take(block, DuesRecord(head, position, due))
        self.book.owe(block, position, [each.unpaid_sat for each in due])
        return block

    def owed(self) -> dict[str, int]:
        return self.debts.owed_sat(self.book)


def test_what_a_block_leaves_unpaid_is_owed_once_it_is_in_the_chain() -> None:
    books = Books()
    block = books.pays({"a": 7, "b": 0})
    assert books.owed() == {}
    books.book.change(block, ACCEPTED)
    assert books.owed() == {"a": 7}


def test_what_a_found_block_repays_is_not_owed_at_once() -> None:
    books = Books()
    books.book.change(books.pays({"a": 7, "b": 5}), ACCEPTED)
    later = books.pays({"a": -7, "b": 3}, "cd" * 32)
    assert books.owed() == {"b": 5}
    books.book.change(later, ACCEPTED)
    assert books.owed() == {"b": 8}


@pytest.mark.parametrize("state", [STALE, REJECTED])
def test_what_a_lost_block_repaid_is_owed_again(state: BlockState) -> None:
    books = Books()
    books.book.change(books.pays({"a": 7}), ACCEPTED)
    books.book.change(books.pays({"a": -7, "b": 3}, "cd" * 32), state)
    assert books.owed() == {"a": 7}


def test_a_reorganisation_takes_a_debt_away_and_gives_it_back() -> None:
    books = Books()
    block = books.pays({"a": 7})
    for state, owed in ((ACCEPTED, {"a": 7}), (ORPHANED, {}), (ACCEPTED, {"a": 7})):
        books.book.change(block, state)
        assert books.owed() == owed


def test_what_is_final_stays_and_is_counted_once() -> None:
    books = Books()
    block = books.pays({"a": 7})
    for state in (ACCEPTED, MATURE):
        books.book.change(block, state)
    assert books.owed() == books.owed() == {"a": 7}
    books.pays({"a": 7})  # told of again by another source
    assert books.owed() == {"a": 7}


def test_a_lost_block_that_is_final_is_forgotten() -> None:
    books = Books()
    block = books.pays({"a": 7})
    books.book.change(block, STALE)
    books.book.end(block)
    assert books.owed() == books.owed() == {}


def test_dues_come_in_several_records_and_each_counts_once() -> None:
    books = Books()
    block = books.pays({"a": 1, "b": 2})
    books.pays({"a": 3}, position=2)
    books.pays({"a": 1, "b": 2})
    books.book.change(block, ACCEPTED)
    assert books.owed() == {"a": 4, "b": 2}


def test_one_who_was_paid_twice_owes() -> None:
    books = Books()
    books.book.change(books.pays({"a": 7}), ACCEPTED)
    for hash_hex in ("cd" * 32, "ef" * 32):
        books.book.change(books.pays({"a": -7}, hash_hex), ACCEPTED)
    assert books.owed() == {"a": -7}


def test_it_begins_with_what_the_books_have() -> None:
    books = Books()
    books.book.find(HASH, 1)
    books.debts.load({"a": 5, "b": 2}, {HASH: {"a": -5, "c": 9}})
    assert books.owed() == {"b": 2}
