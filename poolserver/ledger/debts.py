"""What the operator owes to payees, from what blocks could not pay and from what they repaid. Pure.

Blocks that are in the chain count (``EARNING``). Of one that was just found only what it repaid
counts: if the nodes take it, that is paid, and it must not be paid twice meanwhile.
"""

from collections import Counter
from collections.abc import Mapping

from poolserver.ledger.blocks import EARNING, BlockBook, BlockState, KnownBlock
from poolserver.ledger.payout_records import DuesRecord


class Debts:
    """By label, in satoshi. A block whose state is final is added up with the others of these."""

    def __init__(self) -> None:
        self._settled: Counter[str] = Counter()
        self._open: dict[str, Counter[str]] = {}  # by the block's hash

    def load(self, settled: Mapping[str, int], unsettled: Mapping[str, Mapping[str, int]]) -> None:
        """What the books have: of blocks that pay for good, and by hash of those in the balance."""
        self._settled = Counter(settled)
        self._open = {hash_hex: Counter(dues) for hash_hex, dues in unsettled.items()}

    def take(self, block: KnownBlock, record: DuesRecord) -> None:
        """What a block leaves unpaid. Call it before the book is told, which knows what is new."""
        for due in record.dues[max(0, block.dues - record.position) :]:
            if due.unpaid_sat:
                self._open.setdefault(block.hash_hex, Counter())[due.label] += due.unpaid_sat

    def owed_sat(self, book: BlockBook) -> dict[str, int]:
        """What is owed to each label, below 0 where it was paid too much; never 0."""
        owed = Counter(self._settled)
        for hash_hex in list(self._open):
            block = book.blocks[hash_hex]
            dues = self._open[hash_hex]
            if block.final:
                del self._open[hash_hex]
                if block.state in EARNING:
                    self._settled.update(dues)
            if block.state in EARNING:
                owed.update(dues)
            elif block.state is BlockState.FOUND:
                owed.update({label: sat for label, sat in dues.items() if sat < 0})
        return {label: sat for label, sat in owed.items() if sat}
