"""How every process of ours runs: on uvloop, which other threads do not keep waiting."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

# How long a thread that computes (the fold, a tick of power) keeps the event loop waiting each time
# that it has something to do. With Python's 5 ms rigs wait for each answer as long meanwhile.
SWITCH_INTERVAL_S = 0.0005

T = TypeVar("T")


def run_async(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end; Ctrl-C cancels."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
