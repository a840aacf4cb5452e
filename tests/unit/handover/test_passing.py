"""Messages with descriptors, over real socket pairs."""

import os
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from poolserver.handover.passing import FDS_AT_ONCE, GoneError, Passage, PassingError, close_all

TIMEOUT_S = 5.0


@pytest.fixture
def ends() -> Iterator[tuple[Passage, Passage]]:
    a, b = socket.socketpair()
    here, there = Passage(a, TIMEOUT_S), Passage(b, TIMEOUT_S)
    yield here, there
    here.close()
    there.close()


@pytest.fixture
def raw() -> Iterator[tuple[socket.socket, Passage]]:
    a, b = socket.socketpair()
    yield a, Passage(b, 0.2)
    a.close()
    b.close()


def test_messages_come_whole_and_in_order(ends: tuple[Passage, Passage]) -> None:
    here, there = ends
    messages = [b"", b"a", os.urandom(5 << 20), b"z"]
    with ThreadPoolExecutor(1) as thread:
        sent = thread.submit(lambda: [here.send(message) for message in messages])
        assert [there.receive() for _ in messages] == [(message, []) for message in messages]
        sent.result()


@pytest.mark.parametrize("count", [1, FDS_AT_ONCE, FDS_AT_ONCE + 1, 2 * FDS_AT_ONCE + 5])
def test_descriptors_come_in_their_order(
    ends: tuple[Passage, Passage], tmp_path: Path, count: int
) -> None:
    here, there = ends
    paths = [tmp_path / str(number % 7) for number in range(count)]
    for path in set(paths):
        path.write_text(path.name)
    ours = [os.open(path, os.O_RDONLY) for path in paths]
    with ThreadPoolExecutor(1) as thread:
        sent = thread.submit(lambda: (here.send(b"before"), here.send(b"these", ours)))
        assert there.receive() == (b"before", [])
        message, theirs = there.receive()
        sent.result()
    here.send(b"after")
    assert there.receive() == (b"after", [])
    try:
        assert message == b"these"
        assert [os.pread(fd, 9, 0).decode() for fd in theirs] == [path.name for path in paths]
        assert not any(os.get_inheritable(fd) for fd in theirs)
    finally:
        close_all([*ours, *theirs])


def test_the_end_of_the_other_process_is_told(ends: tuple[Passage, Passage]) -> None:
    here, there = ends
    here.close()
    with pytest.raises(PassingError, match="gone"):
        there.receive()
    with pytest.raises(PassingError):
        there.send(b"x" * 100)


def test_so_is_the_end_of_one_that_has_not_read_what_we_said(
    ends: tuple[Passage, Passage],
) -> None:
    here, there = ends
    there.send(b"unread")
    here.close()
    with pytest.raises(GoneError):
        there.receive()
    with pytest.raises(GoneError):
        there.send(b"x")


def test_a_descriptor_is_not_closed_under_a_thread_that_is_about_to_wait_at_it() -> None:
    at_it, go_on = threading.Event(), threading.Event()

    class Slow(socket.socket):
        def recv(self, *size: int) -> bytes:
            at_it.set()
            assert go_on.wait(TIMEOUT_S)
            return super().recv(*size)

    a, b = socket.socketpair()
    slow = Slow(fileno=a.detach())
    passage = Passage(slow, 60.0)
    with b, ThreadPoolExecutor(1) as thread:
        heard = thread.submit(passage.receive)
        assert at_it.wait(TIMEOUT_S)
        passage.abort()
        passage.close()
        assert slow.fileno() >= 0  # or the number is another's by the time it waits
        go_on.set()
        with pytest.raises(GoneError):
            heard.result(TIMEOUT_S)
        assert slow.fileno() == -1
    for late in (passage.receive, lambda: passage.send(b"")):
        with pytest.raises(GoneError):
            late()


def test_who_says_nothing_is_not_waited_for(raw: tuple[socket.socket, Passage]) -> None:
    sock, there = raw
    sock.sendall(struct.pack(">QI", 10, 0) + b"half")
    with pytest.raises(PassingError, match="nothing comes"):
        there.receive()


def test_an_absurd_length_is_refused_unread(raw: tuple[socket.socket, Passage]) -> None:
    sock, there = raw
    sock.sendall(struct.pack(">QI", 1 << 63, 0))
    with pytest.raises(PassingError, match="bytes"):
        there.receive()


def test_descriptors_that_are_missing_are_an_error_and_none_leaks(
    raw: tuple[socket.socket, Passage],
) -> None:
    sock, there = raw
    before = len(os.listdir("/proc/self/fd"))
    sock.sendall(struct.pack(">QI", 0, 2))
    socket.send_fds(sock, [b"\0"], [sock.fileno()])
    with pytest.raises(PassingError, match="1 descriptors came of 2"):
        there.receive()
    assert len(os.listdir("/proc/self/fd")) == before


def test_only_a_unix_stream_socket_is_inherited() -> None:
    with socket.socket(socket.AF_INET) as tcp, pytest.raises(PassingError, match="no Unix"):
        Passage.inherited(tcp.fileno(), TIMEOUT_S)
    with open(os.devnull) as file, pytest.raises(PassingError, match="no socket"):
        Passage.inherited(file.fileno(), TIMEOUT_S)
    a, b = socket.socketpair()
    passage = Passage.inherited(a.detach(), TIMEOUT_S)
    Passage(b, TIMEOUT_S).send(b"here")
    assert passage.receive() == (b"here", [])
    passage.close()
    b.close()
