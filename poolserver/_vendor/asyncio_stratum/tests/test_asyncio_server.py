import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from .. import (
    Dropped,
    Fault,
    Handshakes,
    Limits,
    LocalProtocolError,
    Malformed,
    Request,
    Response,
    ServerProtocol,
    State,
    Submit,
)
from .adapters import ACCEPTED, AUTHORIZED, JOB, SUBSCRIBED, MemoryTransport, Pool, Wired, serving
from .helpers import AUTHORIZE, SUBMIT, SUBSCRIBE

WORK = b'{"id":null,"method":"mining.set_difficulty","params":[1]}\n' + JOB


@pytest.fixture
def pool() -> Pool:
    return Pool()


# --- turns and writes ------------------------------------------------------------------------


async def test_all_answers_to_a_piece_of_data_go_out_in_one_write(pool: Pool) -> None:
    wired = Wired(pool)
    assert wired.sends(SUBSCRIBE + AUTHORIZE + SUBMIT + SUBMIT[:20], SUBMIT[20:], b"\n") == [
        SUBSCRIBED + AUTHORIZED + WORK + ACCEPTED,
        ACCEPTED,
    ]
    wired.ends()


async def test_what_is_held_back_waits_for_the_flush(pool: Pool) -> None:
    class Journaled(Pool):
        def on_request(self, session: ServerProtocol, request: Request | Response) -> None:
            super().on_request(session, request)
            if isinstance(request, Submit):
                session.hold()

    wired = Wired(Journaled()).ready()
    assert wired.sends(SUBMIT, SUBMIT) == []
    wired.session.write_rendered(JOB)
    assert wired.transport.writes == []
    wired.session.flush()
    wired.session.flush()
    assert wired.transport.writes == [ACCEPTED + ACCEPTED + JOB]
    wired.ends()


async def test_a_flush_within_a_turn_does_not_make_a_write_more(pool: Pool) -> None:
    class Eager(Pool):
        def on_request(self, session: ServerProtocol, request: Request | Response) -> None:
            super().on_request(session, request)
            session.write_rendered(JOB)
            session.flush()

    wired = Wired(Eager()).ready()
    assert wired.sends(SUBMIT + SUBMIT) == [(ACCEPTED + JOB) * 2]
    wired.ends()


async def test_a_broadcast_goes_out_at_once_behind_what_is_queued(pool: Pool) -> None:
    wired = Wired(pool).ready()
    wired.session.write_rendered(JOB)
    wired.session.connection.set_difficulty(1)
    wired.session.write_rendered(JOB)
    assert wired.transport.writes == [JOB, WORK]
    wired.ends()


async def test_what_on_connect_queues_is_written() -> None:
    class Greeting(Pool):
        def on_connect(self, session: ServerProtocol) -> None:
            session.connection.show_message("hello")

    wired = Wired(Greeting())
    assert len(wired.transport.writes) == 1
    wired.ends()


async def test_what_is_malformed_is_answered_and_told(pool: Pool) -> None:
    wired = Wired(pool)
    assert wired.sends(b"nonsense\n") == [
        b'{"id":null,"result":null,"error":[20,"invalid_json",null]}\n'
    ]
    assert pool.malformed == [Malformed(None, Fault.INVALID_JSON)]
    wired.ends()


# --- ends ------------------------------------------------------------------------------------


async def test_close_writes_what_is_queued_and_reads_no_more() -> None:
    class Closing(Pool):
        def on_malformed(self, session: ServerProtocol, malformed: Malformed) -> None:
            super().on_malformed(session, malformed)
            session.hold()
            session.close()

    pool = Closing()
    wired = Wired(pool).ready()
    [write] = wired.sends(SUBMIT + b"nonsense\n" + SUBMIT + b"nonsense\n")
    assert write.startswith(ACCEPTED + b'{"id":null')
    assert wired.transport.closed
    assert wired.sends(SUBMIT) == []
    assert len(pool.malformed) == 1
    wired.ends()
    assert pool.causes == [None]


