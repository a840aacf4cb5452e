"""How many blocks and satoshi the work was worth, and how much work each block took. Pure.

Work over the network's work for one block is the number of blocks that it finds on average.
That is a sum over the difficulties at which the work was done, in exact fractions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from math import fsum

from poolserver.bitcoin.target import target_from_nbits, work_from_target
from poolserver.ledger.blocks import EARNING, BlockBook
from poolserver.ledger.delta import Delta, Rounds
from poolserver.ledger.totals import Earning, EarningKey


@lru_cache(maxsize=1024)  # a difficulty lasts for two weeks
def network_work(nbits: int) -> int | None:
    """The hashes that a block takes on average; None where the journal does not tell."""
    try:
        return work_from_target(target_from_nbits(nbits))
    except ValueError:
        return None


def expected_blocks(work_by_nbits: Iterable[tuple[int, int]]) -> Fraction:
    """How many blocks work finds on average; work of an unknown difficulty is left out.

    That is also the effort of a round: 1 where it took just the work that a block takes on
    average. Luck is 1 over it.
    """
    parts = (Fraction(work, of) for nbits, work in work_by_nbits if (of := network_work(nbits)))
    return sum(parts, Fraction(0))


@dataclass(slots=True)
class Luck:
    """The work of each site by difficulty, and that of each round between found blocks."""

    earned: dict[tuple[str, int], Earning] = field(default_factory=dict)
    """By site and nbits."""
    rounds: dict[str, Mapping[int, int]] = field(default_factory=dict)
    """By the hash of the block that ended it, in the order of their finding."""
    open: dict[int, int] = field(default_factory=dict)

    def add(self, delta: Delta) -> None:
        """Take in new work and found blocks."""
        self.earn(delta.earnings)
        self.end_rounds(delta.rounds)

    def earn(self, earnings: Mapping[EarningKey, Earning]) -> None:
        """Take in work of some intervals."""
        for key, earning in earnings.items():
            self.earned.setdefault((key.site, key.nbits), Earning()).add(earning)

    def end_rounds(self, rounds: Rounds) -> None:
        """Take in rounds. A block that is told of again ends none, as in the store."""
        for hash_hex, work in rounds.closed:
            self._work(work)
            if hash_hex not in self.rounds:
                self.rounds[hash_hex], self.open = self.open, {}
        self._work(rounds.open)

    def _work(self, work: Mapping[int, int]) -> None:
        for nbits, hashes in work.items():
            self.open[nbits] = self.open.get(nbits, 0) + hashes

    @property
    def sites(self) -> list[str]:
        """Those with any work."""
        return sorted({site for site, _ in self.earned})

    def expected_blocks(self, site: str) -> Fraction:
        """How many blocks the site's work was to find on average."""
        return expected_blocks(
            (nbits, each.accepted_work) for (at, nbits), each in self.earned.items() if at == site
        )

    def expected_sat(self, site: str) -> Fraction:
        """What the site's work was to earn on average, before any fee."""
        return expected_blocks(
            (nbits, each.value_work) for (at, nbits), each in self.earned.items() if at == site
        )

    def expected_of_all(self) -> Fraction:
        """How many blocks the work of all sites was to find on average."""
        work: dict[int, int] = {}  # whole numbers first: there may be many sites
        for (_, nbits), each in self.earned.items():
            work[nbits] = work.get(nbits, 0) + each.accepted_work
        return expected_blocks(work.items())

    def expected_by_site(self) -> dict[str, tuple[float, float]]:
        """The blocks and the satoshi that each site's work was worth on average.

        As near as a double comes, and a hundredth of the time that fractions take. It never falls
        while work is added, in whatever order that lies: each part is rounded once, and so is
        the sum.
        """
        parts: dict[str, tuple[list[float], list[float]]] = {}
        for (site, nbits), each in self.earned.items():
            blocks, earned_sat = parts.setdefault(site, ([], []))
            if of := network_work(nbits):
                blocks.append(each.accepted_work / of)
                earned_sat.append(each.value_work / of)
        return {site: (fsum(blocks), fsum(sat)) for site, (blocks, sat) in parts.items()}

    def efforts(self, book: BlockBook) -> tuple[dict[str, Fraction], Fraction]:
        """The effort of each block that pays, by hash, and that since the last one of these.

        What was mined up to a block that does not pay goes into the next one that does.
        """
        efforts: dict[str, Fraction] = {}
        effort = Fraction(0)
        for hash_hex, work in self.rounds.items():
            effort += expected_blocks(work.items())
            block = book.blocks.get(hash_hex)
            if block is not None and block.state in EARNING:
                efforts[hash_hex], effort = effort, Fraction(0)
        return efforts, effort + expected_blocks(self.open.items())
