"""Rigs' own sockets on the running event loop, as a worker process has them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from poolserver._native._sharecheck import RigSockets


def new_rig_sockets(call_soon: Callable[[Callable[[], None]], object]) -> "RigSockets":
    native = pytest.importorskip("poolserver._native._sharecheck")
    if not hasattr(native, "RigSockets"):
        pytest.skip("epoll is Linux's")
    sockets: RigSockets = native.RigSockets(
        native.ShareLane(8), call_soon, lambda: 0.0, native.Histogram(())
    )
    return sockets


@asynccontextmanager
async def rig_sockets() -> AsyncIterator["RigSockets"]:
    loop = asyncio.get_running_loop()
    sockets = new_rig_sockets(loop.call_soon)

    def turn() -> None:
        sockets.turn(loop.time(), 0, 0, 0)
        sockets.deliver()

    loop.add_reader(sockets.fileno(), turn)
    try:
        yield sockets
    finally:
        loop.remove_reader(sockets.fileno())
        sockets.close()
        await asyncio.sleep(0)  # all are told in the loop's next turn
        assert sockets.fileno() == -1
