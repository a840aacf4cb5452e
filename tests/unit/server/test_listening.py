"""Listeners over real sockets, on both loops."""

import asyncio
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import uvloop
from structlog.testing import capture_logs

from poolserver.server import listening
from poolserver.server.listening import Listener, ListenerTerms, is_among
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
    """A listener, who was refused at it, and whom it let in."""

    def __init__(self) -> None:
        self.refused: list[tuple[str, str]] = []
        self.number = 0
        self.listener: Listener
        self.let_in: list[Echo] = []

    def accept(self, peer: ProxiedPeer | None) -> asyncio.Protocol:
        self.let_in.append(Echo(peer))
        return self.let_in[-1]

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
    accept: Callable[[ProxiedPeer | None], asyncio.Protocol] | None = None,
) -> AsyncIterator[Port]:
    port = Port()
    listener = port.listener = Listener(
        ListenerTerms(host, 0, 100, tls, proxy_from),
        accept or port.accept,
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


class ProxiedTls:
    """A rig that speaks TLS through a proxy: the header goes before TLS's first bytes."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self._reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def connect(self, port: int, header: bytes = HEADER) -> None:
        """Header and ClientHello, in one segment."""
        self._reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises(ssl.SSLWantReadError):
            self._tls.do_handshake()
        self.writer.write(header + self._outgoing.read())

    async def heard_something(self) -> None:
        self._incoming.write(await self._reader.read(65536))

    async def handshake(self) -> None:
        await self._until(self._tls.do_handshake)

    async def handshake_and_hear(self) -> bytes:
        await self.handshake()
        return await self.hear()

    def say(self, data: bytes) -> None:
        self._tls.write(data)
        self.writer.write(self._outgoing.read())

    async def hear(self) -> bytes:
        return bytes(await self._until(self._tls.read))

    async def _until(self, step: Callable[[], Any]) -> Any:
        async with asyncio.timeout(5):
            while True:
                try:
                    result = step()
                except ssl.SSLWantReadError:
                    self.writer.write(self._outgoing.read())
                    piece = await self._reader.read(65536)
                    if not piece:
                        raise ConnectionResetError from None
                    self._incoming.write(piece)
                else:
                    self.writer.write(self._outgoing.read())
                    return result


async def test_behind_the_header_there_may_be_tls(authority: Authority) -> None:
    async with opened(certificate(authority), proxy_from=LOOPBACK) as port:
        rig = ProxiedTls(authority.client)
        await rig.connect(port.number)
        assert await rig.handshake_and_hear() == b"203.0.113.7\n"
        rig.say(b"hello\n")
        assert await rig.hear() == b"hello\n"
        rig.writer.close()


async def test_a_renewed_certificate_touches_no_proxied_session_that_lives(
    authority: Authority,
) -> None:
    in_force = certificate(authority)
    async with opened(in_force, proxy_from=LOOPBACK) as port:
        before, after = ProxiedTls(authority.client), ProxiedTls(authority.client)
        await before.connect(port.number)
        assert await before.handshake_and_hear() == b"203.0.113.7\n"
        authority.write(2041)
        assert in_force.reload_if_changed()
        await after.connect(port.number)
        await after.handshake()
        before.say(b"still here\n")
        assert await before.hear() == b"still here\n"
        shown = [rig._tls.getpeercert() or {} for rig in (before, after)]
        assert [str(each["notAfter"])[-8:-4] for each in shown] == ["2040", "2041"]
        before.writer.close()
        after.writer.close()


async def test_slow_handshakes_behind_a_proxy_keep_nobody_out(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MAX_HEADERS", 2)
    async with opened(certificate(authority), proxy_from=LOOPBACK) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port.number) for _ in range(4)]
        for _, writer in silent:
            writer.write(HEADER)  # and no handshake
        rig = ProxiedTls(authority.client)
        await rig.connect(port.number)
        assert await rig.handshake_and_hear() == b"203.0.113.7\n"
        for writer in (rig.writer, *(writer for _, writer in silent)):
            writer.close()


async def test_no_more_headers_are_read_at_once_than_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "MAX_HEADERS", 2)
    async with opened(proxy_from=LOOPBACK) as port:
        slow = [await asyncio.open_connection("127.0.0.1", port.number) for _ in range(2)]
        await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
        writer.write(HEADER)
        await asyncio.sleep(0.01)
        assert port.let_in == []
        slow[0][1].write(HEADER)  # one is done, and the next has its turn
        assert await slow[0][0].readline() == b"203.0.113.7\n"
        assert await reader.readline() == b"203.0.113.7\n"
        for _, each in (*slow, (reader, writer)):
            each.close()


async def test_a_failed_handshake_makes_no_session(authority: Authority) -> None:
    for proxy_from, head in (((), b""), (LOOPBACK, HEADER)):
        async with opened(certificate(authority), proxy_from=proxy_from) as port:
            assert b"hello" not in await port.talk(head + b"hello\n")
            assert port.let_in == []


async def test_an_error_in_making_a_session_is_told_and_ends_that_connection_alone() -> None:
    def broken(peer: ProxiedPeer | None) -> asyncio.Protocol:
        if peer is not None:
            raise ZeroDivisionError
        return Echo(peer)

    async with opened(proxy_from=LOOPBACK, accept=broken) as port:
        with capture_logs() as logs:
            assert await port.talk(HEADER + b"hello\n") == b""
        assert [each["event"] for each in logs] == ["connection_lost_to_an_error"]
        assert await port.talk(b"PROXY UNKNOWN\r\nhello\n") == b"127.0.0.1\nhello\n"


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    """Until the end of the block this process can open no file more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as probe:
        lowest_free = probe.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_where_no_descriptor_is_left_it_is_told_once_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "ACCEPT_RETRY_S", 0.001)
    loop = asyncio.get_running_loop()
    async with opened(proxy_from=LOOPBACK) as port:
        with socket.socket() as rig:
            rig.setblocking(False)
            with capture_logs() as logs, no_descriptors_left():
                await loop.sock_connect(rig, ("127.0.0.1", port.number))
                await loop.sock_sendall(rig, HEADER)
                await asyncio.sleep(0.05)  # for many tries
                assert port.let_in == []
            assert await loop.sock_recv(rig, 100) == b"203.0.113.7\n"
    assert [each["event"] for each in logs] == ["cannot_accept"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("11.1.2.3", False),
        ("::ffff:11.1.2.3", False),
        ("2001:db8::1", True),
        ("fe80::1%eth0", True),
        ("2001:db9::1", False),
    ],
)
def test_an_ipv4_mapped_source_is_among_ipv4_networks(host: str, expected: bool) -> None:
    networks = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"), ip_network("fe80::/10"))
    assert is_among(host, networks) == expected


