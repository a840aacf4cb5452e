"""How every process runs."""

import sys
from collections.abc import Iterator

import pytest

from poolserver.event_loop import SWITCH_INTERVAL_S, run_async


@pytest.fixture(autouse=True)
def switch_interval() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


def test_threads_that_compute_let_the_event_loop_in_soon() -> None:
    async def interval_s() -> float:
        return sys.getswitchinterval()

    assert run_async(interval_s()) == SWITCH_INTERVAL_S < 0.001
