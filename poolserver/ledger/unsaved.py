"""What the store does not have yet, in the order in which it is to be taken, in parts.

Each part is one transaction. After a long outage, or beside an empty database, there is more
than a server takes within the time that it gives a statement: so no part grows for ever.
"""

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from poolserver.ledger.blocks import BlockChange, BlockState, BlockStep
from poolserver.ledger.delta import Delta
from poolserver.ledger.totals import Earning, EarningKey

PART_ROWS = 50_000
"""An hour of 10,000 rigs. It takes a busy PostgreSQL some 4 s, of the 30 that a statement has."""


class Part(NamedTuple):
    """A delta, and what became of blocks after it."""

    delta: Delta
    steps: list[BlockStep]


class Unsaved:
    """Parts of about ``part_rows``; false if there are none."""

    def __init__(self, part_rows: int = PART_ROWS) -> None:
        self._part_rows = part_rows
        self._parts: deque[Part] = deque()
        self.is_begun = False
        """The first part was given to the store, and it is not known to have it or not."""

    def __len__(self) -> int:
        return len(self._parts)

    def add(self, delta: Delta) -> None:
        """Take in what follows on all that is here; it is not to be used any more."""
        self._open().delta.join(delta)

    def settle(self) -> None:
        """Put together what was taken in, which would take its time elsewhere; in any thread."""
        for part in list(self._parts):
            part.delta.settle()

    def note(self, step: BlockStep) -> None:
        """Take in what became of a block."""
        self._open().steps.append(step)

    def _open(self) -> Part:
        """The part that may still grow."""
        is_free = len(self._parts) > self.is_begun
        if not is_free or self._parts[-1].delta.rows >= self._part_rows:
            self._parts.append(Part(Delta(), []))
        return self._parts[-1]

    # --- to the store --------------------------------------------------------------------

    def begin(self) -> Part:
        """The first part, to be given to the store; nothing is added to it until give_up()."""
        self.is_begun = True
        return self._parts[0]

    def end(self) -> Part:
        """The store has it; it is given back."""
        self.is_begun = False
        return self._parts.popleft()

    def give_up(self) -> None:
        """The store does not have it: it is still the first one."""
        self.is_begun = False

    # --- to look at ----------------------------------------------------------------------

    def earnings(self) -> list[Mapping[EarningKey, Earning]]:
        """Accepted work, part by part."""
        return [part.delta.earnings for part in self._parts]

    def block_states(self) -> dict[str, list[BlockState]]:
        """The states of blocks that are told of, by hash."""
        states: dict[str, list[BlockState]] = {}
        for delta, steps in self._parts:
            for found in delta.blocks:
                states.setdefault(found.hash_hex, []).append(BlockState.FOUND)
            for step in steps:
                if isinstance(step, BlockChange):
                    states.setdefault(step.hash_hex, []).append(step.state)
        return states

    def begins(self) -> dict[str, int]:
        """Where the store must stand, by source, for all of this to follow on."""
        return {
            source: after
            for part in reversed(self._parts)
            for source, (after, _) in part.delta.progress.items()
        }
