"""What the tests share: the codecs, a pool that says yes, and ways to hand bytes over."""

from collections.abc import Iterable, Iterator
from importlib import import_module

from .. import (
    Authorize,
    ClientConnection,
    ClientEvent,
    Codec,
    Configure,
    GetTransactions,
    Malformed,
    Response,
    ServerConnection,
    ServerEvent,
    StdlibCodec,
    Subscribe,
)


def _codecs() -> Iterator[Codec]:
    yield StdlibCodec()
    try:
        # The second codec is its user's; without it these tests run on the first alone.
        yield import_module("poolserver.server.msgspec_codec").MsgspecCodec()
    except ModuleNotFoundError:
        return


CODECS = list(_codecs())

EXTRANONCE1 = bytes.fromhex("08000002")
SESSION_ID = "6f1e"
VERSION_MASK = 0x1FFFE000

SUBSCRIBE = b'{"id":1,"method":"mining.subscribe","params":["cgminer/4.11.1"]}\n'
AUTHORIZE = b'{"id":2,"method":"mining.authorize","params":["rig.1","x"]}\n'
SUBMIT = (
    b'{"id":3,"method":"mining.submit",'
    b'"params":["rig.1","5a","0001020304050607","504e86ed","b2957c02"]}\n'
)


def answer(connection: ServerConnection, event: ServerEvent) -> None:
    """Answer a request as a pool without a will of its own does."""
    match event:
        case Malformed() | Response():
            pass
        case Subscribe():
            connection.subscribed(event, extranonce1=EXTRANONCE1, session_id=SESSION_ID)
        case Authorize():
            connection.authorized(event)
        case Configure():
            connection.configured(event, version_mask=VERSION_MASK, minimum_difficulty=True)
        case GetTransactions():
            connection.answer(event, [])
        case _:
            connection.accept(event)


def serve(connection: ServerConnection, data: bytes) -> list[ServerEvent]:
    """Hand bytes to a pool, answer what is in them, and give it back."""
    events = []
    for event in connection.receive_data(data):
        answer(connection, event)
        events.append(event)
    return events


def new_pool(codec: Codec) -> ServerConnection:
    return ServerConnection(codec=codec)


def subscribed_pool(codec: Codec) -> ServerConnection:
    """A pool's connection on which subscribe is done and nobody is authorized."""
    return _after(SUBSCRIBE, codec)


def ready_pool(codec: Codec) -> ServerConnection:
    """A pool's connection after a whole handshake."""
    return _after(SUBSCRIBE + AUTHORIZE, codec)


def _after(data: bytes, codec: Codec) -> ServerConnection:
    connection = new_pool(codec)
    serve(connection, data)
    connection.data_to_send()
    return connection


def ready_miner(codec: Codec) -> ClientConnection:
    """A miner's connection after a whole handshake; the next id is 3."""
    connection = ClientConnection(codec=codec, user_agent="rig/1.0")
    connection.subscribe()
    connection.authorize("rig.1")
    told(
        connection,
        b'{"id":1,"result":[[["mining.notify","6f1e"]],"08000002",8],"error":null}\n',
        b'{"id":2,"result":true,"error":null}\n',
    )
    connection.data_to_send()
    return connection


def told(connection: ClientConnection, *lines: bytes) -> list[ClientEvent]:
    """Hand lines to a miner and give back what it makes of them."""
    return list(connection.receive_data(b"".join(lines)))


def in_pieces(data: bytes, size: int = 1) -> Iterable[bytes]:
    """The same bytes, few at a time."""
    return (data[start : start + size] for start in range(0, len(data), size))
