"""A miner's connection on asyncio."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import wraps
from ssl import SSLContext
from typing import Concatenate, ParamSpec, Self, TypeVar, cast

from .client import ClientConnection
from .codec import Codec
from .connection import DEFAULT_CODEC
from .limits import CLIENT_LIMITS, Limits
from .messages import ClientEvent
from .tcp import tune_socket

P = ParamSpec("P")
T = TypeVar("T")


def _sent(
    request: Callable[Concatenate[ClientConnection, P], T],
) -> "Callable[Concatenate[StratumClient, P], T]":
    """A request of the connection that is written at once."""

    @wraps(request)
    def send(client: "StratumClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        result = request(client.connection, *args, **kwargs)
        client.flush()
        return result

    return send


class StratumClient(asyncio.Protocol):
    """A miner's session with a pool.

    Requests are plain calls that write at once and return the id that the answer will carry; the
    answers come among the other events, in the order of the wire::

        client = await StratumClient.connect("pool.example", 3333)
        client.subscribe()
        async for event in client:
            match event:
                case Subscribed(extranonce1=extranonce1): ...

    The iteration ends when the connection does, and raises the error if it ended by one. With
    ``on_event`` events go to that callback, as they come, and there is nothing to iterate over.
    """

    def __init__(
        self,
        connection: ClientConnection,
        *,
        limits: Limits = CLIENT_LIMITS,
        on_event: Callable[[ClientEvent], None] | None = None,
    ) -> None:
        self.connection = connection
        self._limits = limits
        self._events: asyncio.Queue[ClientEvent | None] = asyncio.Queue()  # None: the end
        self._on_event = on_event or self._enqueue
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._lost = asyncio.Event()
        self._error: Exception | None = None

    @classmethod
    async def connect(
        cls,
        host: str,
        port: int,
        *,
        user_agent: str = "asyncio-stratum",
        codec: Codec = DEFAULT_CODEC,
        limits: Limits = CLIENT_LIMITS,
        ssl: SSLContext | bool | None = None,
        on_event: Callable[[ClientEvent], None] | None = None,
    ) -> Self:
        """Open a connection to a pool; nothing is said yet.

        Raises:
            OSError: the pool cannot be reached; ``ssl.SSLError`` is one too.
        """
        connection = ClientConnection(user_agent=user_agent, codec=codec, limits=limits)
        _, client = await asyncio.get_running_loop().create_connection(
            lambda: cls(connection, limits=limits, on_event=on_event), host, port, ssl=ssl
        )
        return client

    configure = _sent(ClientConnection.configure)
    subscribe = _sent(ClientConnection.subscribe)
    authorize = _sent(ClientConnection.authorize)
    submit = _sent(ClientConnection.submit)
    suggest_difficulty = _sent(ClientConnection.suggest_difficulty)
    suggest_target = _sent(ClientConnection.suggest_target)
    extranonce_subscribe = _sent(ClientConnection.extranonce_subscribe)
    get_transactions = _sent(ClientConnection.get_transactions)
    ping = _sent(ClientConnection.ping)
    write_rendered = _sent(ClientConnection.write_rendered)

    def flush(self) -> None:
        """Write all that is queued on the connection."""
        data = self.connection.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Write what is queued and end the connection."""
        self.flush()
        self.connection.close()
        if self._transport is not None:
            self._transport.close()

    async def wait_closed(self) -> None:
        """Wait until the connection has ended, from whichever side."""
        await self._lost.wait()

    def __aiter__(self) -> AsyncIterator[ClientEvent]:
        return self

    async def __anext__(self) -> ClientEvent:
        event = await self._events.get()
        if event is None:
            self._events.put_nowait(None)  # for the next one who asks
            if self._error is not None:
                raise self._error
            raise StopAsyncIteration
        self._resume_reading()
        return event

    # --- for the event loop ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        tune_socket(transport, self._limits.keepalive_idle_s)

    def data_received(self, data: bytes) -> None:
        for event in self.connection.receive_data(data):
            self._on_event(event)
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.connection.close()
        self._transport = None
        self._error = exc
        self._events.put_nowait(None)
        self._lost.set()

    # --- inside ----------------------------------------------------------------------------------

    def _enqueue(self, event: ClientEvent) -> None:
        self._events.put_nowait(event)
        if self._transport is not None and self._events.qsize() >= self._limits.event_backlog:
            self._paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._paused and self._events.qsize() <= self._limits.event_backlog // 2:
            self._paused = False
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()
