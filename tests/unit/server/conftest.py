"""A worker process for sessions to live in: a fake one, and a real one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.server.hall import Hall, running
from tests.unit.server.wire import FakeHouse


@pytest.fixture
async def house() -> FakeHouse:
    return FakeHouse()


@pytest.fixture
async def hall(tmp_path: Path) -> AsyncIterator[Hall]:
    async with running(tmp_path) as hall:
        yield hall
