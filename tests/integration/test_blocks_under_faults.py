"""A block with each fault at its find, in small; make torture-blocks is the large run."""

from pathlib import Path

import pytest

from tests.torture.blocks import BlocksPlan, perform_blocks

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]

# What is not as it must be yet, by fault. This is a list of debts, and is to be empty.
OWED = {
    "pool dies: half submitted": "neither spool nor journal has what was found a millisecond ago",
    "pool dies: submitted": "the journal has no record of a block that a node has taken",
    "pool dies: answered only": "the ledger asks no node what became of a block without a file",
    "pool dies: settled": "a verdict in the spool is not taken over by the ledger",
    "disk full": "a block's state that the database could not take is not written later",
    "orphaned later": "an accepted block is not looked at again",
}


async def test_no_block_is_lost_and_the_books_are_right(
    bitcoind_path: Path, tmp_path: Path
) -> None:
    report = await perform_blocks(BlocksPlan(blocks=0, is_small=True), bitcoind_path, tmp_path)
    print(report.text())
    assert {fault: texts for fault, texts in report.by_fault().items() if fault not in OWED} == {}
