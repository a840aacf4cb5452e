"""Rigs' sockets in C do what asyncio's transports do, and nothing is lost or leaks."""

import gc
import os
import random
import resource
import socket
import struct
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any

import pytest

from tests.unit._native.rig_hall import Recorder, RigHall, received, whole

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="epoll is Linux's")

MUCH = b"0123456789abcdef" * 16384  # 256 KiB: more than the kernel takes


@pytest.fixture
def hall(c: ModuleType) -> Iterator[RigHall]:
    made = RigHall(c)
    yield made
    made.close()


def reset(rig: socket.socket) -> None:
    rig.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    rig.close()


# --- reading -----------------------------------------------------------------------------


def test_what_a_rig_sends_is_one_piece_a_turn(hall: RigHall) -> None:
    rig, _, protocol = hall.pair()
    rig.send(b"one\n")
    rig.send(b"two\n")
    hall.turn()
    rig.send(b"three")
    hall.turn()
    assert protocol.told == [("data", b"one\ntwo\n"), ("data", b"three")]
    assert not hall.is_ready()


def test_all_that_is_there_is_read_in_one_turn(hall: RigHall) -> None:
    pairs = [hall.pair() for _ in range(200)]
    for number, (rig, _, _) in enumerate(pairs):
        rig.send(b"%d\n" % number)
    hall.turn()
    for number, (_, _, protocol) in enumerate(pairs):
        assert protocol.told == [("data", b"%d\n" % number)]


def test_a_turn_reads_only_so_much_of_one_and_goes_on_in_the_next(hall: RigHall) -> None:
    rig, _, protocol = hall.pair()
    rig.send(MUCH[:150_000])
    hall.turn()
    assert len(whole(protocol.told)) == 65536
    hall.until(lambda: len(whole(protocol.told)) == 150_000)
    assert whole(protocol.told) == MUCH[:150_000]


def test_a_crowd_that_sends_much_is_read_over_some_turns_and_nobody_is_left_out(
    hall: RigHall,
) -> None:
    pairs = [hall.pair() for _ in range(300)]
    for rig, _, _ in pairs:
        rig.send(MUCH[:10_000])
    turns = 0
    while not all(len(whole(protocol.told)) == 10_000 for _, _, protocol in pairs):
        hall.turn()
        turns += 1
        told = [len(whole(protocol.told)) for _, _, protocol in pairs]
        assert sum(told) <= turns * 2**20
    assert turns <= 6
    assert all(whole(protocol.told) == MUCH[:10_000] for _, _, protocol in pairs)


@pytest.mark.parametrize("crowd", [16, 255])
def test_who_sends_without_end_keeps_nobody_from_being_read(hall: RigHall, crowd: int) -> None:
    flooding = [hall.pair() for _ in range(crowd)]
    quiet, _, protocol = hall.pair()
    for rig, _, _ in flooding:
        rig.setblocking(False)
    for turn in range(3):
        for rig, _, _ in flooding:
            with suppress(BlockingIOError):
                rig.send(MUCH)
        quiet.send(b"%d\n" % turn)
        hall.turn()
        assert protocol.told[turn:] == [("data", b"%d\n" % turn)]


def test_a_turn_that_was_not_delivered_comes_first(hall: RigHall) -> None:
    rig, _, protocol = hall.pair()
    rig.send(b"one\n")
    assert hall.is_ready(5)
    hall.sockets.turn(0.0, 0, 0, 0)
    rig.send(b"two\n")
    hall.sockets.turn(0.0, 0, 0, 0)
    assert protocol.told == []
    hall.sockets.deliver()
    assert protocol.told == [("data", b"one\n")]
    hall.turn()
    assert protocol.told == [("data", b"one\n"), ("data", b"two\n")]


def test_a_turn_with_nothing_to_do_is_no_trouble(hall: RigHall) -> None:
    assert hall.sockets.turn(0.0, 0, 0, 0) is None
    hall.sockets.deliver()


# --- writing -----------------------------------------------------------------------------


def test_what_is_written_is_sent_at_once(hall: RigHall) -> None:
    rig, sock, _ = hall.pair()
    sock.write(b"work\n")
    sock.write(b"")
    assert received(rig, 5) == b"work\n"
    assert sock.get_write_buffer_size() == 0
    assert not hall.is_ready()


