import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from .. import (
    Authorized,
    ClientConnection,
    ClientEvent,
    Limits,
    Notify,
    SetDifficulty,
    StratumClient,
    SubmitResult,
    Subscribed,
)
from .adapters import JOB, Pool, serving

CERTIFICATE = Path(__file__).parent / "localhost-test-only.pem"


@pytest.fixture
def pool() -> Pool:
    return Pool()


async def handshake(client: StratumClient) -> list[ClientEvent]:
    client.subscribe()
    client.authorize("rig.1")
    return [await anext(client) for _ in range(4)]


async def test_a_miner_works(pool: Pool) -> None:
    async with serving(pool) as port:
        client = await StratumClient.connect("127.0.0.1", port, user_agent="rig/1.0")
        events = await handshake(client)
        assert [type(event) for event in events] == [Subscribed, Authorized, SetDifficulty, Notify]
        request_id = client.submit("rig.1", "5a", bytes(8), 0, 0)
        assert await anext(client) == SubmitResult(request_id, True, None)
        assert client.connection.extranonce2_size == 8
        client.close()
        await client.wait_closed()
        assert [event async for event in client] == []
        await pool.disconnected.wait()


async def test_tls_is_a_parameter(pool: Pool) -> None:
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(CERTIFICATE)
    client_side = ssl.create_default_context(cafile=CERTIFICATE)
    async with serving(pool, ssl=server_side) as port:
        client = await StratumClient.connect("127.0.0.1", port, ssl=client_side)
        assert len(await handshake(client)) == 4
        client.close()
        await client.wait_closed()
        await pool.disconnected.wait()


async def test_the_iteration_ends_with_the_connection(pool: Pool) -> None:
    async with serving(pool) as port:
        client = await StratumClient.connect("127.0.0.1", port)
        await handshake(client)
        pool.sessions[0].write_rendered(JOB)
        pool.sessions[0].close()
        assert [type(event) async for event in client] == [Notify]
        assert [event async for event in client] == []
        await client.wait_closed()


async def test_an_error_ends_the_iteration_with_that_error() -> None:
    client = StratumClient(ClientConnection())
    client.connection_lost(ConnectionResetError("gone"))
    with pytest.raises(ConnectionResetError, match="gone"):
        await anext(client)
    with pytest.raises(ConnectionResetError, match="gone"):
        await anext(client)


async def test_a_pool_that_is_not_there_is_an_os_error() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            await StratumClient.connect("127.0.0.1", sock.getsockname()[1])


async def test_events_may_go_to_a_callback_as_they_come(pool: Pool) -> None:
    events: list[ClientEvent] = []
    working = asyncio.Event()

    def on_event(event: ClientEvent) -> None:
        events.append(event)
        if isinstance(event, Notify):
            working.set()

    async with serving(pool) as port:
        client = await StratumClient.connect("127.0.0.1", port, on_event=on_event)
        client.subscribe()
        client.authorize("rig.1")
        await working.wait()
        client.close()
        await client.wait_closed()
    assert [type(event) for event in events] == [Subscribed, Authorized, SetDifficulty, Notify]


async def test_a_reader_that_lags_behind_stops_the_pool_and_loses_nothing(pool: Pool) -> None:
    async with serving(pool) as port:
        client = await StratumClient.connect("127.0.0.1", port, limits=Limits(event_backlog=4))
        await handshake(client)
        for number in range(100):
            pool.sessions[0].connection.set_difficulty(number + 1)
        pool.sessions[0].flush()
        heard = [await anext(client) for _ in range(100)]
        assert heard == [SetDifficulty(number + 1) for number in range(100)]
        pool.sessions[0].write_rendered(JOB)
        assert type(await anext(client)) is Notify
        client.close()
        await client.wait_closed()
