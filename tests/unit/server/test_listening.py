"""Listeners over real sockets, on both loops."""

import asyncio
import random
import resource
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import uvloop
from structlog.testing import capture_logs

from poolserver.server import listening
from poolserver.server.admission import Address
from poolserver.server.listening import Listener, ListenerTerms, is_among
from poolserver.server.proxy_header import ProxiedPeer
from poolserver.server.terms import networks
from poolserver.server.tls import ServerCertificate
from tests.unit.server.certificates import Authority
from tests.unit.server.rig_loop import rig_sockets

if TYPE_CHECKING:
    from poolserver._native._sharecheck import RigSockets

LOOPBACK = (ip_network("127.0.0.0/8"),)
HEADER = b"PROXY TCP4 203.0.113.7 192.0.2.1 4242 3333\r\n"


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
}


@pytest.fixture(params=LOOPS.values(), ids=LOOPS, autouse=True)
def _asyncio_loop_factory(request: pytest.FixtureRequest) -> Any:
    """Takes the place of pytest-asyncio's own; its hook for this is heard from a conftest alone."""
    return request.param


class Echo(asyncio.Protocol):
    """Says whose connection it is, then all that comes, back."""

    def __init__(self, peer: ProxiedPeer | None) -> None:
        self.peer = peer
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        peer = self.peer.host if self.peer else transport.get_extra_info("peername")[0]
        self.transport.write(f"{peer}\n".encode())

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)