def test_what_the_kernel_does_not_take_follows_in_order(hall: RigHall) -> None:
    rig, sock, protocol = hall.pair()
    sock.set_write_buffer_limits(high=2**30)
    sock.write(MUCH)
    for i in range(0, len(MUCH), 10_000):
        sock.write(MUCH[i : i + 10_000])
    assert sock.get_write_buffer_size() > len(MUCH)
    data = b""
    while len(data) < 2 * len(MUCH):
        data += rig.recv(65536)
        if hall.is_ready():
            hall.turn()
    assert data == MUCH * 2
    assert sock.get_write_buffer_size() == 0
    assert protocol.told == []
    assert not hall.is_ready()


def test_above_the_high_limit_writing_is_paused_and_below_the_low_one_resumed(
    hall: RigHall,
) -> None:
    rig, sock, protocol = hall.pair()
    sock.set_write_buffer_limits(high=1000, low=10)
    while not protocol.told:
        sock.write(b"x" * 100)
    assert protocol.told == [("pause",)]
    assert sock.get_write_buffer_size() > 1000
    sock.write(b"x" * 100)
    while protocol.told == [("pause",)]:
        rig.recv(65536)
        if hall.is_ready():
            hall.turn()
    assert protocol.told == [("pause",), ("resume",)]
    assert sock.get_write_buffer_size() <= 10


def test_limits_are_as_asyncios(hall: RigHall) -> None:
    _, sock, protocol = hall.pair()
    with pytest.raises(ValueError, match="low must not be above high"):
        sock.set_write_buffer_limits(high=1, low=2)
    with pytest.raises(ValueError, match=r"high must be in 0\.\."):
        sock.set_write_buffer_limits(high=-1)
    sock.set_write_buffer_limits(low=2**31)
    sock.set_write_buffer_limits(high=2**30)
    sock.write(MUCH)
    assert protocol.told == []
    sock.set_write_buffer_limits()  # from now on it is too much
    assert protocol.told == [("pause",)]


def test_who_is_paused_may_be_dropped_there_and_then(hall: RigHall) -> None:
    _, sock, protocol = hall.pair()
    protocol.on["pause"] = sock.abort
    sock.set_write_buffer_limits(high=1000)
    for _ in range(20):
        sock.write(MUCH)
    assert protocol.told == [("pause",)]
    hall.run_soon()
    assert protocol.told == [("pause",), ("lost", type(None))]


