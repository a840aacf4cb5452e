"""How the chains of two nodes stand to each other, told from their last few blocks. Pure."""

from dataclasses import dataclass
from typing import NamedTuple

# So many blocks of each node's chain are held. A race of miners is over after one block, rarely
# two; a fork that is deeper than this is told as this deep.
CHAIN_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Chain:
    """The end of a chain: ``height`` of its tip, and block hashes from the tip back."""

    height: int
    hashes_hex: tuple[str, ...]

    @property
    def tip_hex(self) -> str:
        """The tip's hash; "" where nothing is known."""
        return self.hashes_hex[0] if self.hashes_hex else ""

    @property
    def lowest(self) -> int:
        """The height of the last block that is held."""
        return self.height - len(self.hashes_hex) + 1

    def behind_tip(self, hash_hex: str) -> int | None:
        """How many blocks this chain has after a block; None where it is not held."""
        return self.hashes_hex.index(hash_hex) if hash_hex in self.hashes_hex else None


NOTHING_KNOWN = Chain(0, ())


class Apart(NamedTuple):
    """How many blocks each of two chains has after the last one that they share."""

    ours: int
    theirs: int

    @property
    def is_fork(self) -> bool:
        """Whether each has blocks that the other has not; else one is just behind, or neither."""
        return self.ours > 0 and self.theirs > 0

    @property
    def depth(self) -> int:
        """Of a fork, the blocks of its shorter side; 0 where there is none."""
        return min(self.ours, self.theirs)


def apart(ours: Chain, theirs: Chain) -> Apart | None:
    """How far two chains are apart; None where too little of them is known to tell.

    Where no shared block is held, but both have one of the same height, they are forked there or
    before: then the numbers are the least that they can be.
    """
    for behind_ours, hash_hex in enumerate(ours.hashes_hex):
        behind_theirs = theirs.behind_tip(hash_hex)
        if behind_theirs is not None:
            return Apart(behind_ours, behind_theirs)
    lowest = max(ours.lowest, theirs.lowest)
    if not ours.hashes_hex or not theirs.hashes_hex or lowest > min(ours.height, theirs.height):
        return None
    return Apart(ours.height - lowest + 1, theirs.height - lowest + 1)
