"""What may become of a block, and that whatever does is counted right."""

from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.ledger.blocks import TRANSITIONS, BlockBook, BlockState, KnownBlock

FOUND, ACCEPTED, STALE, REJECTED, ORPHANED, MATURE = BlockState

LEGAL = {
    (FOUND, ACCEPTED),
    (FOUND, STALE),
    (FOUND, REJECTED),
    (ACCEPTED, MATURE),
    (ACCEPTED, ORPHANED),
    (ORPHANED, ACCEPTED),
    (STALE, ACCEPTED),
}


@pytest.mark.parametrize(("before", "after"), list(product(BlockState, BlockState)))
def test_a_block_takes_the_steps_of_the_table_and_no_other(
    before: BlockState, after: BlockState
) -> None:
    book = BlockBook()
    block = KnownBlock("ab" * 32, 101, before, frozenset({FOUND, before}))
    book.enter(block)
    legal = (before, after) in LEGAL
    assert book.change(block, after) is legal
    assert block.state is (after if legal else before)


def test_every_state_is_in_the_table() -> None:
    assert set(TRANSITIONS) == set(BlockState)
    assert {state for state in BlockState if not TRANSITIONS[state]} == {REJECTED, MATURE}


def test_a_block_that_comes_back_counts_once_in_each_state_that_it_reached() -> None:
    book = BlockBook()
    block = book.find("ab" * 32, 101)
    for state in (ACCEPTED, ORPHANED, ACCEPTED, ORPHANED, ACCEPTED, MATURE):
        assert book.change(block, state)
    assert book.reached == {FOUND: 1, ACCEPTED: 1, ORPHANED: 1, MATURE: 1}
    assert +book.now == {MATURE: 1}


def test_a_block_is_found_once() -> None:
    book = BlockBook()
    assert book.find("ab" * 32, 101) is book.find("ab" * 32, 101)
    assert book.reached == {FOUND: 1}


def test_amounts_go_with_their_block_from_state_to_state() -> None:
    book = BlockBook()
    block = book.find("ab" * 32, 101)
    book.pay(block, 100)
    book.pay(block, 100)  # each record of a payout says so
    book.owe(block, 0, [2, 3])
    book.owe(block, 2, [6])
    book.owe(block, 0, [2, 3])  # of a block that a start has told of again
    book.owe(block, 1, [3, 6])
    assert book.change(block, ACCEPTED)
    assert +book.value_sat == {ACCEPTED: 100}
    assert +book.unpaid_sat == {ACCEPTED: 11}


def test_blocks_are_given_to_look_at_in_turn_until_they_are_final() -> None:
    book = BlockBook()
    blocks = [book.find(f"{n:064x}", n) for n in range(3)]
    given = [book.next_to_look_at() for _ in range(4)]
    assert given == [*blocks, blocks[0]]
    book.end(blocks[1])
    assert book.change(blocks[2], REJECTED)
    assert book.unsettled == 1
    assert [book.next_to_look_at() for _ in range(2)] == [blocks[0]] * 2
    book.end(blocks[0])
    assert book.next_to_look_at() is None


steps = st.one_of(
    st.tuples(st.just("change"), st.integers(0, 4), st.sampled_from(BlockState)),
    st.tuples(st.just("pay"), st.integers(0, 4), st.integers(0, 5_000_000_000)),
    st.tuples(st.just("owe"), st.integers(0, 4), st.integers(0, 5_000_000_000)),
    st.tuples(st.just("end"), st.integers(0, 4), st.none()),
)


@given(st.lists(steps, max_size=40))
def test_whatever_happens_the_sums_are_those_of_the_blocks(
    happened: list[tuple[str, int, object]],
) -> None:
    book, reached = BlockBook(), set()
    before: Counter[BlockState] = Counter()
    for what, number, value in happened:
        block = book.find(f"{number:064x}", number)
        match what, value:
            case "change", BlockState():
                book.change(block, value)
            case "pay", int():
                book.pay(block, value)
            case "owe", int():
                book.owe(block, block.dues, [value])
            case _:
                book.end(block)
        reached |= {(block.hash_hex, FOUND), (block.hash_hex, block.state)}
        assert all(book.reached[state] >= before[state] for state in BlockState)
        before = Counter(book.reached)
    blocks = book.blocks.values()
    assert book.reached == Counter(state for _, state in reached)
    assert +book.now == Counter(block.state for block in blocks)
    for state in BlockState:
        mine = [block for block in blocks if block.state is state]
        assert book.value_sat[state] == sum(block.value_sat for block in mine)
        assert book.unpaid_sat[state] == sum(block.unpaid_sat for block in mine)
    assert book.unsettled == sum(not block.final for block in blocks)
    again = BlockBook()
    for block in blocks:
        again.enter(block)
    assert again.reached == book.reached
    assert +again.now == +book.now
    assert (+again.value_sat, +again.unpaid_sat) == (+book.value_sat, +book.unpaid_sat)