class Port:
    """A listener and the door behind it, which remembers what it was asked and told."""

    def __init__(self) -> None:
        self.refusals: list[tuple[str, str]] = []
        self.number = 0
        self.listener: Listener
        self.let_in: list[Echo] = []
        self.admitted: list[Address] = []
        self.given_up: list[Address] = []
        self.taken: list[Address | None] = []
        """The addresses that came with those let in."""
        self.closed_at_once: list[str] = []
        self.clients: list[asyncio.StreamWriter] = []
        self.limit = 1000
        self.new_session: Callable[[ProxiedPeer | None], Echo] = Echo
        self.banned: set[str] = set()

    def admit(self, host: str) -> Address | None:
        under_way = len(self.admitted) - len(self.given_up)
        if host in self.banned or under_way >= self.limit:
            self.closed_at_once.append(host)
            return None
        self.admitted.append(Address(host, trusted=False))
        return self.admitted[-1]

    def give_up(self, address: Address) -> None:
        self.given_up.append(address)

    def accept(self, peer: ProxiedPeer | None, address: Address | None) -> asyncio.Protocol:
        self.taken.append(address)
        self.let_in.append(self.new_session(peer))
        return self.let_in[-1]

    def take_in(self, rig_socket: object) -> asyncio.Protocol:
        return self.accept(None, None)

    def refused(self, host: str, reason: str) -> None:
        self.refusals.append((host, reason))

    async def connect(
        self, data: bytes = b"", host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(host, self.number, ssl=tls)
        self.clients.append(writer)
        writer.write(data)
        return reader, writer

    async def talk(
        self, data: bytes, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> bytes:
        """Connect, say something and hear what comes back until it ends."""
        reader, _ = await self.connect(data, host, tls)
        try:
            async with asyncio.timeout(5):
                heard = await reader.readline()
                if heard and data:
                    heard += await reader.readline()
                return heard
        except ConnectionError:
            return b""

    async def end(self) -> None:
        """Close all that is open: uvloop ends with nothing that is not."""
        self.listener.close()
        for writer in self.clients:
            writer.transport.abort()
        for session in self.let_in:
            if session.transport is not None:
                session.transport.abort()
        await asyncio.sleep(0.01)


@asynccontextmanager
async def opened(
    tls: ServerCertificate | None = None,
    proxy_from: Any = (),
    host: str = "127.0.0.1",
    new_session: Callable[[ProxiedPeer | None], Echo] = Echo,
    sockets: "RigSockets | None" = None,
) -> AsyncIterator[Port]:
    port = Port()
    port.new_session = new_session
    terms = ListenerTerms(host, 0, 100, tls, proxy_from)
    listener = port.listener = Listener(terms, port, sockets)
    port.number = await listener.open()
    try:
        yield port
    finally:
        await port.end()


@pytest.fixture(params=[False, True], ids=["the loop's", "ours"])
async def sockets(request: pytest.FixtureRequest) -> AsyncIterator["RigSockets | None"]:
    """Whose the connections of plain listeners are: None for the event loop's."""
    if not request.param:
        yield None
        return
    async with rig_sockets() as sockets:
        yield sockets


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until something holds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what happens at a socket sets no event
            await asyncio.sleep(0.001)


async def test_these_tests_run_on_the_loop_that_they_are_named_for(
    request: pytest.FixtureRequest,
) -> None:
    name = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    assert f"[{name}]" in request.node.name


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path)
    made.write()
    return made


def certificate(authority: Authority) -> ServerCertificate:
    return ServerCertificate(authority.cert_file, authority.key_file)


async def test_a_plain_listener_takes_connections_as_they_are(
    sockets: "RigSockets | None",
) -> None:
    async with opened(sockets=sockets) as port:
        assert await port.talk(b"hello\n") == b"127.0.0.1\nhello\n"


async def test_a_listener_may_be_on_ipv6(sockets: "RigSockets | None") -> None:
    async with opened(host="::1", sockets=sockets) as port:
        assert await port.talk(b"hello\n", "::1") == b"::1\nhello\n"


async def test_a_tls_listener_speaks_tls_and_nothing_else(authority: Authority) -> None:
    async with opened(certificate(authority)) as port:
        assert await port.talk(b"hello\n", tls=authority.client) == b"127.0.0.1\nhello\n"
        assert b"hello" not in await port.talk(b"hello\n")


async def test_a_renewed_certificate_holds_for_new_connections(authority: Authority) -> None:
    in_force = certificate(authority)
    async with opened(in_force) as port:
        reader, writer = await port.connect(tls=authority.client)
        await reader.readline()
        before = writer.get_extra_info("ssl_object").getpeercert()["notAfter"]
        authority.write(2041)
        assert in_force.reload_if_changed()
        writer.write(b"still here\n")
        assert await reader.readline() == b"still here\n"
        other = await port.connect(tls=authority.client)
        after = other[1].get_extra_info("ssl_object").getpeercert()["notAfter"]
        assert before != after


async def test_a_proxy_tells_whose_connection_it_is() -> None:
    async with opened(proxy_from=LOOPBACK) as port:
        assert await port.talk(HEADER + b"hello\n") == b"203.0.113.7\nhello\n"
        assert await port.talk(b"PROXY UNKNOWN\r\nhello\n") == b"127.0.0.1\nhello\n"
        assert port.refusals == []


async def test_proxy_protocol_is_for_trusted_sources_only() -> None:
    async with opened(proxy_from=(ip_network("198.51.100.0/24"),)) as port:
        assert await port.talk(HEADER + b"hello\n") == b""
        assert port.refusals == [("127.0.0.1", "proxy_untrusted")]


async def test_a_connection_without_a_header_is_refused_where_one_is_expected() -> None:
    async with opened(proxy_from=LOOPBACK) as port:
        assert await port.talk(b'{"id":1,"method":"mining.subscribe","params":[]}\n') == b""
        assert port.refusals == [("127.0.0.1", "proxy_header")]


async def test_a_header_that_does_not_come_is_waited_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "HEADER_TIMEOUT_S", 0.02)
    async with opened(proxy_from=LOOPBACK) as port:
        assert await port.talk(b"PROXY TCP4 203.") == b""
        assert port.refusals == [("127.0.0.1", "proxy_header")]


async def test_one_that_does_not_send_its_header_delays_nobody() -> None:
    async with opened(proxy_from=LOOPBACK) as port:
        await port.connect()
        assert await port.talk(HEADER + b"hello\n") == b"203.0.113.7\nhello\n"


