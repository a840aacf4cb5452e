"""What a service manager is told, by a socket that stands in for its own."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolserver.handover.service import TELL_INTERVAL_S, Service


class Manager:
    """Hears what it is told."""

    def __init__(self, sock: socket.socket, address: str) -> None:
        self._sock = sock
        self.address = address

    def heard(self) -> list[str]:
        words = []
        while True:
            try:
                words += self._sock.recv(4096).decode().splitlines()
            except BlockingIOError:
                return words

    def service(self, **environ: str) -> Service:
        return Service({"NOTIFY_SOCKET": self.address, **environ}, clock=lambda: 12.5)


@pytest.fixture(params=["a path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    path = str(tmp_path / "notify")
    is_abstract = request.param == "abstract"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0" + path if is_abstract else path)
        sock.setblocking(False)
        yield Manager(sock, "@" + path if is_abstract else path)


def test_it_is_told_who_the_pool_is_now(manager: Manager) -> None:
    manager.service().main_pid(4242)
    assert manager.heard() == ["MAINPID=4242"]


def test_a_start_that_waits_is_given_its_time_and_then_is_ready(manager: Manager) -> None:
    service = manager.service()
    service.beat("too early")
    service.starting("Waiting for a node")
    service.ready()
    service.starting("too late")
    service.beat("3 connections,\n 1 PH/s")
    assert manager.heard() == [
        "EXTEND_TIMEOUT_USEC=60000000",
        "STATUS=Waiting for a node",
        "READY=1",
        "STATUS=3 connections, 1 PH/s",
    ]


def test_a_reload_is_told_with_its_time_and_ends_with_ready(manager: Manager) -> None:
    service = manager.service()
    service.ready()
    service.reloading()
    service.ready()
    assert manager.heard() == ["READY=1", "RELOADING=1", "MONOTONIC_USEC=12500000", "READY=1"]


@pytest.mark.parametrize(
    ("environ", "is_heir", "is_watched"),
    [
        ({"WATCHDOG_USEC": "3000000"}, False, True),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, False, False),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, True, True),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, False, True),
        ({"WATCHDOG_USEC": "nonsense"}, False, False),
        ({}, False, False),
    ],
)
def test_a_watchdog_is_told_in_half_of_its_time_where_it_watches_us(
    environ: dict[str, str], is_heir: bool, is_watched: bool, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.setblocking(False)
        heard = Manager(sock, str(tmp_path / "notify"))
        service = Service({"NOTIFY_SOCKET": heard.address, **environ}, is_heir=is_heir)
        service.ready()
        service.beat("well")
        assert ("WATCHDOG=1" in heard.heard()) is is_watched
        assert service.interval_s == (1.5 if is_watched else TELL_INTERVAL_S)


def test_who_has_handed_over_says_nothing_more(manager: Manager) -> None:
    service = manager.service()
    service.ready()
    service.handed_over()
    service.beat("well")
    service.stopping()
    assert manager.heard() == ["READY=1"]


def test_who_stops_says_so_and_is_not_watched_any_more(manager: Manager) -> None:
    service = manager.service(WATCHDOG_USEC="3000000")
    service.ready()
    service.stopping()
    service.beat("well")
    assert manager.heard() == ["READY=1", "STOPPING=1", "STATUS=Stopping"]


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "/nowhere/notify"])
def test_where_nobody_listens_nothing_happens(address: str) -> None:
    Service({"NOTIFY_SOCKET": address}).main_pid(4242)
    Service({}).main_pid(4242)
