"""PROXY headers of both versions, as bytes and over a socket."""

import asyncio
import contextlib
import socket
from ipaddress import IPv4Address, IPv6Address
from struct import pack
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.server.proxy_header import (
    V1_MAX,
    V2_MAX,
    V2_SIGNATURE,
    ProxiedPeer,
    ProxyHeaderError,
    parse_v1,
    parse_v2,
    read_proxy_header,
)


def v2(command: int, family: int, body: bytes, length: int | None = None) -> bytes:
    return (
        V2_SIGNATURE + pack(">BBH", command, family, len(body) if length is None else length) + body
    )


def tcp4(tail: bytes = b"") -> bytes:
    source, target = IPv4Address("203.0.113.7"), IPv4Address("192.0.2.1")
    return v2(0x21, 0x11, source.packed + target.packed + pack(">HH", 4242, 3333) + tail)


def tcp6() -> bytes:
    source, target = IPv6Address("2001:db8::7"), IPv6Address("2001:db8::1")
    return v2(0x21, 0x21, source.packed + target.packed + pack(">HH", 4242, 3333))


GOOD = {
    b"PROXY TCP4 203.0.113.7 192.0.2.1 4242 3333\r\n": ProxiedPeer("203.0.113.7", 4242),
    b"PROXY TCP6 2001:db8::7 2001:db8::1 4242 3333\r\n": ProxiedPeer("2001:db8::7", 4242),
    b"PROXY TCP4 1.1.1.1 1.1.1.1 0 65535\r\n": ProxiedPeer("1.1.1.1", 0),
    b"PROXY UNKNOWN\r\n": None,
    b"PROXY UNKNOWN ffff:f::f ffff:f::f 65535 65535\r\n": None,
    b"PROXY UNKNOWN " + b"x" * (V1_MAX - 16) + b"\r\n": None,
    b"PROXY TCP6 ::ffff:203.0.113.7 ::1 4242 3333\r\n": ProxiedPeer(
        str(IPv6Address("::ffff:203.0.113.7")), 4242
    ),
    tcp4(): ProxiedPeer("203.0.113.7", 4242),
    tcp4(b"\x04\x00\x03abc"): ProxiedPeer("203.0.113.7", 4242),  # with a TLV behind it
    tcp4(b"\x04\x0f\xf1" + b"x" * (V2_MAX - 15)): ProxiedPeer("203.0.113.7", 4242),
    tcp6(): ProxiedPeer("2001:db8::7", 4242),
    v2(0x20, 0x00, b""): None,  # LOCAL
    v2(0x20, 0x11, b"\xff" * 12): None,
    v2(0x21, 0x00, b""): None,  # of an unspecified family
}
BAD = [
    b"GET / HTTP/1.1\r\n\r\n",
    b'{"id":1,"method":"mining.subscribe","params":[]}\n',
    b"PROXY TCP4 203.0.113.7 192.0.2.1 4242\r\n",
    b"PROXY TCP4 203.0.113.7 192.0.2.1 4242 99999\r\n",
    b"PROXY TCP4 203.0.113.7 192.0.2.1 04242 3333\r\n",
    b"PROXY TCP4 203.0.113.7 192.0.2.1 -1 3333\r\n",
    b"PROXY TCP4 2001:db8::7 192.0.2.1 4242 3333\r\n",
    b"PROXY TCP6 203.0.113.7 192.0.2.1 4242 3333\r\n",
    b"PROXY TCP4 203.0.113.777 192.0.2.1 4242 3333\r\n",
    b"PROXY TCP4 203.0.113.7  192.0.2.1 4242 3333\r\n",
    b"PROXY UDP4 203.0.113.7 192.0.2.1 4242 3333\r\n",
    b"PROXY TCP6 fe80::1%eth0 2001:db8::1 4242 3333\r\n",
    b"PROXY TCP6 fe80::1%\x1b[31m\n 2001:db8::1 4242 3333\r\n",
    b"PROXY TCP4 203.0.113.7 192.0.2.1 4242 3333\n",
    b"PROXY TCP4 203.0.113.7\xff 192.0.2.1 4242 3333\r\n",
    b"PROXY UNKNOWNS\r\n",
    b"PROXY \r\n\r\n\r\n\r\n",
    b"proxy unknown\r\n",
    b"PROXY UNKNOWN " + b"x" * (V1_MAX - 15) + b"\r\n",
    b"PROXY " + b"x" * 200 + b"\r\n",
    V2_SIGNATURE[:-1] + b"\r" + b"\x20\x00\x00\x00",
    v2(0x11, 0x11, b"\0" * 12),  # of version 1
    v2(0x22, 0x11, b"\0" * 12),  # no such command
    v2(0x21, 0x12, b"\0" * 12),  # UDP
    v2(0x21, 0x31, b"\0" * 216),  # a Unix socket
    v2(0x21, 0x11, b"\0" * 11),
    v2(0x21, 0x21, b"\0" * 35),
    v2(0x21, 0x11, b"", length=V2_MAX + 1),
]
AFTER = b"\x16\x03\x01 what follows"


