"""The PROXY protocol: a proxy says whose connection it hands on, in front of all else.

Source: "The PROXY protocol, versions 1 & 2" (haproxy.org). A receiver must take it from proxies
that it trusts alone, and must not guess whether it is there.
"""

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address
from struct import Struct
from typing import NamedTuple

V2_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
# The shortest first line, "PROXY UNKNOWN\r\n", has 15 bytes and version 2's signature 12: so many
# can be read before it is known which one it is, and nothing of what follows is taken.
FIRST_READ = 12
V1_MAX = 107  # by the source: the longest line with two IPv6 addresses
# The addresses take 36 bytes; the rest is what proxies add about TLS, of which none is as long.
V2_MAX = 4096
LOCAL, PROXY = 0x20, 0x21  # version 2 in the upper half of the byte, the command in the lower
UNSPEC, TCP4, TCP6 = 0x00, 0x11, 0x21

_V2_REST = Struct(">BBH")
_TCP4 = Struct(">4s4sHH")
_TCP6 = Struct(">16s16sHH")


class ProxyHeaderError(ValueError):
    """What came is no PROXY header that a TCP connection can have."""


class ProxiedPeer(NamedTuple):
    """Whose connection it is."""

    host: str
    port: int


def parse_v1(line: bytes) -> ProxiedPeer | None:
    """A first line, its CRLF included; None for ``UNKNOWN``: the proxy speaks for itself.

    Raises:
        ProxyHeaderError: it is none.
    """
    if len(line) > V1_MAX or not line.startswith(b"PROXY ") or not line.endswith(b"\r\n"):
        raise ProxyHeaderError("not a PROXY line")
    words = line[6:-2].split(b" ")
    if words[0] == b"UNKNOWN":
        return None  # whatever stands behind it
    if len(words) != 5 or words[0] not in (b"TCP4", b"TCP6"):
        raise ProxyHeaderError("a PROXY line has a protocol, two addresses and two ports")
    family: type[IPv4Address | IPv6Address] = IPv4Address if words[0] == b"TCP4" else IPv6Address
    try:
        source, _ = (_address(word, family) for word in words[1:3])
    except ValueError:
        raise ProxyHeaderError("a PROXY line has an address that is none") from None
    source_port, _ = (_port(word) for word in words[3:])
    return ProxiedPeer(str(source), source_port)


def _address(word: bytes, family: type[IPv4Address | IPv6Address]) -> IPv4Address | IPv6Address:
    if b"%" in word:  # a zone, which may be any text, means something on the proxy alone
        raise ValueError
    return family(word.decode("ascii"))


def _port(word: bytes) -> int:
    if not (word.isdigit() and len(word) <= 5 and int(word) <= 0xFFFF) or word != b"%d" % int(word):
        raise ProxyHeaderError("a PROXY line has a port that is none")
    return int(word)


def v2_length(rest: bytes) -> int:
    """How many bytes follow the 4 that stand behind version 2's signature.

    Raises:
        ProxyHeaderError: they are not of version 2, or there are too many.
    """
    command, _, length = _V2_REST.unpack(rest)
    if command not in (LOCAL, PROXY):
        raise ProxyHeaderError("neither LOCAL nor PROXY of version 2")
    if length > V2_MAX:
        raise ProxyHeaderError(f"a header of {length} bytes")
    return int(length)


def parse_v2(rest: bytes, body: bytes) -> ProxiedPeer | None:
    """The 4 bytes behind the signature and what follows; None where the proxy speaks for itself.

    Raises:
        ProxyHeaderError: it is not of TCP, or too short.
    """
    command, family, _ = _V2_REST.unpack(rest)
    if command == LOCAL or family == UNSPEC:
        return None  # a check of the proxy's own
    if family == TCP4 and len(body) >= _TCP4.size:
        source, _, port, _ = _TCP4.unpack_from(body)
        return ProxiedPeer(str(IPv4Address(source)), port)
    if family == TCP6 and len(body) >= _TCP6.size:
        source, _, port, _ = _TCP6.unpack_from(body)
        return ProxiedPeer(str(IPv6Address(source)), port)
    raise ProxyHeaderError("not of TCP over IPv4 or IPv6, or too short")


async def read_proxy_header(
    loop: asyncio.AbstractEventLoop, sock: socket.socket
) -> ProxiedPeer | None:
    """Read a header of either version from a non-blocking socket, and not a byte more.

    What follows, TLS or Stratum, is left to whoever reads next.

    Raises:
        ProxyHeaderError: it is none.
        OSError: the connection was lost.
    """
    first = await _read(loop, sock, FIRST_READ)
    if first == V2_SIGNATURE:
        rest = await _read(loop, sock, _V2_REST.size)
        return parse_v2(rest, await _read(loop, sock, v2_length(rest)))
    if not first.startswith(b"PROXY "):
        raise ProxyHeaderError("neither version of a PROXY header")
    line = bytearray(first)
    while not line.endswith(b"\r\n"):
        if len(line) >= V1_MAX:
            raise ProxyHeaderError("a PROXY line without an end")
        line += await _read(loop, sock, 1)
    return parse_v1(bytes(line))


async def _read(loop: asyncio.AbstractEventLoop, sock: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = await loop.sock_recv(sock, size - len(data))
        if not piece:
            raise ProxyHeaderError("the connection ended within the header")
        data += piece
    return bytes(data)