async def test_an_error_in_the_application_is_logged_and_drops_that_session_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Pool):
        def on_request(self, session: ServerProtocol, request: Request | Response) -> None:
            if isinstance(request, Submit):
                raise LocalProtocolError("a bug")
            super().on_request(session, request)

    pool = Broken()
    one, two = Wired(pool).ready(), Wired(pool).ready()
    assert one.sends(SUBMIT + SUBMIT) == []
    assert one.transport.aborted
    assert not two.transport.aborted
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "192.0.2.7" in record.getMessage()
    assert record.exc_info is not None
    one.ends()
    two.ends()
    assert [repr(cause) for cause in pool.causes] == ["LocalProtocolError('a bug')", "None"]


@pytest.mark.parametrize("name", ["on_connect", "on_malformed", "on_disconnect"])
async def test_no_call_of_the_application_lets_an_error_out(
    pool: Pool, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(pool, name, broken)
    wired = Wired(pool)
    wired.sends(b"nonsense\n")
    wired.ends()
    assert len(caplog.records) == 1


async def test_a_session_that_ends_during_a_broadcast_is_no_trouble(pool: Pool) -> None:
    wired = Wired(pool).ready()
    wired.session.abort()
    wired.session.write_rendered(JOB)
    wired.ends()
    wired.session.write_rendered(JOB)
    wired.session.flush()
    wired.session.close()
    wired.session.abort()
    assert wired.transport.writes == []
    assert pool.causes == [None]


async def test_the_cause_of_a_lost_connection_is_told(pool: Pool) -> None:
    wired = Wired(pool)
    error = ConnectionResetError()
    wired.ends(error)
    assert pool.causes == [error]


# --- deadlines and limits --------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"", SUBSCRIBE, AUTHORIZE])
async def test_who_is_not_ready_in_time_is_dropped(pool: Pool, said: bytes) -> None:
    wired = Wired(pool, Limits(handshake_timeout_s=0))
    wired.sends(said)
    await asyncio.sleep(0.01)
    assert wired.transport.aborted
    wired.ends()
    assert [repr(cause) for cause in pool.causes] == ["Dropped('handshake_timeout')"]


async def test_who_is_ready_in_time_stays(pool: Pool) -> None:
    wired = Wired(pool, Limits(handshake_timeout_s=0)).ready()
    await asyncio.sleep(0.01)
    assert not wired.transport.aborted
    wired.ends()


class Clock:
    """Stands in for the running loop: its timers go off when a test lets the time pass."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, act: Callable[..., None], *args: object) -> "Timer":
        self.timers.append(Timer(self.now + seconds, partial(act, *args)))
        return self.timers[-1]

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for timer in self.timers:
            if timer.when <= self.now and not timer.is_over:
                timer.is_over = True
                timer.act()


@dataclass
class Timer:
    when: float
    act: Callable[[], None]
    is_over: bool = False

    def cancel(self) -> None:
        self.is_over = True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: clock)
    return clock


def is_dropped(wired: Wired) -> bool:
    return wired.transport.aborted


def test_sessions_that_begin_together_have_one_timer_and_their_whole_time(
    pool: Pool, clock: Clock
) -> None:
    handshakes = Handshakes(60.0)
    early, late = Wired(pool, handshakes=handshakes), Wired(pool, handshakes=handshakes)
    clock.advance(0.9)
    later = Wired(pool, handshakes=handshakes)
    assert len(clock.timers) == 1
    late.ready()
    clock.advance(59.0)
    assert not is_dropped(early)
    clock.advance(1.1)
    assert [is_dropped(each) for each in (early, later, late)] == [True, True, False]


def test_a_session_that_has_ended_is_not_held_for_its_handshake(pool: Pool, clock: Clock) -> None:
    handshakes = Handshakes(60.0)
    wired = Wired(pool, handshakes=handshakes)
    expected = handshakes.expect(wired.session)
    wired.ends()
    assert not expected


def test_a_line_that_is_begun_must_be_ended_in_time_however_it_trickles(
    pool: Pool, clock: Clock
) -> None:
    wired = Wired(pool).ready()
    for byte in SUBMIT[:59]:
        wired.sends(bytes([byte]))
        clock.advance(1)
    assert not is_dropped(wired)
    wired.sends(SUBMIT[59:60])
    clock.advance(1)
    assert is_dropped(wired)
    wired.ends()
    assert [repr(cause) for cause in pool.causes] == ["Dropped('slow_sender')"]


@pytest.mark.parametrize("ending", [SUBMIT[20:], SUBMIT[20:] + SUBMIT, b"\n"])
def test_a_line_that_is_ended_in_time_is_no_trouble(
    pool: Pool, clock: Clock, ending: bytes
) -> None:
    wired = Wired(pool).ready()
    wired.sends(SUBMIT[:20])
    clock.advance(59)
    wired.sends(ending)
    clock.advance(1000)
    assert not is_dropped(wired)
    wired.ends()


def test_each_line_has_its_own_time_even_where_one_ends_in_the_piece_that_begins_the_next(
    pool: Pool, clock: Clock
) -> None:
    wired = Wired(pool).ready()
    wired.sends(SUBMIT[:20])
    for _ in range(5):
        clock.advance(59)
        wired.sends(SUBMIT[20:] + SUBMIT[:20])
    assert not is_dropped(wired)
    clock.advance(60)
    assert is_dropped(wired)
    wired.ends()


def test_the_rest_of_a_line_that_is_too_long_has_no_more_time(pool: Pool, clock: Clock) -> None:
    wired = Wired(pool, Limits(line_bytes=1000)).ready()
    for _ in range(6):
        wired.sends(b"x" * 900)
        clock.advance(10)
    assert is_dropped(wired)
    wired.ends()
    assert str(pool.causes[0]) == "slow_sender"


def test_whole_lines_set_no_timer(pool: Pool, clock: Clock) -> None:
    wired = Wired(pool)
    timers = len(clock.timers)  # the handshake's
    wired.sends(SUBSCRIBE + AUTHORIZE, SUBMIT, SUBMIT + b"nonsense\r\n", b"")
    assert len(clock.timers) == timers
    wired.ends()


def test_no_timer_outlives_its_session(pool: Pool, clock: Clock) -> None:
    wired = Wired(pool).ready()
    wired.sends(SUBMIT[:20])
    wired.ends()
    _of_handshakes, *others = clock.timers
    assert all(timer.is_over for timer in others)


def test_who_is_told_to_go_may_read_its_last_lines_whatever_it_has_begun(
    pool: Pool, clock: Clock
) -> None:
    wired = Wired(pool, Limits(line_timeout_s=5)).ready()
    wired.sends(SUBMIT[:20])
    clock.advance(4)
    wired.session.close()
    wired.sends(SUBMIT[20:30])  # on its way before it knew
    clock.advance(9)
    assert not is_dropped(wired)
    clock.advance(1)
    assert is_dropped(wired)
    wired.ends()
    assert pool.causes == [None]


@pytest.mark.parametrize("peername", [("203.0.113.5", 4242), None])
def test_a_peername_that_is_given_stands_for_the_sockets(
    pool: Pool, clock: Clock, peername: tuple[str, int] | None
) -> None:
    session = ServerProtocol(pool, peername=peername)
    session.connection_made(MemoryTransport())
    assert session.peername == (peername or ("192.0.2.7", 50000))


async def test_the_limit_of_the_outbox_is_the_transports(pool: Pool) -> None:
    wired = Wired(pool)
    assert wired.transport.high == 65536
    wired.session.pause_writing()
    assert wired.transport.aborted
    wired.ends()
    assert isinstance(pool.causes[0], Dropped)


# --- on sockets ------------------------------------------------------------------------------


@pytest.fixture
def rig() -> Iterator[socket.socket]:
    """A miner's socket, without a loop."""
    with socket.socket() as sock:
        sock.setblocking(False)
        yield sock


async def received(rig: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < count and (piece := await loop.sock_recv(rig, count - len(data))):
        data += piece
    return data


async def test_a_session_over_a_socket(pool: Pool, rig: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    async with serving(pool) as port:
        await loop.sock_connect(rig, ("127.0.0.1", port))
        await loop.sock_sendall(rig, SUBSCRIBE + AUTHORIZE + SUBMIT)
        expected = SUBSCRIBED + AUTHORIZED + WORK + ACCEPTED
        assert await received(rig, len(expected)) == expected
        [session] = pool.sessions
        assert session.peername == rig.getsockname()
        assert session.connection.state is State.READY
        rig.close()
        await pool.disconnected.wait()
    assert pool.causes == [None]


async def test_small_lines_are_sent_at_once_and_silent_peers_are_probed(
    pool: Pool, rig: socket.socket
) -> None:
    loop = asyncio.get_running_loop()
    async with serving(pool, limits=Limits(keepalive_idle_s=45)) as port:
        await loop.sock_connect(rig, ("127.0.0.1", port))
        await loop.sock_sendall(rig, SUBSCRIBE)
        await received(rig, 1)
        transport = pool.sessions[0]._transport
        assert transport is not None
        sock = transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 45


async def test_a_peer_that_does_not_read_is_dropped(pool: Pool, rig: socket.socket) -> None:
    rig.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    loop = asyncio.get_running_loop()
    async with serving(pool) as port:
        await loop.sock_connect(rig, ("127.0.0.1", port))
        await loop.sock_sendall(rig, SUBSCRIBE)
        await received(rig, 1)
        [session] = pool.sessions
        for _ in range(2000):  # far more than what the kernel holds for it
            if pool.causes:
                break
            session.write_rendered(JOB * 40)
            await asyncio.sleep(0)
        assert [repr(cause) for cause in pool.causes] == ["Dropped('slow_peer')"]


async def test_a_flood_of_requests_is_bounded_by_the_outbox(pool: Pool, rig: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ping = b'{"id":"%b","method":"mining.ping"}\n' % (b"x" * 10_000)  # echoed
    async with serving(pool) as port:
        await loop.sock_connect(rig, ("127.0.0.1", port))

        async def flood() -> None:
            while True:
                await loop.sock_sendall(rig, ping * 10)

        with pytest.raises(ConnectionError):
            await asyncio.wait_for(flood(), 30)
        await pool.disconnected.wait()
    assert [repr(cause) for cause in pool.causes] == ["Dropped('slow_peer')"]


async def test_what_was_queued_before_close_arrives(rig: socket.socket) -> None:
    class Farewell(Pool):
        def on_request(self, session: ServerProtocol, request: Request | Response) -> None:
            super().on_request(session, request)
            session.connection.reconnect()
            session.close()

    loop = asyncio.get_running_loop()
    pool = Farewell()
    async with serving(pool) as port:
        await loop.sock_connect(rig, ("127.0.0.1", port))
        await loop.sock_sendall(rig, SUBSCRIBE)
        data = await received(rig, 10_000)
        assert data.startswith(SUBSCRIBED)
        assert b"client.reconnect" in data
        await pool.disconnected.wait()
    assert pool.causes == [None]


def test_a_session_goes_on_with_a_connection_of_another_process(pool: Pool, clock: Clock) -> None:
    wired = Wired(pool).ready()
    wired.sends(SUBMIT[:10])
    given = wired.session.transport
    assert given is wired.transport
    wired.session.given_up()
    clock.advance(1000.0)
    assert not is_dropped(wired), "no deadline goes on here"
    heir, transport = ServerProtocol(pool, peername=wired.session.peername), MemoryTransport()
    wired.session.connection.show_message("held")
    heir.connection.restore(wired.session.connection.snapshot())
    heir.taken_up(transport)
    assert b"held" in b"".join(transport.writes)
    heir.data_received(SUBMIT[10:])
    assert b'"result":true' in transport.writes[-1]


def test_the_deadlines_of_a_connection_that_is_taken_over_begin_anew(
    pool: Pool, clock: Clock
) -> None:
    for before, cause in ((b"", "handshake_timeout"), (SUBSCRIBE + b"{", "slow_sender")):
        wired, heir = Wired(pool), ServerProtocol(pool)
        wired.sends(before)
        wired.session.given_up()
        heir.connection.restore(wired.session.connection.snapshot())
        transport = MemoryTransport()
        heir.taken_up(transport)
        aborted = []
        for seconds in (59.0, 1.5, 1.5):
            clock.advance(seconds)
            aborted.append(transport.aborted)
        assert (aborted[0], aborted[-1]) == (False, True)
        heir.connection_lost(None)
        assert str(pool.causes[-1]) == cause


def test_there_is_no_transport_where_the_end_has_begun(pool: Pool, clock: Clock) -> None:
    wired = Wired(pool).ready()
    wired.session.close()
    assert wired.session.transport is None