async def read(*pieces: bytes) -> tuple[ProxiedPeer | None, bytes]:
    """What is read from a socket that gets these pieces, and what is left on it."""
    loop = asyncio.get_running_loop()
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        far.setblocking(False)
        reading = asyncio.create_task(read_proxy_header(loop, near))
        for piece in pieces:
            await loop.sock_sendall(far, piece)
            await asyncio.sleep(0)
        far.shutdown(socket.SHUT_WR)
        peer = await reading
        return peer, await loop.sock_recv(near, 65536)


@pytest.mark.parametrize("header", GOOD, ids=range(len(GOOD)))
async def test_a_header_says_whose_connection_it_is_and_nothing_behind_it_is_taken(
    header: bytes,
) -> None:
    assert await read(header + AFTER) == (GOOD[header], AFTER)


@pytest.mark.parametrize("header", GOOD, ids=range(len(GOOD)))
async def test_a_header_may_come_byte_by_byte(header: bytes) -> None:
    pieces = (header[at : at + 1] for at in range(len(header)))
    assert await read(*pieces) == (GOOD[header], b"")


@pytest.mark.parametrize("header", BAD, ids=range(len(BAD)))
async def test_anything_else_is_refused(header: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        await read(header)


@pytest.mark.parametrize("header", GOOD, ids=range(len(GOOD)))
async def test_a_header_that_is_cut_short_is_refused(header: bytes) -> None:
    for end in {0, 1, 11, 12, 13, len(header) - 1} & set(range(len(header))):
        with pytest.raises(ProxyHeaderError):
            await read(header[:end])


class Piecewise:
    """In the place of loop and socket: data comes in these pieces, however much is asked for."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = [piece for piece in pieces if piece]

    async def sock_recv(self, sock: object, size: int) -> bytes:
        if not self.pieces:
            return b""
        piece, rest = self.pieces[0][:size], self.pieces[0][size:]
        self.pieces[:1] = [rest] if rest else []
        return piece

    def read(self) -> ProxiedPeer | None:
        """Nothing here waits, so that one step is all it takes."""
        reading = read_proxy_header(cast(asyncio.AbstractEventLoop, self), cast(socket.socket, 0))
        try:
            reading.send(None)
        except StopIteration as end:
            return cast(ProxiedPeer | None, end.value)
        raise AssertionError("it waits")

    def outcome(self) -> tuple[ProxiedPeer | str | None, bytes]:
        """What is read, or why not, and what is left."""
        try:
            return self.read(), b"".join(self.pieces)
        except ProxyHeaderError as error:
            return str(error), b"".join(self.pieces)


@pytest.mark.parametrize("data", [*GOOD, *BAD], ids=range(len(GOOD) + len(BAD)))
def test_it_makes_no_difference_where_the_bytes_are_split(data: bytes) -> None:
    whole = Piecewise(data + AFTER).outcome()
    for at in range(len(data) + 1):
        assert Piecewise(data[:at], data[at:] + AFTER).outcome() == whole


BEGINNINGS = st.sampled_from(
    [b"", b"PROXY ", b"PROXY TCP4 1.2.3.4 ", b"PROXY TCP6 ::1 ::", V2_SIGNATURE, *GOOD]
)


@given(BEGINNINGS, st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_are_a_header_or_refused(beginning: bytes, data: bytes, at: int) -> None:
    data = beginning + data
    whole = Piecewise(data).outcome()
    assert Piecewise(data[:at], data[at:]).outcome() == whole
    assert Piecewise(*(bytes([byte]) for byte in data)).outcome() == whole


@given(st.sampled_from(list(GOOD)), st.binary(max_size=50))
def test_nothing_behind_a_header_is_taken(header: bytes, after: bytes) -> None:
    assert Piecewise(header + after).outcome() == (GOOD[header], after)


@given(st.binary(max_size=200))
def test_no_line_of_version_1_raises_anything_else(data: bytes) -> None:
    for line in (data, b"PROXY " + data + b"\r\n", b"PROXY TCP4 " + data + b"\r\n"):
        with contextlib.suppress(ProxyHeaderError):
            parse_v1(line)


@given(st.binary(max_size=60), st.integers(0, 255), st.integers(0, 255))
def test_no_header_of_version_2_raises_anything_else(
    body: bytes, command: int, family: int
) -> None:
    with contextlib.suppress(ProxyHeaderError):
        parse_v2(pack(">BBH", command, family, len(body)), body)
    with contextlib.suppress(ProxyHeaderError):
        Piecewise(v2(command, family, body)).read()