# --- the end -----------------------------------------------------------------------------


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


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
async def test_where_one_address_of_a_host_cannot_be_bound_none_is_kept(
    family: socket.AddressFamily,
) -> None:
    with socket.create_server(("", 0), family=family) as taken:
        port = taken.getsockname()[1]
        terms = ListenerTerms("", port, 100, None, LOOPBACK)
        with pytest.raises(OSError, match="in use"):
            await Listener(terms, Echo, lambda *refused: None).open()
        await asyncio.sleep(0.01)
        other = "::1" if family is socket.AF_INET else "127.0.0.1"
        with pytest.raises(ConnectionError):
            await asyncio.open_connection(other, port)


async def test_a_listener_may_be_on_all_addresses() -> None:
    async with opened(proxy_from=LOOPBACK, host="") as port:
        assert await port.talk(HEADER + b"hello\n") == b"203.0.113.7\nhello\n"


@pytest.mark.parametrize("is_proxied", [False, True])
async def test_a_handshake_under_way_at_the_close_makes_no_session(
    authority: Authority, is_proxied: bool
) -> None:
    proxy_from = LOOPBACK if is_proxied else ()
    async with opened(certificate(authority), proxy_from=proxy_from) as port:
        loop = asyncio.get_running_loop()
        rig = ProxiedTls(authority.client)
        await rig.connect(port.number, HEADER if is_proxied else b"")
        await rig.heard_something()  # the server's half of the handshake
        port.listener.close()
        started = loop.time()
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await rig.handshake_and_hear()
        assert loop.time() - started < 2
        assert port.let_in == []
        rig.writer.close()


async def test_a_header_under_way_at_the_close_makes_no_session() -> None:
    async with opened(proxy_from=LOOPBACK) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
        writer.write(HEADER[:20])
        await asyncio.sleep(0.01)
        port.listener.close()
        port.listener.close()  # once more is no trouble
        assert await reader.read() == b""
        assert port.let_in == []
        assert port.refused == []
        writer.close()
