"""Whatever a peer sends: no exception, and the same events and bytes from every codec, whether it
comes whole or in pieces."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from .. import ClientConnection, Codec, Limits
from ..connection import Connection
from .helpers import (
    AUTHORIZE,
    CODECS,
    SUBMIT,
    SUBSCRIBE,
    answer,
    in_pieces,
    ready_miner,
    ready_pool,
)

METHODS = [
    "mining.subscribe",
    "mining.authorize",
    "mining.submit",
    "mining.configure",
    "mining.suggest_difficulty",
    "mining.suggest_target",
    "mining.get_transactions",
    "mining.extranonce.subscribe",
    "mining.ping",
    "mining.notify",
    "mining.set_difficulty",
    "mining.set_extranonce",
    "mining.set_version_mask",
    "client.reconnect",
    "client.show_message",
    "client.get_version",
    "mining.unknown",
]

# JSON texts that have caught decoders before.
ODD_TEXTS = [
    "NaN",
    "-Infinity",
    "1e999",
    "-0",
    "-0.0",
    "1.0",
    "01",
    "+1",
    ".5",
    "1.",
    "1e5",
    "123456789012345678901234567890",
    "9" * 4301,
    "0" * 300,
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\ud83d\\ude00"',
    '"\\u0000"',
    '"\x7f"',
    '"\x00"',
    '"\\q"',
    '"\\',
    "'",
    "[" * 300,
    '{"a":' * 300,
    "[" * 1100,
    "true",
    "nul",
    "",
]

whole = st.integers(-(10**30), 10**30)
numbers = whole.map(str) | st.builds(
    "{}.{}e{}".format, whole, st.integers(0, 10**30), st.integers(-400, 400)
)
atoms = (
    st.sampled_from(ODD_TEXTS)
    | numbers
    | st.sampled_from(["null", "true", "false", '""', '"5a"', '"504e86ed"', '"0001020304050607"'])
    | st.text(max_size=5).map(lambda text: f'"{text}"')
)
names = st.sampled_from(
    [
        "id",
        "method",
        "params",
        "result",
        "error",
        "jsonrpc",
        "version-rolling",
        "version-rolling.mask",
        "code",
        "i\\u0064",
        "\\ud800",
    ]
)


members = st.builds('"{}":{}'.format, names, atoms)
json_like = (
    atoms
    | st.lists(atoms, max_size=3).map(lambda items: f"[{','.join(items)}]")
    | st.lists(members, max_size=3).map(lambda items: f"{{{','.join(items)}}}")
)

methods = st.sampled_from(METHODS).map(lambda method: f'"{method}"')
params = st.lists(json_like, max_size=7).map(lambda items: f"[{','.join(items)}]")
# Calls that are well-formed but for their parameters, and messages with any members in any order.
calls = st.builds('{{"id":7,"method":{},"params":{}}}'.format, methods, params)
jumbles = st.lists(
    st.builds('"id":{}'.format, json_like)
    | st.builds('"method":{}'.format, methods | json_like)
    | st.builds('"params":{}'.format, params | json_like)
    | st.builds('"{}":{}'.format, names, json_like),
    max_size=5,
).map(lambda members: f"{{{','.join(members)}}}")
messages = (calls | jumbles).map(lambda text: text.encode(errors="surrogatepass"))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good line with some bytes changed."""
    line = bytearray(draw(st.sampled_from([SUBSCRIBE, AUTHORIZE, SUBMIT])))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(line) - 1))
        line[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(line)


streams = st.lists(st.binary(max_size=40) | messages | damaged(), max_size=6).map(b"\n".join)


def pool_hears(connection: Any, data: bytes) -> list[str]:
    events = []
    for event in connection.receive_data(data):
        answer(connection, event)
        events.append(repr(event))
    return events


def miner_hears(connection: Any, data: bytes) -> list[str]:
    return [repr(event) for event in connection.receive_data(data)]


def agree(
    connect: Callable[[Codec], Connection[Any]],
    hears: Callable[[Any, bytes], list[str]],
    data: bytes,
) -> None:
    """All codecs, whole and in pieces, make the same of some bytes."""
    outcomes = []
    for codec in CODECS:
        for size in (1 << 20, 3):
            connection = connect(codec)
            events = [
                event for piece in in_pieces(data, size) for event in hears(connection, piece)
            ]
            outcomes.append((events, connection.data_to_send(), connection.state))
    assert all(outcome == outcomes[0] for outcome in outcomes)


@given(streams)
def test_a_pool_takes_anything(data: bytes) -> None:
    agree(ready_pool, pool_hears, data + b"\n")


@given(streams)
def test_a_miner_takes_anything(data: bytes) -> None:
    def waiting_miner(codec: Codec) -> ClientConnection:
        connection = ClientConnection(codec=codec, limits=Limits())
        connection.configure(version_mask=1)
        connection.subscribe()
        connection.authorize("rig.1")
        return connection

    agree(waiting_miner, miner_hears, data + b"\n")
    agree(ready_miner, miner_hears, data + b"\n")


@given(st.lists(json_like, min_size=4, max_size=7))
def test_a_share_of_anything_is_a_share_or_malformed(params: list[str]) -> None:
    line = f'{{"id":1,"method":"mining.submit","params":[{",".join(params)}]}}\n'
    agree(ready_pool, pool_hears, line.encode(errors="surrogatepass"))


@given(numbers)
def test_numbers_are_the_same_to_every_codec(number: str) -> None:
    agree(ready_pool, pool_hears, b'{"id":1,"result":%b}\n' % number.encode())
