"""A block with each fault at its find, in small; make torture-blocks is the large run."""

from pathlib import Path

import pytest

from tests.torture.blocks import BlocksPlan, perform_blocks

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]

# What is not as it must be yet, by fault. This is a list of debts, and is to be empty.
OWED = {
    "pool dies: half submitted": "neither spool nor journal has what was found a millisecond ago",
    "pool dies: submitted": "the journal has no record of a block that a node has taken",
}


async def test_no_block_is_lost_and_the_books_are_right(
    bitcoind_path: Path, tmp_path: Path
) -> None:
    report = await perform_blocks(BlocksPlan(blocks=0, is_small=True), bitcoind_path, tmp_path)
    print(report.text())
    assert {fault: texts for fault, texts in report.by_fault().items() if fault not in OWED} == {}
