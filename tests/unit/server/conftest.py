"""A worker process for sessions to live in."""

import pytest

from tests.unit.server.wire import FakeHouse


@pytest.fixture
async def house() -> FakeHouse:
    return FakeHouse()
