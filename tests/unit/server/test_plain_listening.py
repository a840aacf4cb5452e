"""Listening sockets: where, with which options, and what the connections have of them."""

import asyncio
import errno
import os
import socket
import sys
from typing import Any

import pytest

from poolserver.server import plain_listening
from poolserver.server.plain_listening import open_listening
from tests.unit.server.rig_loop import rig_sockets


async def test_it_listens_where_it_is_told_at_a_free_port_if_none_is_named() -> None:
    [sock] = await open_listening("127.0.0.1", 0, 5)
    with sock:
        assert not sock.getblocking()
        host, port = sock.getsockname()
        assert host == "127.0.0.1"
        with socket.create_connection((host, port)):
            pass


async def test_no_name_stands_for_all_addresses_of_each_family() -> None:
    opened = await open_listening("", 0, 5)
    assert {sock.family for sock in opened} == {socket.AF_INET, socket.AF_INET6}
    for sock in opened:
        loopback = "::1" if sock.family == socket.AF_INET6 else "127.0.0.1"
        with sock, socket.create_connection((loopback, sock.getsockname()[1])):
            pass


async def test_each_family_has_the_same_port_for_itself() -> None:
    [sock] = await open_listening("127.0.0.1", 0, 5)
    with sock:
        [other] = await open_listening("::", sock.getsockname()[1], 5)
        other.close()


async def test_a_family_that_this_machine_does_not_speak_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make = socket.socket

    def without_ipv6(family: int, *more: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "")
        return make(family, *more)

    monkeypatch.setattr(plain_listening.socket, "socket", without_ipv6)
    [sock] = await open_listening("", 0, 5)
    assert sock.family == socket.AF_INET
    sock.close()
    with pytest.raises(OSError, match="no address of '::1' can be listened at"):
        await open_listening("::1", 0, 5)


async def test_an_address_that_is_taken_is_named_and_nothing_is_left_open() -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        before = len(os.listdir("/dev/fd"))
        with pytest.raises(OSError, match=f"cannot listen at :: port {port}: Address .* in use"):
            await open_listening("", port, 5)
        assert len(os.listdir("/dev/fd")) == before


async def test_several_processes_may_share_a_port() -> None:
    [one] = await open_listening("127.0.0.1", 0, 5, reuse_port=True)
    port = one.getsockname()[1]
    [two] = await open_listening("127.0.0.1", port, 5, reuse_port=True)
    with one, two, pytest.raises(OSError, match="in use"):
        await open_listening("127.0.0.1", port, 5)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere they are set at each connection")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_connection_has_the_options_of_the_socket_that_listened(host: str) -> None:
    [listening] = await open_listening(host, 0, 5, keepalive_idle_s=45)
    accepted: list[Any] = []
    async with rig_sockets() as sockets:
        with listening:
            sockets.listen(listening.fileno(), lambda sock: accepted.append(sock) or Silent())
            with socket.create_connection(listening.getsockname()[:2]):
                async with asyncio.timeout(5):
                    while not accepted:  # noqa: ASYNC110 - an accept sets no event
                        await asyncio.sleep(0)
                sock = socket.socket(fileno=accepted[0].detach()[0])
            sockets.unlisten(listening.fileno())
    with sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 45
        assert not os.get_inheritable(sock.fileno())
        assert not os.get_blocking(sock.fileno())


class Silent(asyncio.Protocol):
    pass
