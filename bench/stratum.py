"""What the protocol costs a share: one mining.submit in, one answer out, no socket.

    python -m bench.stratum

Prints nanoseconds by step for the pool's codec, and the whole for the library's default one.
"""

from collections.abc import Callable
from timeit import repeat

from poolserver._vendor.asyncio_stratum import (
    Codec,
    LineBuffer,
    ServerConnection,
    StdlibCodec,
    Submit,
    Subscribe,
)
from poolserver._vendor.asyncio_stratum.parse_requests import parse_submit
from poolserver.server.msgspec_codec import MsgspecCodec

SUBSCRIBE = b'{"id":1,"method":"mining.subscribe","params":["bench"]}\n'
LINE = (
    b'{"id":1234,"method":"mining.submit","params":["bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'
    b'.rig-0042","0a0b0c0d0e0f1122","0000000000000001","504e86ed","b2957c02","00002000"]}\n'
)
CALLS = 2_000
ROUNDS = 100


def run() -> list[tuple[str, float]]:
    """(step, nanoseconds), the best of ROUNDS."""
    codec = MsgspecCodec()
    params = codec.decode(LINE).params
    submit = parse_submit(1234, params, 8)
    connection = _subscribed(codec)
    lines = LineBuffer()

    def frame() -> None:
        lines.feed(LINE)
        lines.next_line()

    def accept() -> None:
        connection.accept(submit)
        connection.data_to_send()

    return [
        ("framing", _best_ns(frame)),
        ("msgspec decode", _best_ns(lambda: codec.decode(LINE))),
        ("parse mining.submit", _best_ns(lambda: parse_submit(1234, params, 8))),
        ("accept, data_to_send", _best_ns(accept)),
        ("a whole share, msgspec", _best_ns(_share(connection))),
        ("a whole share, stdlib json", _best_ns(_share(_subscribed(StdlibCodec())))),
    ]


def _subscribed(codec: Codec) -> ServerConnection:
    connection = ServerConnection(codec=codec)
    for event in connection.receive_data(SUBSCRIBE):
        assert isinstance(event, Subscribe)
        connection.subscribed(event, extranonce1=bytes(4), session_id="")
    connection.data_to_send()
    return connection


def _share(connection: ServerConnection) -> Callable[[], None]:
    def share() -> None:
        for event in connection.receive_data(LINE):
            if type(event) is Submit:
                connection.accept(event)
        connection.data_to_send()

    return share


def _best_ns(work: Callable[[], object]) -> float:
    return min(repeat(work, number=CALLS, repeat=ROUNDS)) / CALLS * 1e9


if __name__ == "__main__":
    for step, ns in run():
        print(f"{step:28}{ns:8,.0f} ns")
