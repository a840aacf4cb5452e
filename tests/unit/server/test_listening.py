"""Listeners over real sockets, on both loops."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import uvloop

from poolserver.server import listening
from poolserver.server.listening import Listener, ListenerTerms
from poolserver.server.proxy_header import ProxiedPeer
from poolserver.server.tls import ServerCertificate
from tests.unit.server.certificates import Authority

LOOPBACK = (ip_network("127.0.0.0/8"),)
HEADER = b"PROXY TCP4 203.0.113.7 192.0.2.1 4242 3333\r\n"


def pytest_asyncio_loop_factories(config: Any, item: Any) -> dict[str, Any]:
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


class Echo(asyncio.Protocol):
    """Says whose connection it is, then all that comes, back."""

    def __init__(self, peer: ProxiedPeer | None) -> None:
        self.peer = peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        peer = self.peer.host if self.peer else transport.get_extra_info("peername")[0]
        transport.write(f"{peer}\n".encode())

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Port:
    """A listener, and who was refused at it."""

    def __init__(self) -> None:
        self.refused: list[tuple[str, str]] = []
        self.number = 0

    async def talk(
        self, data: bytes, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> bytes:
        """Connect, say something and hear what comes back until it ends."""
        reader, writer = await asyncio.open_connection(host, self.number, ssl=tls)
        writer.write(data)
        try:
            async with asyncio.timeout(5):
                heard = await reader.readline()
                if heard and data:
                    heard += await reader.readline()
                return heard
        except ConnectionError:
            return b""
        finally:
            writer.close()


@asynccontextmanager
async def opened(
    tls: ServerCertificate | None = None,
    proxy_from: Any = (),
    host: str = "127.0.0.1",
    accept: Callable[[ProxiedPeer | None], asyncio.Protocol] = Echo,
) -> AsyncIterator[Port]:
    port = Port()
    listener = Listener(
        ListenerTerms(host, 0, 100, tls, proxy_from),
        accept,
        lambda address, reason: port.refused.append((address, reason)),
    )
    port.number = await listener.open()
    try:
        yield port
    finally:
        listener.close()
        await asyncio.sleep(0.01)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path)
    made.write()
    return made


def certificate(authority: Authority) -> ServerCertificate:
    return ServerCertificate(authority.cert_file, authority.key_file)


async def test_a_plain_listener_takes_connections_as_they_are() -> None:
    async with opened() as port:
        assert await port.talk(b"hello\n") == b"127.0.0.1\nhello\n"


async def test_a_listener_may_be_on_ipv6() -> None:
    async with opened(host="::1") as port:
        assert await port.talk(b"hello\n", "::1") == b"::1\nhello\n"


async def test_a_tls_listener_speaks_tls_and_nothing_else(authority: Authority) -> None:
    async with opened(certificate(authority)) as port:
        assert await port.talk(b"hello\n", tls=authority.client) == b"127.0.0.1\nhello\n"
        assert b"hello" not in await port.talk(b"hello\n")


async def test_a_renewed_certificate_holds_for_new_connections(authority: Authority) -> None:
    in_force = certificate(authority)
    async with opened(in_force) as port:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port.number, ssl=authority.client
        )
        await reader.readline()
        before = writer.get_extra_info("ssl_object").getpeercert()["notAfter"]
        authority.write(2041)
        assert in_force.reload_if_changed()
        writer.write(b"still here\n")
        assert await reader.readline() == b"still here\n"
        other = await asyncio.open_connection("127.0.0.1", port.number, ssl=authority.client)
        after = other[1].get_extra_info("ssl_object").getpeercert()["notAfter"]
        assert before != after
        writer.close()
        other[1].close()


async def test_a_proxy_tells_whose_connection_it_is() -> None:
    async with opened(proxy_from=LOOPBACK) as port:
        assert await port.talk(HEADER + b"hello\n") == b"203.0.113.7\nhello\n"
        assert await port.talk(b"PROXY UNKNOWN\r\nhello\n") == b"127.0.0.1\nhello\n"
        assert port.refused == []


async def test_proxy_protocol_is_for_trusted_sources_only() -> None:
    async with opened(proxy_from=(ip_network("198.51.100.0/24"),)) as port:
        assert await port.talk(HEADER + b"hello\n") == b""
        assert port.refused == [("127.0.0.1", "proxy_untrusted")]


async def test_a_connection_without_a_header_is_refused_where_one_is_expected() -> None:
    async with opened(proxy_from=LOOPBACK) as port:
        assert await port.talk(b'{"id":1,"method":"mining.subscribe","params":[]}\n') == b""
        assert port.refused == [("127.0.0.1", "proxy_header")]


async def test_a_header_that_does_not_come_is_waited_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "HEADER_TIMEOUT_S", 0.02)
    async with opened(proxy_from=LOOPBACK) as port:
        assert await port.talk(b"PROXY TCP4 203.") == b""
        assert port.refused == [("127.0.0.1", "proxy_header")]


async def test_one_that_does_not_send_its_header_delays_nobody() -> None:
    async with opened(proxy_from=LOOPBACK) as port:
        _, silent = await asyncio.open_connection("127.0.0.1", port.number)
        assert await port.talk(HEADER + b"hello\n") == b"203.0.113.7\nhello\n"
        silent.close()


async def test_behind_the_header_there_may_be_tls(authority: Authority) -> None:
    async with opened(certificate(authority), proxy_from=LOOPBACK) as port:
        loop = asyncio.get_running_loop()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = authority.client.wrap_bio(incoming, outgoing, server_hostname="localhost")
        reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
        head = HEADER  # in one piece with TLS's first bytes
        said = b""
        deadline = loop.time() + 5
        is_shaken = False
        while not said.endswith(b"hello\n") and loop.time() < deadline:
            try:
                if not is_shaken:
                    tls.do_handshake()
                    is_shaken = True
                    tls.write(b"hello\n")
                said += tls.read()
            except ssl.SSLWantReadError:
                writer.write(head + outgoing.read())
                head = b""
                incoming.write(await reader.read(65536))
        assert said == b"203.0.113.7\nhello\n"
        writer.close()


async def test_after_close_nobody_is_let_in_and_who_is_in_stays() -> None:
    for proxy_from in ((), LOOPBACK):
        port = Port()
        terms = ListenerTerms("127.0.0.1", 0, 100, None, proxy_from)
        listener = Listener(terms, Echo, lambda *refused: None)
        port.number = await listener.open()
        reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
        writer.write(HEADER if proxy_from else b"")
        await reader.readline()
        listener.close()
        await asyncio.sleep(0.01)
        writer.write(b"still here\n")
        assert await reader.readline() == b"still here\n"
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", port.number)
        writer.close()


async def test_an_address_that_is_taken_is_an_error() -> None:
    async with opened() as port:
        for proxy_from in ((), LOOPBACK):
            taken = ListenerTerms("127.0.0.1", port.number, 100, None, proxy_from)
            with pytest.raises(OSError, match="in use"):
                await Listener(taken, Echo, lambda *refused: None).open()