class ProxiedTls:
    """A rig that speaks TLS through a proxy: the header goes before TLS's first bytes."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self._reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def connect(self, port: Port, header: bytes = HEADER) -> None:
        """Header and ClientHello, in one segment."""
        self._reader, self.writer = await port.connect()
        with pytest.raises(ssl.SSLWantReadError):
            self._tls.do_handshake()
        self.writer.write(header + self._outgoing.read())

    async def heard_something(self) -> None:
        self._incoming.write(await self._reader.read(65536))

    async def hear_raw(self) -> bytes:
        """All that comes to the end, as it is on the wire."""
        return await all_that_comes(self._reader)

    def send_what_is_left(self) -> None:
        self.writer.write(self._outgoing.read())

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
        await rig.connect(port)
        assert await rig.handshake_and_hear() == b"203.0.113.7\n"
        rig.say(b"hello\n")
        assert await rig.hear() == b"hello\n"


async def test_a_renewed_certificate_touches_no_proxied_session_that_lives(
    authority: Authority,
) -> None:
    in_force = certificate(authority)
    async with opened(in_force, proxy_from=LOOPBACK) as port:
        before, after = ProxiedTls(authority.client), ProxiedTls(authority.client)
        await before.connect(port)
        assert await before.handshake_and_hear() == b"203.0.113.7\n"
        authority.write(2041)
        assert in_force.reload_if_changed()
        await after.connect(port)
        await after.handshake()
        before.say(b"still here\n")
        assert await before.hear() == b"still here\n"
        shown = [rig._tls.getpeercert() or {} for rig in (before, after)]
        assert [str(each["notAfter"])[-8:-4] for each in shown] == ["2040", "2041"]


async def test_slow_handshakes_behind_a_proxy_keep_nobody_out(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MAX_HEADERS", 2)
    async with opened(certificate(authority), proxy_from=LOOPBACK) as port:
        silent = [await port.connect() for _ in range(4)]
        for _, writer in silent:
            writer.write(HEADER)  # and no handshake
        rig = ProxiedTls(authority.client)
        await rig.connect(port)
        assert await rig.handshake_and_hear() == b"203.0.113.7\n"


async def test_no_more_headers_are_read_at_once_than_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "MAX_HEADERS", 2)
    async with opened(proxy_from=LOOPBACK) as port:
        slow = [await port.connect() for _ in range(2)]
        await asyncio.sleep(0.01)
        reader, writer = await port.connect()
        writer.write(HEADER)
        await asyncio.sleep(0.01)
        assert port.let_in == []
        slow[0][1].write(HEADER)  # one is done, and the next has its turn
        assert await slow[0][0].readline() == b"203.0.113.7\n"
        assert await reader.readline() == b"203.0.113.7\n"


async def test_a_failed_handshake_makes_no_session(authority: Authority) -> None:
    for proxy_from, head in (((), b""), (LOOPBACK, HEADER)):
        async with opened(certificate(authority), proxy_from=proxy_from) as port:
            assert b"hello" not in await port.talk(head + b"hello\n")
            assert port.let_in == []


async def test_an_error_in_making_a_session_is_told_and_ends_that_connection_alone() -> None:
    def broken(peer: ProxiedPeer | None) -> Echo:
        if peer is not None:
            raise ZeroDivisionError
        return Echo(peer)

    async with opened(proxy_from=LOOPBACK, new_session=broken) as port:
        with capture_logs() as logs:
            assert await port.talk(HEADER + b"hello\n") == b""
        assert [each["event"] for each in logs] == ["connection_lost_to_an_error"]
        assert await port.talk(b"PROXY UNKNOWN\r\nhello\n") == b"127.0.0.1\nhello\n"


# --- admission ---------------------------------------------------------------------------


async def test_on_a_plain_listener_the_session_asks_for_admission_itself(
    sockets: "RigSockets | None",
) -> None:
    async with opened(sockets=sockets) as port:
        port.banned.add("127.0.0.1")
        assert await port.talk(b"hello\n") == b"127.0.0.1\nhello\n"
        assert port.admitted == []
        assert port.taken == [None]


async def test_behind_a_proxy_the_host_that_it_names_is_admitted() -> None:
    async with opened(proxy_from=LOOPBACK) as port:
        port.banned.add("127.0.0.1")
        assert await port.talk(HEADER + b"hello\n") == b"203.0.113.7\nhello\n"
        assert [each.key for each in port.admitted] == ["203.0.113.7"]
        assert port.taken == port.admitted


async def test_a_proxy_that_speaks_for_itself_is_admitted_as_any_host() -> None:
    async with opened(proxy_from=LOOPBACK) as port:
        port.banned.add("127.0.0.1")
        assert await port.talk(b"PROXY UNKNOWN\r\nhello\n") == b""
        assert port.closed_at_once == ["127.0.0.1"]
        assert port.let_in == []


async def test_with_tls_the_sockets_own_peer_is_admitted(authority: Authority) -> None:
    async with opened(certificate(authority)) as port:
        assert await port.talk(b"hello\n", tls=authority.client) == b"127.0.0.1\nhello\n"
        assert [each.key for each in port.admitted] == ["127.0.0.1"]
        assert port.taken == port.admitted
        assert port.given_up == []


async def test_what_is_refused_for_its_header_is_never_admitted() -> None:
    async with opened(proxy_from=LOOPBACK) as port:
        assert await port.talk(b"GET / HTTP/1.1\r\n") == b""
        assert port.refusals == [("127.0.0.1", "proxy_header")]
        assert port.admitted == []


BEHIND = [pytest.param((), b"", id="direct"), pytest.param(LOOPBACK, HEADER, id="proxied")]


async def all_that_comes(reader: asyncio.StreamReader) -> bytes:
    """What comes until the end, which a reset is too."""
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionError:
        return b""


@pytest.mark.parametrize(("proxy_from", "head"), BEHIND)
async def test_silent_tls_sockets_fill_the_limit_and_the_next_are_closed_at_once(
    authority: Authority, proxy_from: Any, head: bytes
) -> None:
    async with opened(certificate(authority), proxy_from=proxy_from) as port:
        port.limit = 2
        silent = [await port.connect(head) for _ in range(2)]
        await until(lambda: len(port.admitted) == 2)
        for _ in range(20):
            reader, _ = await port.connect(head)
            assert await all_that_comes(reader) == b""
        assert len(port.closed_at_once) == 20
        assert len(port.admitted) == 2
        silent[0][1].close()  # one leaves, and there is room again
        await until(lambda: len(port.given_up) == 1)
        rig = ProxiedTls(authority.client)
        await rig.connect(port, head)
        assert b"\n" in await rig.handshake_and_hear()


@pytest.mark.parametrize(("proxy_from", "head"), BEHIND)
async def test_a_banned_host_gets_not_a_byte_of_tls(
    authority: Authority, proxy_from: Any, head: bytes
) -> None:
    async with opened(certificate(authority), proxy_from=proxy_from) as port:
        port.banned = {"127.0.0.1", "203.0.113.7"}
        rig = ProxiedTls(authority.client)
        await rig.connect(port, head)
        assert await rig.hear_raw() == b""
        assert port.closed_at_once == ["203.0.113.7" if head else "127.0.0.1"]
        assert (port.admitted, port.let_in, port.given_up) == ([], [], [])


# --- each admitted connection is accepted or given up ------------------------------------

Failure = Callable[[Port, Authority, bytes], Awaitable[None]]


async def speaks_no_tls(port: Port, authority: Authority, head: bytes) -> None:
    reader, _ = await port.connect(head + b"hello\n")
    await all_that_comes(reader)


async def says_nothing(port: Port, authority: Authority, head: bytes) -> None:
    reader, _ = await port.connect(head)
    assert await all_that_comes(reader) == b""  # the time-out


async def leaves_before_it(port: Port, authority: Authority, head: bytes) -> None:
    _, writer = await port.connect(head)
    await until(lambda: bool(port.admitted))
    writer.close()


async def leaves_within_it(port: Port, authority: Authority, head: bytes) -> None:
    rig = ProxiedTls(authority.client)
    await rig.connect(port, head)
    await rig.heard_something()
    rig.writer.close()


async def resets_within_it(port: Port, authority: Authority, head: bytes) -> None:
    rig = ProxiedTls(authority.client)
    await rig.connect(port, head)
    await rig.heard_something()
    sock = rig.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    rig.writer.transport.abort()


async def trusts_it_not(port: Port, authority: Authority, head: bytes) -> None:
    rig = ProxiedTls(ssl.create_default_context())
    await rig.connect(port, head)
    with pytest.raises(ssl.SSLCertVerificationError):
        await rig.handshake()
    rig.send_what_is_left()  # the alert
    await rig.hear_raw()


async def is_there_at_the_close(port: Port, authority: Authority, head: bytes) -> None:
    rig = ProxiedTls(authority.client)
    await rig.connect(port, head)
    await rig.heard_something()
    port.listener.close()


async def is_silent_at_the_close(port: Port, authority: Authority, head: bytes) -> None:
    reader, _ = await port.connect(head)
    await until(lambda: bool(port.admitted))
    port.listener.close()
    assert await all_that_comes(reader) == b""


async def is_cancelled(port: Port, authority: Authority, head: bytes) -> None:
    """As at the end of the loop, which asks nobody."""
    reader, _ = await port.connect(head)
    await until(lambda: bool(port.admitted))
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    assert await all_that_comes(reader) == b""


FAILURES: list[Failure] = [
    speaks_no_tls,
    says_nothing,
    leaves_before_it,
    leaves_within_it,
    resets_within_it,
    trusts_it_not,
    is_there_at_the_close,
    is_silent_at_the_close,
    is_cancelled,
]


@pytest.mark.parametrize(("proxy_from", "head"), BEHIND)
@pytest.mark.parametrize("fails", FAILURES)
async def test_a_handshake_that_fails_gives_its_place_up_once(
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    proxy_from: Any,
    head: bytes,
    fails: Failure,
) -> None:
    if fails is says_nothing:
        monkeypatch.setattr(listening, "TLS_HANDSHAKE_TIMEOUT_S", 0.02)
    async with opened(certificate(authority), proxy_from=proxy_from) as port:
        with capture_logs() as logs:
            await fails(port, authority, head)
            await until(lambda: bool(port.given_up))
            port.listener.close()
            await asyncio.sleep(0.01)
        assert port.given_up == port.admitted
        assert len(port.given_up) == 1
        assert port.taken == []
        assert logs == []


@pytest.mark.parametrize("is_tls", [False, True])
async def test_one_whose_session_cannot_be_made_is_given_up(
    authority: Authority, is_tls: bool
) -> None:
    def broken(peer: ProxiedPeer | None) -> Echo:
        raise ZeroDivisionError

    tls = certificate(authority) if is_tls else None
    async with opened(tls, proxy_from=LOOPBACK, new_session=broken) as port:
        with capture_logs() as logs:
            if is_tls:
                rig = ProxiedTls(authority.client)
                await rig.connect(port)
                with pytest.raises(ConnectionError):
                    await rig.handshake_and_hear()
            else:
                assert await port.talk(HEADER) == b""
            await until(lambda: bool(port.given_up))
        assert [each["event"] for each in logs] == ["connection_lost_to_an_error"]
        assert port.given_up == port.admitted
        assert len(port.given_up) == 1


class Ends(Echo):
    """A session that ends in its first moment, as one does when there is no work for it."""

    is_error = False

    def __init__(self, peer: ProxiedPeer | None) -> None:
        super().__init__(peer)
        self.lost = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        if self.is_error:
            raise ZeroDivisionError
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost += 1


class Fails(Ends):
    is_error = True


@pytest.mark.parametrize("kind", [Ends, Fails])
@pytest.mark.parametrize("is_tls", [False, True])
async def test_a_session_that_ends_as_it_begins_was_accepted_and_is_told_of_its_end(
    authority: Authority, kind: type[Ends], is_tls: bool
) -> None:
    tls = certificate(authority) if is_tls else None
    async with opened(tls, proxy_from=LOOPBACK, new_session=kind) as port:
        with capture_logs() as logs:
            if is_tls:
                rig = ProxiedTls(authority.client)
                await rig.connect(port)
                with pytest.raises(ConnectionError):
                    await rig.handshake_and_hear()
            else:
                assert await port.talk(HEADER) == b""
            port.listener.close()
            await asyncio.sleep(0.01)
        [session] = port.let_in
        assert isinstance(session, Ends)
        assert session.lost == 1
        assert port.taken == port.admitted
        assert port.given_up == []
        assert len(logs) == kind.is_error


async def test_in_a_crowd_of_all_kinds_each_is_accepted_or_given_up_and_never_both(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "TLS_HANDSHAKE_TIMEOUT_S", 0.5)
    monkeypatch.setattr(listening, "MAX_HANDSHAKES", 5)
    monkeypatch.setattr(listening, "MAX_HEADERS", 5)
    chance = random.Random(5)
    kinds = [speaks_no_tls, says_nothing, leaves_within_it, resets_within_it, trusts_it_not]

    async def good(port: Port, authority: Authority, head: bytes) -> None:
        rig = ProxiedTls(authority.client)
        await rig.connect(port, head)
        await rig.handshake_and_hear()

    async def one(kind: Failure) -> None:
        try:
            async with asyncio.timeout(5):
                await kind(port, authority, HEADER)
        except OSError:  # closed in the midst
            pass

    async with opened(certificate(authority), proxy_from=LOOPBACK) as port:
        crowd = [asyncio.create_task(one(chance.choice([good, good, *kinds]))) for _ in range(60)]
        await until(lambda: len(port.let_in) >= 10)
        port.listener.close()
        await asyncio.gather(*crowd)
        await until(lambda: len(port.given_up) + len(port.taken) == len(port.admitted))
    ended = [*port.given_up, *port.taken]
    assert len({id(each) for each in ended}) == len(ended) == len(port.admitted)
    assert all(each.transport is not None for each in port.let_in)  # its connection was made


async def test_one_that_waits_for_its_handshake_is_given_up_at_the_close(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MAX_HANDSHAKES", 1)
    async with opened(certificate(authority)) as port:
        peers = [await port.connect() for _ in range(2)]
        await until(lambda: len(port.admitted) == 2)
        port.listener.close()
        for reader, _ in peers:
            assert await all_that_comes(reader) == b""
        assert {id(each) for each in port.given_up} == {id(each) for each in port.admitted}
        assert len(port.given_up) == 2


async def test_one_whose_introduction_never_began_is_closed(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(certificate(authority)) as port:
        start = port.listener._start

        def start_and_close(*arguments: Any) -> None:
            start(*arguments)
            port.listener.close()

        monkeypatch.setattr(port.listener, "_start", start_and_close)
        reader, _ = await port.connect()
        assert await all_that_comes(reader) == b""
        assert (port.admitted, port.given_up, port.let_in) == ([], [], [])


# --- how many at once --------------------------------------------------------------------


async def test_no_more_handshakes_are_under_way_at_once_than_set(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MAX_HANDSHAKES", 1)
    async with opened(certificate(authority)) as port:
        _, silent = await port.connect()
        await until(lambda: len(port.admitted) == 1)
        rig = ProxiedTls(authority.client)
        await rig.connect(port, b"")
        await until(lambda: len(port.admitted) == 2)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await rig.heard_something()
        silent.close()
        assert await rig.handshake_and_hear() == b"127.0.0.1\n"


async def test_who_is_refused_does_not_wait_for_a_handshakes_place(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MAX_HANDSHAKES", 1)
    async with opened(certificate(authority)) as port:
        await port.connect()
        await until(lambda: len(port.admitted) == 1)
        port.banned.add("127.0.0.1")
        for _ in range(3):
            reader, _ = await port.connect()
            assert await all_that_comes(reader) == b""


async def test_where_handshakes_and_those_that_wait_are_at_their_most_accepting_waits(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MAX_HANDSHAKES", 1)
    monkeypatch.setattr(listening, "MAX_HEADERS", 2)
    async with opened(certificate(authority)) as port:
        silent = [await port.connect() for _ in range(4)]
        await until(lambda: len(port.admitted) == 3)
        await asyncio.sleep(0.01)
        assert len(port.admitted) == 3
        silent[0][1].close()
        await until(lambda: len(port.admitted) == 4)
        for _, writer in silent[1:]:
            writer.close()
        await until(lambda: len(port.given_up) == 4)


async def test_a_crowd_that_is_refused_leaves_the_loop_its_turns(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "ACCEPTS_PER_TURN", 2)
    async with opened(certificate(authority)) as port:
        port.banned.add("127.0.0.1")
        at = ("127.0.0.1", port.number)
        crowd = [socket.create_connection(at) for _ in range(20)]  # in the backlog together
        per_turn = []
        while len(port.closed_at_once) < 20:
            before = len(port.closed_at_once)
            await asyncio.sleep(0)
            per_turn.append(len(port.closed_at_once) - before)
        for each in crowd:
            each.close()
        assert max(per_turn) <= 2


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


@pytest.mark.parametrize(
    ("host", "expected"), [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("11.1.2.3", False)]
)
def test_a_proxy_may_be_given_as_an_ipv4_mapped_network(host: str, expected: bool) -> None:
    assert is_among(host, networks(("::ffff:10.0.0.0/104",))) == expected


# --- the end -----------------------------------------------------------------------------


async def test_after_close_nobody_is_let_in_and_who_is_in_stays(
    sockets: "RigSockets | None",
) -> None:
    for proxy_from in ((), LOOPBACK):
        async with opened(proxy_from=proxy_from, sockets=sockets) as port:
            reader, writer = await port.connect(HEADER if proxy_from else b"")
            await reader.readline()
            port.listener.close()
            await asyncio.sleep(0.01)
            writer.write(b"still here\n")
            assert await reader.readline() == b"still here\n"
            with pytest.raises(ConnectionError):
                await port.connect()


async def test_an_address_that_is_taken_is_an_error(sockets: "RigSockets | None") -> None:
    async with opened(sockets=sockets) as port:
        for proxy_from in ((), LOOPBACK):
            taken = ListenerTerms("127.0.0.1", port.number, 100, None, proxy_from)
            with pytest.raises(OSError, match="in use"):
                await Listener(taken, port, sockets).open()


@pytest.mark.parametrize("proxy_from", [(), LOOPBACK])
async def test_an_address_may_be_shared_with_other_processes(proxy_from: Any) -> None:
    port, others = (
        Port(),
        Listener(ListenerTerms("127.0.0.1", 0, 100, None, proxy_from, True), Port()),
    )
    shared = ListenerTerms("127.0.0.1", await others.open(), 100, None, proxy_from, True)
    port.listener = Listener(shared, port)
    assert await port.listener.open() == shared.port
    others.close()
    await asyncio.sleep(0.01)
    port.number = shared.port
    assert (await port.talk((HEADER if proxy_from else b"") + b"hello\n")).endswith(b"hello\n")
    await port.end()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
async def test_where_one_address_of_a_host_cannot_be_bound_none_is_kept(
    family: socket.AddressFamily,
) -> None:
    with socket.create_server(("", 0), family=family) as taken:
        port = taken.getsockname()[1]
        terms = ListenerTerms("", port, 100, None, LOOPBACK)
        with pytest.raises(OSError, match="in use"):
            await Listener(terms, Port()).open()
        await asyncio.sleep(0.01)
        other = "::1" if family is socket.AF_INET else "127.0.0.1"
        with pytest.raises(ConnectionError):
            await asyncio.open_connection(other, port)


async def test_a_listener_may_be_on_all_addresses() -> None:
    async with opened(proxy_from=LOOPBACK, host="") as port:
        assert await port.talk(HEADER + b"hello\n") == b"203.0.113.7\nhello\n"
    async with rig_sockets() as sockets, opened(host="", sockets=sockets) as port:
        assert await port.talk(b"hello\n") == b"127.0.0.1\nhello\n"


@pytest.mark.parametrize("is_proxied", [False, True])
async def test_a_handshake_under_way_at_the_close_makes_no_session(
    authority: Authority, is_proxied: bool
) -> None:
    proxy_from = LOOPBACK if is_proxied else ()
    async with opened(certificate(authority), proxy_from=proxy_from) as port:
        loop = asyncio.get_running_loop()
        rig = ProxiedTls(authority.client)
        await rig.connect(port, HEADER if is_proxied else b"")
        await rig.heard_something()  # the server's half of the handshake
        port.listener.close()
        started = loop.time()
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await rig.handshake_and_hear()
        assert loop.time() - started < 2
        assert port.let_in == []


async def test_a_header_under_way_at_the_close_makes_no_session() -> None:
    async with opened(proxy_from=LOOPBACK) as port:
        reader, writer = await port.connect()
        writer.write(HEADER[:20])
        await asyncio.sleep(0.01)
        port.listener.close()
        port.listener.close()  # once more is no trouble
        assert await reader.read() == b""
        assert port.let_in == []
        assert port.refusals == []


@pytest.mark.parametrize("proxy_from", [(), LOOPBACK])
async def test_who_knocks_during_a_pause_waits_and_is_let_in_after_it(
    proxy_from: tuple[Any, ...],
) -> None:
    async with opened(proxy_from=proxy_from) as port:
        lines = (HEADER if proxy_from else b"") + b"hello\n"
        await port.talk(lines)
        for _ in range(2):  # and it may pause again
            port.listener.pause()
            await asyncio.sleep(0)
            talk = asyncio.create_task(port.talk(lines))
            _, waiting = await asyncio.wait([talk], timeout=0.05)
            assert waiting == {talk}
            await port.listener.go_on()
            assert (await talk).endswith(b"hello\n")


async def test_sockets_of_another_process_are_listened_at() -> None:
    async with opened() as port:
        (theirs,) = port.listener.sockets
        inherited = theirs.dup()
        port.listener.close()
        await asyncio.sleep(0)
        heir = Listener(ListenerTerms("127.0.0.1", port.number, 100, None, ()), port)
        await heir.bind([inherited])
        assert heir.port == port.number
        talk = asyncio.create_task(port.talk(b"hello\n"))
        await asyncio.sleep(0.01)
        assert not talk.done()
        await heir.go_on()
        assert (await talk).endswith(b"hello\n")
        heir.close()
