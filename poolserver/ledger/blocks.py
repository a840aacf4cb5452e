"""The life of our blocks: which states there are, and what may follow on what. Pure.

::

    found ──► accepted ──► mature
      │  │      │    ▲
      │  │      ▼    │
      │  │   orphaned ◄┄ (accepted again where the chain comes back to it)
      │  └─► stale ┄┄┄┄► accepted, likewise
      └────► rejected

The submitter tells the first step, the follower (``node.follower``) those after it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class BlockState(StrEnum):
    """What has become of a block."""

    FOUND = "found"
    ACCEPTED = "accepted"
    """In the chain, but its coins cannot be spent yet."""
    STALE = "stale"
    """Never in the chain: another block has its height."""
    REJECTED = "rejected"
    """No node takes it."""
    ORPHANED = "orphaned"
    """It was in the chain, which was reorganised."""
    MATURE = "mature"
    """In the chain for good, and what it pays can be spent."""


TRANSITIONS: Mapping[BlockState, frozenset[BlockState]] = {
    BlockState.FOUND: frozenset({BlockState.ACCEPTED, BlockState.STALE, BlockState.REJECTED}),
    BlockState.ACCEPTED: frozenset({BlockState.MATURE, BlockState.ORPHANED}),
    BlockState.STALE: frozenset({BlockState.ACCEPTED}),
    BlockState.ORPHANED: frozenset({BlockState.ACCEPTED}),
    BlockState.REJECTED: frozenset(),
    BlockState.MATURE: frozenset(),
}
"""What may follow on each state. Nothing else may, and of two with none the word is final."""

EARNING = frozenset({BlockState.ACCEPTED, BlockState.MATURE})
"""The states in which a block pays, and so owes what it could not pay."""


class BlockChange(NamedTuple):
    """A block has come into a state. ``FOUND`` is how it begins."""

    hash_hex: str
    height: int
    worker: str
    state: BlockState
    reason: str
    at_ms: int


class BlockEnd(NamedTuple):
    """A block's state will not change any more, though others could follow on it."""

    hash_hex: str


BlockStep = BlockChange | BlockEnd


@dataclass(slots=True)
class KnownBlock:
    """One of our blocks. Change it by its BlockBook only, which counts."""

    hash_hex: str
    height: int
    state: BlockState = BlockState.FOUND
    reached: frozenset[BlockState] = frozenset({BlockState.FOUND})
    """Each state that it ever was in."""
    final: bool = False
    value_sat: int = 0
    """What its coinbase pays, 0 where that is not known."""
    unpaid_sat: int = 0
    """What it owes to payees beyond that."""
    dues: int = 0
    """How many of its dues are in ``unpaid_sat``, from the first on."""


@dataclass(slots=True)
class BlockBook:
    """All our blocks, counted and added up by state."""

    blocks: dict[str, KnownBlock] = field(default_factory=dict)
    reached: Counter[BlockState] = field(default_factory=Counter)
    """How many blocks ever came into each state."""
    now: Counter[BlockState] = field(default_factory=Counter)
    """How many are in each."""
    value_sat: Counter[BlockState] = field(default_factory=Counter)
    """What the blocks that are in each state pay."""
    unpaid_sat: Counter[BlockState] = field(default_factory=Counter)
    """What the blocks that are in each state owe beyond that."""
    _open: dict[str, KnownBlock] = field(default_factory=dict)  # not final; those longest ago first

    def enter(self, block: KnownBlock) -> None:
        """Enter a block that is not in the book."""
        self.blocks[block.hash_hex] = block
        if not block.final:
            self._open[block.hash_hex] = block
        self.reached.update(block.reached)
        self._count(block, 1)

    def find(self, hash_hex: str, height: int) -> KnownBlock:
        """The block of that hash; it is entered as found where it is new."""
        block = self.blocks.get(hash_hex)
        if block is None:
            block = KnownBlock(hash_hex, height)
            self.enter(block)
        return block

    def change(self, block: KnownBlock, state: BlockState) -> bool:
        """Bring a block into a state; False, and nothing is done, where that may not follow."""
        if state not in TRANSITIONS[block.state]:
            return False
        self._count(block, -1)
        block.state = state
        self._count(block, 1)
        if state not in block.reached:
            block.reached |= {state}
            self.reached[state] += 1
        if not TRANSITIONS[state]:
            self.end(block)
        return True

    def pay(self, block: KnownBlock, value_sat: int) -> None:
        """Note what a block's coinbase pays; to be told so more than once is all the same."""
        self.value_sat[block.state] += value_sat - block.value_sat
        block.value_sat = value_sat

    def owe(self, block: KnownBlock, position: int, unpaid_sat: Sequence[int]) -> None:
        """Note what a block owes by its dues from ``position`` on; each is noted once."""
        news_sat = sum(unpaid_sat[max(0, block.dues - position) :])
        block.dues = max(block.dues, position + len(unpaid_sat))
        self.unpaid_sat[block.state] += news_sat
        block.unpaid_sat += news_sat

    def end(self, block: KnownBlock) -> None:
        """The word on a block is final: nobody needs to look at it again."""
        block.final = True
        self._open.pop(block.hash_hex, None)

    def steps_beyond(
        self,
        known: Iterable[KnownBlock],
        coming: Mapping[str, Sequence[BlockState]],
        at_ms: int,
    ) -> list[BlockStep]:
        """What books that have ``known`` lack, so that ``coming`` may follow on it.

        ``coming`` are states by hash that they are about to be told. Why and when a block came
        into the others is not kept here: ``at_ms`` stands for the time.
        """
        theirs = {block.hash_hex: block for block in known}
        unknown = KnownBlock("", 0, reached=frozenset())
        steps: list[BlockStep] = []
        for block in self.blocks.values():
            mine = theirs.get(block.hash_hex, unknown)
            to_come = coming.get(block.hash_hex, ())
            lacks = block.reached - mine.reached - {*to_come}
            states = [state for state in BlockState if state in lacks]
            moves = [each for each in (mine.state, *states, *to_come) if each != BlockState.FOUND]
            if moves and moves[-1] != block.state:
                states.append(block.state)  # it came there more than once
            steps += [
                BlockChange(block.hash_hex, block.height, "", state, "", at_ms) for state in states
            ]
            if block.final and not mine.final:
                steps.append(BlockEnd(block.hash_hex))
        return steps

    # --- for the follower ----------------------------------------------------------------

    @property
    def unsettled(self) -> int:
        """How many blocks are not final."""
        return len(self._open)

    def next_to_look_at(self) -> KnownBlock | None:
        """The block that is not final and was given here longest ago, or not yet."""
        hash_hex = next(iter(self._open), None)
        if hash_hex is None:
            return None
        block = self._open[hash_hex] = self._open.pop(hash_hex)
        return block

    # --- counting ------------------------------------------------------------------------

    def _count(self, block: KnownBlock, sign: int) -> None:
        self.now[block.state] += sign
        self.value_sat[block.state] += sign * block.value_sat
        self.unpaid_sat[block.state] += sign * block.unpaid_sat
