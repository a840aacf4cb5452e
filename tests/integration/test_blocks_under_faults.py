"""A block with each fault at its find, in small; make torture-blocks is the large run."""

from pathlib import Path

import pytest

from tests.torture.blocks import BlocksPlan, perform_blocks

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]


async def test_no_block_is_lost_and_the_books_are_right(
    bitcoind_path: Path, tmp_path: Path
) -> None:
    report = await perform_blocks(BlocksPlan(blocks=0, is_small=True), bitcoind_path, tmp_path)
    print(report.text())
    assert report.by_fault() == {}