def test_an_error_of_pause_writing_is_reported_and_the_writer_goes_on(
    hall: RigHall, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    _, sock, protocol = hall.pair()
    protocol.on["pause"] = lambda: 1 // 0
    sock.write(MUCH)
    assert [each.exc_type for each in reported] == [ZeroDivisionError]


def test_the_same_goes_to_many_in_their_order(hall: RigHall) -> None:
    pairs = [hall.pair() for _ in range(50)]
    pairs[7][1].abort()
    hall.sockets.write_all([sock for _, sock, _ in pairs], b"a new block\n")
    for number, (rig, _, _) in enumerate(pairs):
        assert received(rig, 12) == (b"" if number == 7 else b"a new block\n")


def test_a_list_that_changes_while_it_is_written_to_is_no_trouble(hall: RigHall) -> None:
    pairs = [hall.pair() for _ in range(5)]
    sockets = [sock for _, sock, _ in pairs]
    pairs[0][2].on["pause"] = sockets.clear
    hall.sockets.write_all(sockets, MUCH)
    assert sockets == []
    assert all(sock.get_write_buffer_size() for _, sock, _ in pairs)


# --- ends --------------------------------------------------------------------------------


def test_a_close_ends_it_in_a_later_turn(hall: RigHall) -> None:
    rig, sock, protocol = hall.pair()
    sock.write(b"bye\n")
    sock.close()
    sock.close()
    assert sock.is_closing()
    sock.write(b"too late\n")
    assert protocol.told == []
    hall.run_soon()
    assert protocol.told == [("lost", type(None))]
    assert received(rig, 100) == b"bye\n"
    assert (len(hall.sockets), hall.soon) == (0, [])


def test_a_close_waits_until_all_is_sent_and_reads_no_more(hall: RigHall) -> None:
    rig, sock, protocol = hall.pair()
    sock.set_write_buffer_limits(high=2**30)
    sock.write(MUCH)
    sock.close()
    rig.send(b"unheard\n")
    data = b""
    while len(data) < len(MUCH):
        assert protocol.told == []
        data += rig.recv(65536)
        if hall.is_ready():
            hall.turn()
    assert data == MUCH
    hall.run_soon()
    assert protocol.told == [("lost", type(None))]


def test_an_abort_ends_it_at_once_whatever_waits(hall: RigHall) -> None:
    rig, sock, protocol = hall.pair()
    sock.set_write_buffer_limits(high=2**30)
    sock.write(MUCH)
    sock.close()
    sock.abort()
    sock.abort()
    assert protocol.told == []
    hall.run_soon()
    assert protocol.told == [("lost", type(None))]
    assert len(received(rig, len(MUCH))) < len(MUCH)


def test_all_that_end_are_told_in_one_call_and_those_that_end_meanwhile_in_the_next(
    hall: RigHall,
) -> None:
    pairs = [hall.pair() for _ in range(10)]
    for _, sock, _ in pairs[:5]:
        sock.abort()
    pairs[0][2].on["lost"] = pairs[5][1].abort
    assert len(hall.soon) == 1
    hall.run_soon()
    assert [bool(protocol.told) for _, _, protocol in pairs] == [True] * 5 + [False] * 5
    assert len(hall.soon) == 1
    hall.run_soon()
    assert pairs[5][2].told == [("lost", type(None))]
    assert len(hall.sockets) == 4


def test_a_reset_is_told_as_the_error_that_it_is(hall: RigHall) -> None:
    rig, _ = hall.connected()
    rig.send(b"last words\n")
    hall.turn()
    reset(rig)
    hall.turn()
    hall.run_soon()
    assert hall.told == [("made",), ("data", b"last words\n"), ("lost", ConnectionResetError)]


def test_a_reset_of_who_is_not_read_any_more_is_told_too(hall: RigHall) -> None:
    rig, sock = hall.connected()
    sock.set_write_buffer_limits(high=2**30)
    for _ in range(100):
        sock.write(MUCH)
    sock.close()
    reset(rig)
    hall.turn()
    hall.run_soon()
    assert hall.told[-1] in [("lost", ConnectionResetError), ("lost", BrokenPipeError)]


def test_a_write_that_fails_ends_the_connection(hall: RigHall) -> None:
    rig, sock, protocol = hall.pair()
    rig.close()
    sock.write(b"work\n")
    assert sock.is_closing()
    assert protocol.told == []
    hall.run_soon()
    assert protocol.told == [("lost", BrokenPipeError)]


def test_who_sends_no_more_is_closed(hall: RigHall) -> None:
    rig, _, protocol = hall.pair()
    rig.send(b"last\n")
    rig.shutdown(socket.SHUT_WR)
    hall.until(lambda: len(protocol.told) == 2)
    hall.run_soon()
    assert protocol.told == [("data", b"last\n"), ("eof",), ("lost", type(None))]
    assert received(rig, 1) == b""


def test_who_sends_no_more_may_be_kept_to_be_written_to(hall: RigHall) -> None:
    rig, sock, protocol = hall.pair()
    protocol.on["eof"] = lambda: True
    rig.shutdown(socket.SHUT_WR)
    hall.turn()
    assert not sock.is_closing()
    assert not hall.is_ready()
    sock.write(b"still here\n")
    assert received(rig, 11) == b"still here\n"
    rig.close()
    hall.turn()
    hall.run_soon()
    assert protocol.told == [("eof",), ("lost", BrokenPipeError)]


def test_after_its_end_nothing_can_be_done_with_it(hall: RigHall) -> None:
    _, sock, protocol = hall.pair()
    sock.abort()
    hall.run_soon()
    sock.write(b"x")
    hall.sockets.write_all((sock,), b"x")
    sock.close()
    sock.abort()
    sock.set_write_buffer_limits(0)
    sock.set_protocol(protocol)
    sock.rig = None
    assert sock.is_closing()
    assert sock.get_protocol() is None
    assert sock.get_extra_info("sockname", "none") == "none"
    assert sock.get_write_buffer_size() == 0
    with pytest.raises(RuntimeError, match="closing or closed"):
        sock.detach()
    assert protocol.told == [("lost", type(None))]
    assert hall.soon == []


def test_a_copy_of_its_descriptor_elsewhere_keeps_nothing_alive(hall: RigHall) -> None:
    # A process that is being forked has one, and the kernel would go on to tell of it.
    rig, sock, _ = hall.pair()
    fd, _ = sock.detach()
    copy = os.dup(fd)
    hall.open.callback(os.close, copy)
    again = hall.sockets.adopt(fd, b"", Recorder())
    again.abort()
    rig.send(b"who hears this?\n")
    assert not hall.is_ready()
    hall.run_soon()


# --- what calls may do -------------------------------------------------------------------


def connect_more(hall: RigHall, sockets: list[Any]) -> None:
    with suppress(RuntimeError):  # the set may be closed
        sockets.extend(hall.pair()[1] for _ in range(20))


Act = Callable[[RigHall, list[Any]], Any]
ACTS: dict[str, Act] = {
    "aborts itself": lambda hall, sockets: sockets[0].abort(),
    "closes itself": lambda hall, sockets: sockets[0].close(),
    "aborts all": lambda hall, sockets: [sock.abort() for sock in sockets],
    "closes all": lambda hall, sockets: [sock.close() for sock in sockets],
    "closes the set": lambda hall, sockets: hall.sockets.close(),
    "writes to all": lambda hall, sockets: hall.sockets.write_all(sockets, MUCH),
    "changes protocols": lambda hall, sockets: [s.set_protocol(Recorder()) for s in sockets],
    "forgets all": lambda hall, sockets: (sockets.clear(), hall.protocols.clear()),
    "connects": lambda hall, sockets: connect_more(hall, sockets),
    "collects garbage": lambda hall, sockets: gc.collect(),
}


@pytest.mark.parametrize("moment", ["made", "data", "eof", "lost", "pause", "resume"])
@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_any_call_may_do_anything_to_all_sockets(hall: RigHall, moment: str, act: Act) -> None:
    listening = hall.listening()
    rigs, sockets = [], []
    for _ in range(10):
        rig, sock, protocol = hall.pair()
        sock.set_write_buffer_limits(high=1000)
        rigs.append(rig)
        sockets.append(sock)
        protocol.on[moment] = lambda: act(hall, sockets) and None

    def accept(sock: Any) -> Recorder:
        sockets.append(sock)
        protocol = Recorder()
        protocol.on[moment] = lambda: act(hall, sockets) and None
        return protocol

    hall.sockets.unlisten(listening.fileno())
    hall.sockets.listen(listening.fileno(), accept)
    for _ in range(3):
        hall.connect(listening)
    for number, rig in enumerate(rigs):
        rig.setblocking(False)
        rig.send(b"hello\n")
        if number % 3 == 0:
            rig.shutdown(socket.SHUT_WR)
    hall.sockets.write_all(list(sockets), MUCH)
    for _ in range(30):
        for rig in rigs:
            try:
                while rig.recv(65536):
                    pass
            except OSError:
                pass
        if hall.sockets.fileno() >= 0 and hall.is_ready():
            hall.sockets.turn(0.0, 0, 0, 0)
            hall.sockets.deliver()
        hall.run_soon()


def test_what_was_read_of_one_that_is_closed_meanwhile_is_not_delivered(hall: RigHall) -> None:
    pairs = [hall.pair() for _ in range(2)]
    for (rig, _, protocol), (_, other, _) in zip(pairs, reversed(pairs), strict=True):
        rig.send(b"hello\n")
        protocol.on["data"] = other.close
    hall.turn()
    hall.run_soon()
    told = sorted(len(protocol.told) for _, _, protocol in pairs)
    assert told == [1, 1]  # one has its data, the other its end


def test_a_descriptor_that_is_used_again_in_a_turn_gets_nothing_of_who_had_it(
    hall: RigHall,
) -> None:
    pairs = [hall.pair() for _ in range(2)]
    new = Recorder()
    adopted: list[Any] = []

    def replace() -> None:
        if adopted:
            return
        for _, sock, protocol in pairs:
            if not protocol.told:
                sock.abort()
        adopted.append(hall.pair(new)[1])

    for rig, _, protocol in pairs:
        rig.send(b"hello\n")
        protocol.on["data"] = replace
    hall.turn()
    assert new.told == []
    assert not adopted[0].is_closing()
    hall.run_soon()
    assert new.told == []
    assert len(hall.sockets) == 2


def test_an_error_of_one_protocol_keeps_nothing_from_the_others(
    hall: RigHall, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    pairs = [hall.pair() for _ in range(5)]
    errors: list[Exception] = [ZeroDivisionError(), KeyError(), OSError()]

    def fail() -> None:
        if errors:
            raise errors.pop(0)

    for rig, _, protocol in pairs:
        rig.send(b"hello\n")
        protocol.on["data"] = fail
    with pytest.raises(ZeroDivisionError):
        hall.turn()
    assert all(protocol.told == [("data", b"hello\n")] for _, _, protocol in pairs)
    assert [each.exc_type for each in reported] == [KeyError, OSError]
    pairs[0][0].send(b"again\n")
    hall.turn()
    assert pairs[0][2].told == [("data", b"hello\n"), ("data", b"again\n")]


def test_an_error_of_connection_lost_keeps_nothing_from_the_others(hall: RigHall) -> None:
    pairs = [hall.pair() for _ in range(3)]
    for _, sock, _ in pairs:
        sock.abort()
    pairs[0][2].on["lost"] = lambda: 1 // 0
    with pytest.raises(ZeroDivisionError):
        hall.run_soon()
    assert [protocol.told for _, _, protocol in pairs] == [[("lost", type(None))]] * 3
    assert len(hall.sockets) == 0


@pytest.mark.parametrize("name", ["turn", "deliver"])
def test_no_turn_is_within_another(hall: RigHall, name: str) -> None:
    rig, _, protocol = hall.pair()
    rig.send(b"hello\n")
    args = (0.0, 0, 0, 0) if name == "turn" else ()
    protocol.on["data"] = lambda: getattr(hall.sockets, name)(*args)
    with pytest.raises(RuntimeError, match=r"within deliver\(\)"):
        hall.turn()


def test_an_event_loop_that_is_closed_is_reported_and_nothing_breaks(
    c: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call_soon(call: object) -> None:
        raise RuntimeError("Event loop is closed")

    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    sockets = c.RigSockets(c.ShareLane(8), call_soon, float, c.Histogram(()))
    rig, ours = socket.socketpair()
    sockets.adopt(ours.detach(), b"", Recorder()).abort()
    assert [each.exc_type for each in reported] == [RuntimeError]
    assert rig.recv(1) == b""
    rig.close()
    sockets.close()


# --- accepting ---------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_peers_and_own_addresses_are_named_as_pythons_sockets_name_them(
    hall: RigHall, address: str
) -> None:
    rig, sock = hall.connected((address, 0))
    assert sock.get_extra_info("peername") == rig.getsockname()
    assert sock.get_extra_info("sockname") == rig.getpeername()
    assert sock.get_extra_info("socket") is None
    assert sock.get_extra_info("cipher", "none") == "none"
    sock.abort()
    assert sock.get_extra_info("peername") == rig.getsockname()


def test_one_that_is_not_of_tcp_has_no_name(hall: RigHall) -> None:
    _, sock, _ = hall.pair()
    assert sock.get_extra_info("peername") is None
    assert sock.get_extra_info("sockname", ()) == ()


def test_a_turn_accepts_a_hundred_at_most(hall: RigHall) -> None:
    listening = hall.open.enter_context(socket.create_server(("127.0.0.1", 0), backlog=200))
    listening.setblocking(False)
    hall.sockets.listen(listening.fileno(), hall.accept)
    rigs = [hall.connect(listening) for _ in range(150)]
    hall.turn()
    assert len(hall.sockets) == 100
    hall.turn()
    assert len(hall.sockets) == 150
    assert hall.told == [("made",)] * 150
    assert {p.socket.get_extra_info("peername") for p in hall.protocols} == {
        rig.getsockname() for rig in rigs
    }


def test_one_that_cannot_have_a_protocol_is_closed(hall: RigHall) -> None:
    def accept(sock: Any) -> Recorder:
        raise ZeroDivisionError

    listening = hall.listening()
    hall.sockets.unlisten(listening.fileno())
    hall.sockets.listen(listening.fileno(), accept)
    rig = hall.connect(listening)
    with pytest.raises(ZeroDivisionError):
        hall.turn()
    assert received(rig, 1) == b""
    hall.run_soon()
    assert len(hall.sockets) == 0


def test_one_that_ends_before_it_has_a_protocol_has_none_to_tell(hall: RigHall) -> None:
    def accept(sock: Any) -> Recorder:
        sock.abort()
        return hall.accept(sock)

    listening = hall.listening()
    hall.sockets.unlisten(listening.fileno())
    hall.sockets.listen(listening.fileno(), accept)
    rig = hall.connect(listening)
    hall.turn()
    hall.run_soon()
    assert received(rig, 1) == b""
    assert hall.told == []
    assert len(hall.sockets) == 0


def test_one_that_is_gone_before_it_is_accepted_begins_and_ends(hall: RigHall) -> None:
    listening = hall.listening()
    reset(hall.connect(listening))
    hall.until(lambda: hall.protocols != [] and hall.protocols[0].socket.is_closing())
    hall.run_soon()
    assert hall.told == [("made",), ("lost", ConnectionResetError)]


def test_what_is_not_listened_at_any_more_is_not_accepted_from(hall: RigHall) -> None:
    listening = hall.listening()
    hall.sockets.unlisten(listening.fileno())
    hall.sockets.unlisten(listening.fileno())
    hall.connect(listening)
    assert not hall.is_ready(0.05)
    listening.accept()[0].close()  # it is the owner's, and open


@pytest.fixture
def few_descriptors() -> Iterator[Callable[[int], None]]:
    """Lets the process have so many more descriptors than are open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def allow(count: int) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        free = os.dup(0)  # the lowest that is free
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + count, before[1]))

    yield allow
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_with_no_descriptor_left_accepting_is_let_be_until_a_connection_ends(
    hall: RigHall, few_descriptors: Callable[[int], None]
) -> None:
    listening = hall.listening()
    one, two = hall.connect(listening), hall.connect(listening)
    few_descriptors(1)
    hall.turn()
    assert (len(hall.sockets), hall.sockets.accept_failures) == (1, 1)
    assert os.strerror(hall.sockets.accept_errno) == "Too many open files"
    assert not hall.is_ready()  # no busy loop
    hall.protocols[0].socket.abort()
    assert hall.is_ready()
    hall.run_soon()
    hall.turn()
    assert received(one, 1) == b""
    hall.protocols[1].socket.write(b"x")
    assert received(two, 1) == b"x"


def test_with_no_descriptor_left_accepting_is_tried_again_after_a_while(
    hall: RigHall, few_descriptors: Callable[[int], None]
) -> None:
    listening = hall.listening()
    hall.connect(listening)
    few_descriptors(0)
    hall.turn()
    hall.turn()  # the timer's
    hall.turn()
    assert hall.sockets.accept_failures == 2
    few_descriptors(1)
    hall.until(lambda: len(hall.sockets) == 1)


def test_who_begins_to_listen_while_accepting_is_let_be_waits_too(
    hall: RigHall, few_descriptors: Callable[[int], None]
) -> None:
    other = hall.open.enter_context(socket.create_server(("127.0.0.1", 0)))
    other.setblocking(False)
    listening = hall.listening()
    hall.connect(listening)
    hall.connect(other)
    few_descriptors(0)
    hall.turn()
    hall.sockets.listen(other.fileno(), hall.accept)
    assert not hall.is_ready()


# --- handover ----------------------------------------------------------------------------


def test_a_connection_can_be_taken_out_and_put_into_another_set(
    hall: RigHall, c: ModuleType
) -> None:
    rig, sock = hall.connected()
    sock.set_write_buffer_limits(high=2**30)
    rig.send(b"read by the next one\n")
    fd, unsent = sock.detach()
    assert unsent == b""
    assert hall.told == [("made",)]
    assert len(hall.sockets) == 0
    assert not hall.is_ready()
    other = RigHall(c)
    hall.open.callback(other.close)
    protocol = Recorder()
    adopted = other.sockets.adopt(fd, b"written by the last one\n", protocol)
    other.turn()
    assert protocol.told == [("data", b"read by the next one\n")]
    assert received(rig, 24) == b"written by the last one\n"
    assert adopted.get_extra_info("peername") == rig.getsockname()


def test_what_waits_is_handed_over_with_it(hall: RigHall) -> None:
    rig, sock, _ = hall.pair()
    sock.set_write_buffer_limits(high=2**30)
    sock.write(MUCH)
    fd, unsent = sock.detach()
    assert MUCH.endswith(unsent)
    assert unsent
    hall.sockets.adopt(fd, unsent, Recorder()).set_write_buffer_limits(high=2**30)
    data = b""
    while len(data) < len(MUCH):
        data += rig.recv(65536)
        if hall.is_ready():
            hall.turn()
    assert data == MUCH


def test_how_much_may_wait_of_what_is_handed_over_the_new_owner_says(hall: RigHall) -> None:
    _, sock, _ = hall.pair()
    sock.set_write_buffer_limits(high=2**30)
    sock.write(MUCH)
    protocol = Recorder()
    adopted = hall.sockets.adopt(*sock.detach(), protocol)
    assert adopted.get_write_buffer_size() > 65536
    adopted.set_write_buffer_limits(high=2**20)
    assert protocol.told == []
    adopted.set_write_buffer_limits(high=65536)
    assert protocol.told == [("pause",)]


def test_one_of_which_something_is_read_and_not_delivered_is_not_given_away(
    hall: RigHall,
) -> None:
    rig, sock, protocol = hall.pair()
    rig.send(b"hello\n")
    assert hall.is_ready(5)
    hall.sockets.turn(0.0, 0, 0, 0)
    with pytest.raises(RuntimeError, match="must be delivered or released first"):
        sock.detach()
    hall.sockets.deliver()
    assert protocol.told == [("data", b"hello\n")]
    os.close(sock.detach()[0])


def test_a_call_may_give_its_own_connection_away(hall: RigHall) -> None:
    rig, sock, protocol = hall.pair()
    protocol.on["data"] = lambda: os.close(sock.detach()[0])
    rig.send(b"hello\n")
    rig.shutdown(socket.SHUT_WR)
    hall.turn()
    assert protocol.told == [("data", b"hello\n")]
    assert hall.soon == []


# --- the set's end, and memory -----------------------------------------------------------


def test_a_set_that_closes_aborts_all_and_ends_when_they_are_told(hall: RigHall) -> None:
    listening = hall.listening()
    pairs = [hall.pair() for _ in range(3)]
    pairs[0][1].abort()
    hall.sockets.close()
    hall.sockets.close()
    assert hall.sockets.fileno() >= 0
    hall.run_soon()
    assert all(protocol.told == [("lost", type(None))] for _, _, protocol in pairs)
    assert (len(hall.sockets), hall.sockets.fileno()) == (0, -1)
    assert hall.sockets.turn(0.0, 0, 0, 0) is None
    hall.sockets.deliver()
    hall.sockets.unlisten(listening.fileno())
    with pytest.raises(RuntimeError, match="closed"):
        hall.sockets.listen(listening.fileno(), hall.accept)
    with pytest.raises(RuntimeError, match="closed"):
        hall.sockets.adopt(listening.fileno(), b"", Recorder())


def test_those_that_have_come_as_the_set_closes_are_closed(hall: RigHall) -> None:
    rig = hall.connect(hall.listening())
    assert hall.is_ready(5)
    hall.sockets.turn(0.0, 0, 0, 0)
    hall.sockets.close()
    assert received(rig, 1) == b""
    assert hall.told == []


def test_an_end_lets_go_of_the_protocol_without_the_garbage_collector(hall: RigHall) -> None:
    _, sock, protocol = hall.pair()
    seen = weakref.ref(protocol)
    gc.disable()
    try:
        protocol.on["data"] = sock.abort  # a cycle, by the protocol's own socket
        sock.rig = None
        sock.abort()
        hall.run_soon()
        protocol.on.clear()
        del protocol, sock
        assert seen() is None
    finally:
        gc.enable()


def test_a_set_that_nobody_holds_is_collected_with_all_that_is_in_it(c: ModuleType) -> None:
    before = len(os.listdir("/proc/self/fd"))
    hall = RigHall(c)
    rigs = [hall.pair()[0] for _ in range(10)]
    protocol = Recorder()
    hall.pair(protocol)
    hall.connect(hall.listening())
    seen = weakref.ref(protocol)
    assert hall.is_ready(5)
    hall.sockets.turn(0.0, 0, 0, 0)  # not delivered
    hall.open.pop_all().close()
    del protocol, hall
    gc.collect()
    assert seen() is None
    assert len(os.listdir("/proc/self/fd")) == before
    del rigs


def test_an_idle_connection_takes_little_memory(hall: RigHall, c: ModuleType) -> None:
    _, sock, _ = hall.pair()
    assert gc.is_tracked(sock)
    assert sys.getsizeof(sock) < 250  # with the collector's own 16 bytes, and there is nothing else


@pytest.mark.parametrize(
    ("name", "args", "error"),
    [
        ("turn", (), TypeError),
        ("turn", ("0", 0, 0, 0), TypeError),
        ("turn", (0.0, -1, 0, 0), ValueError),
        ("turn", (0.0, 0, "0", 0), TypeError),
        ("turn", (0.0, 0, 0, 2**64), ValueError),
        ("listen", ("3", None), TypeError),
        ("listen", (-1, None), OSError),
        ("unlisten", ("3",), TypeError),
        ("adopt", (-1, b"", None), OSError),
        ("adopt", (3, "", None), TypeError),
        ("write_all", ([], "data"), TypeError),
        ("write_all", (3, b"data"), TypeError),
        ("write_all", ([None], b"data"), TypeError),
    ],
)
def test_wrong_arguments_are_refused(
    hall: RigHall, name: str, args: tuple[Any, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        getattr(hall.sockets, name)(*args)


def test_a_socket_is_made_by_its_set_alone_and_takes_bytes(hall: RigHall, c: ModuleType) -> None:
    with pytest.raises(TypeError):
        c.RigSocket()
    with pytest.raises(TypeError):
        c.RigSockets()
    with pytest.raises(TypeError, match="lane must be ShareLane, not NoneType"):
        c.RigSockets(None, print, float, hall.latency)
    with pytest.raises(TypeError, match="latency must be Histogram, not NoneType"):
        c.RigSockets(hall.lane, print, float, None)
    _, sock, _ = hall.pair()
    with pytest.raises(TypeError, match="data must be bytes, not str"):
        sock.write("text")
    with pytest.raises(TypeError):
        sock.get_extra_info(3)
    with pytest.raises(TypeError, match="rig must be LaneRig, not int"):
        sock.rig = 1
    with pytest.raises(AttributeError):
        del sock.rig


def test_each_name_has_a_docstring(c: ModuleType) -> None:
    for kind in (c.RigSocket, c.RigSockets):
        for name in dir(kind):
            assert name.startswith("_") or getattr(kind, name).__doc__


# --- a hostile crowd ---------------------------------------------------------------------


def test_a_hostile_crowd_leaves_nothing_behind(hall: RigHall) -> None:
    """Thousands open, send half a line or more, read or not, and end or reset, in any order."""
    chance = random.Random(7)
    listening = hall.listening()
    before = len(os.listdir("/proc/self/fd"))
    rigs: list[socket.socket] = []
    opened = ended = 0

    def accept(sock: Any) -> Recorder:
        protocol = Recorder()
        protocol.on = {
            "data": lambda: chance.choice(acts)(sock),
            "pause": lambda: chance.choice([sock.abort, int])(),
            "lost": count,
        }
        return protocol

    def count() -> None:
        nonlocal ended
        ended += 1

    acts: list[Callable[[Any], object]] = [
        lambda sock: None,
        lambda sock: sock.write(b"yes\n"),
        lambda sock: sock.write(MUCH),
        lambda sock: (sock.write(MUCH), sock.close()),
        lambda sock: sock.close(),
        lambda sock: sock.abort(),
        lambda sock: os.close(sock.detach()[0]) or count() if not sock.is_closing() else None,
    ]
    hall.sockets.unlisten(listening.fileno())
    hall.sockets.listen(listening.fileno(), accept)
    for _ in range(20_000):
        what = chance.random()
        if what < 0.15 and len(rigs) < 200:
            rig = socket.socket()
            rig.connect(listening.getsockname())
            rig.setblocking(False)
            rigs.append(rig)
            opened += 1
        elif rigs:
            rig = rigs[chance.randrange(len(rigs))]
            try:
                if what < 0.5:
                    rig.send(b'{"id":1,"method"' * chance.choice([1, 1, 1, 1000]))
                elif what < 0.7:
                    rig.recv(chance.choice([1, 1_000_000]))
                elif what < 0.75:
                    rig.shutdown(socket.SHUT_WR)
                elif what < 0.85:
                    rigs.remove(rig)
                    chance.choice([reset, socket.socket.close])(rig)
            except OSError:
                pass
        if what > 0.9:
            hall.sockets.turn(0.0, 0, 0, 0)
            hall.sockets.deliver()
            hall.run_soon()
    for rig in rigs:
        rig.close()
    while ended < opened:
        hall.turn()
        hall.run_soon()
    assert opened > 2000
    assert len(hall.sockets) == 0
    assert not hall.is_ready()
    assert len(os.listdir("/proc/self/fd")) == before
