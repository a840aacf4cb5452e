"""The Stratum library's sessions over our own sockets: its own tests on sockets, once more.

They know nothing of ours: ``serving`` alone is another one here.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from poolserver._vendor.asyncio_stratum import (
    SERVER_LIMITS,
    Application,
    Limits,
    ServerProtocol,
)
from poolserver._vendor.asyncio_stratum.tests import test_asyncio_client, test_asyncio_server
from poolserver._vendor.asyncio_stratum.tests.test_asyncio_client import (
    test_a_miner_works,
    test_a_reader_that_lags_behind_stops_the_pool_and_loses_nothing,
    test_events_may_go_to_a_callback_as_they_come,
    test_the_iteration_ends_with_the_connection,
)
from poolserver._vendor.asyncio_stratum.tests.test_asyncio_server import (
    pool,
    rig,
    test_a_flood_of_requests_is_bounded_by_the_outbox,
    test_a_peer_that_does_not_read_is_dropped,
    test_a_session_over_a_socket,
    test_what_was_queued_before_close_arrives,
)
from poolserver.server.plain_listening import open_listening
from tests.unit.server.rig_loop import rig_sockets

__all__ = [
    "pool",
    "rig",
    "test_a_flood_of_requests_is_bounded_by_the_outbox",
    "test_a_miner_works",
    "test_a_peer_that_does_not_read_is_dropped",
    "test_a_reader_that_lags_behind_stops_the_pool_and_loses_nothing",
    "test_a_session_over_a_socket",
    "test_events_may_go_to_a_callback_as_they_come",
    "test_the_iteration_ends_with_the_connection",
    "test_what_was_queued_before_close_arrives",
]

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
}


@pytest.fixture(params=LOOPS.values(), ids=LOOPS, autouse=True)
def _asyncio_loop_factory(request: pytest.FixtureRequest) -> Any:
    return request.param


@asynccontextmanager
async def serving_on_ours(
    application: Application, *, limits: Limits = SERVER_LIMITS
) -> AsyncIterator[int]:
    async with rig_sockets() as sockets:
        [listening] = await open_listening("127.0.0.1", 0, 100)
        with listening:
            sockets.listen(listening.fileno(), lambda _: ServerProtocol(application, limits=limits))
            yield listening.getsockname()[1]
            sockets.unlisten(listening.fileno())


@pytest.fixture(autouse=True)
def _over_our_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_asyncio_server, "serving", serving_on_ours)
    monkeypatch.setattr(test_asyncio_client, "serving", serving_on_ours)
