"""What a node's chain says of our blocks, and how it is asked."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from poolserver.ledger.blocks import TRANSITIONS, BlockBook, BlockState, KnownBlock
from poolserver.node.follower import BlockFollower, is_final, next_state
from poolserver.node.rpc import NodeUnreachable, RpcError

FOUND, ACCEPTED, STALE, REJECTED, ORPHANED, MATURE = BlockState
HEIGHT = 1000


# --- what follows ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "confirmations", "tip_height", "expected"),
    [
        # the chain has it
        (FOUND, 1, 1000, ACCEPTED),
        (STALE, 1, 1000, ACCEPTED),
        (ORPHANED, 5, 1004, ACCEPTED),
        (ACCEPTED, 1, 1000, None),
        (ACCEPTED, 99, 1098, None),
        (ACCEPTED, 100, 1099, MATURE),
        (ACCEPTED, 2000, 2999, MATURE),
        (REJECTED, 1, 1000, None),
        (MATURE, 101, 1100, None),
        # the node has it, and not in the chain
        (FOUND, -1, 999, None),  # it may just be taking it in
        (FOUND, -1, 1000, None),  # the node may yet prefer it
        (FOUND, -1, 1001, STALE),
        (ACCEPTED, -1, 1001, ORPHANED),
        (ACCEPTED, -1, 998, ORPHANED),  # a chain with more work may be a shorter one
        (STALE, -1, 1001, None),
        (ORPHANED, -1, 1001, None),
        (MATURE, -1, 1200, None),
        # the node does not know it
        (FOUND, None, 999, None),
        (FOUND, None, 1099, None),  # it may be on its way
        (FOUND, None, 1100, STALE),
        (ACCEPTED, None, 999, None),  # the node is behind
        (ACCEPTED, None, 1000, None),  # another node has another block: a race
        (ACCEPTED, None, 1001, ORPHANED),
        (STALE, None, 1200, None),
        (REJECTED, None, 1200, None),
    ],
)
def test_what_follows_by_the_chain(
    state: BlockState, confirmations: int | None, tip_height: int, expected: BlockState | None
) -> None:
    assert next_state(state, HEIGHT, confirmations, tip_height) is expected


@pytest.mark.parametrize(
    ("state", "confirmations", "tip_height", "expected"),
    [
        (REJECTED, None, 0, True),
        (MATURE, 100, 1099, True),
        (STALE, -1, 1099, False),
        (STALE, -1, 1100, True),
        (STALE, None, 1100, True),
        (ORPHANED, -1, 1099, False),
        (ORPHANED, -1, 1100, True),
        (FOUND, None, 1200, False),
        (ACCEPTED, 50, 1049, False),
    ],
)
def test_when_the_word_on_a_block_is_final(
    state: BlockState, confirmations: int | None, tip_height: int, expected: bool
) -> None:
    assert is_final(state, HEIGHT, confirmations, tip_height) is expected


answers = st.one_of(st.none(), st.just(-1), st.integers(1, 300))
heights = st.integers(0, 2**31)


@given(st.sampled_from(BlockState), heights, answers, heights)
def test_what_follows_is_a_step_of_the_table_and_it_ends(
    state: BlockState, height: int, confirmations: int | None, tip_height: int
) -> None:
    for _ in range(len(BlockState)):
        following = next_state(state, height, confirmations, tip_height)
        if following is None:
            break
        assert following in TRANSITIONS[state]
        state = following
    else:
        raise AssertionError("one answer leads round in a circle")
    if confirmations is not None and confirmations > 0:
        assert state in (ACCEPTED, MATURE, REJECTED)  # whatever the books said before


@given(st.sampled_from(BlockState), heights, st.integers(0, 500))
def test_every_block_is_final_at_last(state: BlockState, height: int, more: int) -> None:
    """So nobody asks a node about blocks of last year for ever."""
    for confirmations in (None, -1, 100 + more):
        now, tip_height = state, height + 100 + more
        while (following := next_state(now, height, confirmations, tip_height)) is not None:
            now = following
        assert is_final(now, height, confirmations, tip_height)


# --- how it is asked -------------------------------------------------------------------------


@dataclass
class FakeNode:
    """A node whose chain the test writes: the height at which each block is, or -1."""

    height: int = HEIGHT
    headers: int | None = None
    branch: str = "a"
    loading: bool = False
    away: bool = False
    confirmations: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    on_question: Callable[[str], None] = lambda hash_hex: None
    url: str = "http://node"

    async def call(
        self, method: str, *params: Any, type: Any = Any, timeout_s: float | None = None
    ) -> Any:
        if self.away:
            raise NodeUnreachable("it is away")
        if method == "getblockchaininfo":
            answer = {
                "blocks": self.height,
                "headers": self.height if self.headers is None else self.headers,
                "bestblockhash": f"{self.branch}{self.height}",
                "initialblockdownload": self.loading,
            }
            return msgspec.convert(answer, type)
        assert method == "getblockheader"
        (hash_hex,) = params
        self.asked.append(hash_hex)
        self.on_question(hash_hex)
        if hash_hex not in self.confirmations:
            raise RpcError(-5, "Block not found")
        return msgspec.convert({"confirmations": self.confirmations[hash_hex]}, type)

    async def close(self) -> None: ...


class Books:
    """A book and who brings it up to date, as the coordinator does."""

    def __init__(self, node: FakeNode, **terms: Any) -> None:
        self.book = BlockBook()
        self.told: list[tuple[str, str, str]] = []
        self.node = node
        self.follower = BlockFollower(
            lambda: self.node,
            self.book,
            on_state=self._on_state,
            on_final=self.book.end,
            clock=lambda: 0.0,
            **terms,
        )

    def _on_state(self, block: KnownBlock, state: BlockState, reason: str) -> None:
        self.told.append((block.hash_hex, state, reason))
        assert self.book.change(block, state)

    def block(self, name: str, *states: BlockState, height: int = HEIGHT) -> KnownBlock:
        block = self.book.find(name, height)
        for state in states:
            assert self.book.change(block, state)
        return block


@pytest.fixture
def node() -> FakeNode:
    return FakeNode()


@pytest.fixture
def books(node: FakeNode) -> Books:
    return Books(node)


async def test_an_accepted_block_is_followed_to_maturity(books: Books, node: FakeNode) -> None:
    block = books.block("x", ACCEPTED)
    for confirmations in (1, 99, 100):
        node.height, node.confirmations["x"] = HEIGHT + confirmations - 1, confirmations
        assert not await books.follower.look()
    assert books.told == [("x", "mature", "100 confirmations")]
    assert block.final
    node.height += 1
    await books.follower.look()
    assert len(node.asked) == 3  # nobody needs to ask any more


async def test_a_block_that_the_chain_leaves_is_orphaned_and_accepted_again(
    books: Books, node: FakeNode
) -> None:
    books.block("x", ACCEPTED)
    for branch, confirmations in [("a", 1), ("b", -1), ("a", 1)]:
        node.branch, node.confirmations["x"] = branch, confirmations
        await books.follower.look()
    assert books.told == [("x", "orphaned", "not in the chain"), ("x", "accepted", "in the chain")]


async def test_a_reorganisation_to_a_lower_height_orphans_too(books: Books, node: FakeNode) -> None:
    books.block("x", ACCEPTED)
    node.height, node.confirmations["x"] = HEIGHT - 3, -1
    await books.follower.look()
    assert books.told == [("x", "orphaned", "not in the chain")]


async def test_a_node_that_is_still_on_its_way_to_a_block_does_not_orphan_it(
    books: Books, node: FakeNode
) -> None:
    block = books.block("x", ACCEPTED)
    node.height, node.headers, node.confirmations["x"] = HEIGHT - 3, HEIGHT + 5, -1
    await books.follower.look()
    assert block.state is ACCEPTED
    node.height, node.confirmations["x"] = HEIGHT + 5, 6
    await books.follower.look()
    assert books.told == []


async def test_a_node_that_loads_the_chain_is_not_believed(books: Books, node: FakeNode) -> None:
    books.block("x", ACCEPTED)
    node.loading, node.height = True, HEIGHT + 10
    assert not await books.follower.look()
    assert (books.told, node.asked) == ([], [])


async def test_what_a_crash_kept_from_the_books_is_made_up_for(
    books: Books, node: FakeNode
) -> None:
    books.block("x")
    node.height, node.confirmations["x"] = HEIGHT + 150, 151
    await books.follower.look()
    assert [state for _, state, _ in books.told] == ["accepted", "mature"]


async def test_a_verdict_that_comes_while_the_node_is_asked_counts(
    books: Books, node: FakeNode
) -> None:
    block = books.block("x")
    node.confirmations["x"] = 1
    node.on_question = lambda _: books.book.change(block, ACCEPTED)  # type: ignore[assignment]
    await books.follower.look()
    assert books.told == []
    assert block.state is ACCEPTED


async def test_a_lost_block_is_looked_at_until_a_hundred_lie_on_its_height(
    books: Books, node: FakeNode
) -> None:
    lost = [books.block("x", STALE), books.block("y", ACCEPTED, ORPHANED)]
    node.confirmations["y"] = -1
    node.height = HEIGHT + 99
    await books.follower.look()
    assert not any(block.final for block in lost)
    node.height = HEIGHT + 100
    await books.follower.look()
    assert all(block.final for block in lost)
    assert books.told == []


async def test_a_block_is_asked_for_once_a_tip(books: Books, node: FakeNode) -> None:
    books.block("x", ACCEPTED)
    node.confirmations["x"] = 1
    for _ in range(3):
        await books.follower.look()
    assert node.asked == ["x"]
    node.branch = "b"
    await books.follower.look()
    assert node.asked == ["x", "x"]


async def test_thousands_of_blocks_are_asked_for_in_rounds_each_once_a_tip(
    node: FakeNode,
) -> None:
    books = Books(node, batch=100)
    for number in range(2050):
        books.block(f"{number}", STALE)
    rounds = 1
    while await books.follower.look():
        assert len(node.asked) == 100 * rounds
        rounds += 1
    assert rounds == 21
    assert node.asked == [f"{number}" for number in range(2050)]
    await books.follower.look()
    assert len(node.asked) == 2050


async def test_a_new_tip_in_between_begins_anew_with_those_not_looked_at_for_longest(
    node: FakeNode,
) -> None:
    books = Books(node, batch=2)
    for name in "abcd":
        books.block(name, STALE)
    assert await books.follower.look()
    node.height += 1
    assert await books.follower.look()
    assert not await books.follower.look()
    assert node.asked == ["a", "b", "c", "d", "a", "b"]


async def test_a_node_that_is_away_is_said_once_and_asked_again(
    books: Books, node: FakeNode
) -> None:
    books.block("x", ACCEPTED)
    node.away = True
    with capture_logs() as said:
        for _ in range(3):
            assert not await books.follower.look()
        node.away, node.confirmations["x"] = False, 100
        await books.follower.look()
    assert [event["event"] for event in said] == ["blocks_not_followed", "blocks_followed_again"]
    assert [state for _, state, _ in books.told] == ["mature"]


async def test_an_answer_that_fails_does_not_keep_the_others_from_their_turn(
    books: Books, node: FakeNode
) -> None:
    for name in "abc":
        books.block(name, ACCEPTED)
        node.confirmations[name] = 100

    def fail(hash_hex: str) -> None:
        if hash_hex == "a":
            raise NodeUnreachable("only here")

    node.on_question = fail
    for _ in range(2):
        await books.follower.look()
    assert [name for name, _, _ in books.told] == ["b", "c"]


async def test_each_round_asks_the_node_that_is_given_then(books: Books, node: FakeNode) -> None:
    books.block("x", ACCEPTED)
    node.confirmations["x"] = 1
    await books.follower.look()
    books.node = FakeNode(branch="b", confirmations={"x": -1}, height=HEIGHT + 1)
    await books.follower.look()
    assert [state for _, state, _ in books.told] == ["orphaned"]


async def test_without_a_block_in_question_no_node_is_asked(books: Books, node: FakeNode) -> None:
    node.away = True
    with capture_logs() as said:
        await books.follower.look()
    assert said == []


async def test_a_new_tip_is_looked_at_at_once(node: FakeNode) -> None:
    books = Books(node, pause_s=0.0, look_interval_s=3600.0)
    books.block("x", ACCEPTED)
    node.confirmations["x"] = 1
    asked = asyncio.Event()
    node.on_question = lambda _: asked.set()
    running = asyncio.create_task(books.follower.run())
    for _ in range(3):
        async with asyncio.timeout(5):
            await asked.wait()
        asked.clear()
        node.height += 1
        books.follower.on_tip()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(node.asked) >= 3
