"""What a service manager is told, by a socket that stands in for its own."""

import socket
from pathlib import Path

import pytest

from poolserver.handover.service import tell_main_pid


@pytest.mark.parametrize("is_abstract", [False, True])
def test_it_is_told_who_the_pool_is_now(is_abstract: bool, tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + path if is_abstract else path)
        manager.settimeout(5)
        tell_main_pid(4242, {"NOTIFY_SOCKET": "@" + path if is_abstract else path})
        assert manager.recv(100) == b"MAINPID=4242\n"


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "/nowhere/notify"])
def test_where_nobody_listens_nothing_happens(address: str) -> None:
    tell_main_pid(4242, {"NOTIFY_SOCKET": address})
    tell_main_pid(4242, {})
