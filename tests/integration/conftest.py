"""Real parts: a bitcoind, found or fetched by scripts/find-bitcoind.sh."""

import logging
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from poolserver.log import configure_logging
from poolserver.node.process import PRIVATE_SIGNET, REGTEST, BitcoindProcess

# Files that take a minute or more: they begin first, so that none is waited for at the end.
LONG = ("test_upgrade", "test_api", "test_dist", "test_blocks", "test_processes", "test_reload")

OWN_BITCOIND = Path(__file__).parents[2] / ".tools/bitcoind/bin/bitcoind"


@pytest.fixture(scope="session")
def bitcoind_path() -> Path:
    """The program; where it cannot be had the test is skipped by that name (in CI it fails)."""
    candidates = (os.environ.get("BITCOIND"), shutil.which("bitcoind"), str(OWN_BITCOIND))
    for candidate in candidates:
        if candidate and Path(candidate).exists():
            return Path(candidate)
    pytest.skip("bitcoind: none found; scripts/get-bitcoind.sh fetches one")


@pytest.fixture
async def bitcoind(bitcoind_path: Path) -> AsyncIterator[BitcoindProcess]:
    """A regtest node of its own for the test."""
    async with BitcoindProcess(bitcoind_path, REGTEST) as node:
        yield node


@pytest.fixture
async def signet_bitcoind(bitcoind_path: Path) -> AsyncIterator[BitcoindProcess]:
    """A private signet's node, on which a block takes 4.8 million hashes."""
    async with BitcoindProcess(bitcoind_path, PRIVATE_SIGNET) as node:
        yield node


@pytest.fixture
def logging_is_configured() -> Iterator[None]:
    """As in a running pool: events are the log's lines."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    configure_logging("warning")
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first, all else in its order."""
    items.sort(key=lambda item: not item.path.stem.startswith(LONG))
