"""The coordinator holds the listeners' addresses, and rigs come to the workers alone."""

import socket

import pytest

from poolserver.cluster.messages import ListenerSettings
from poolserver.crew.addresses import HeldAddresses


def at(port: int, host: str = "127.0.0.1") -> ListenerSettings:
    return ListenerSettings(host, port, 1.0, 1.0, 1.0)


def listening(port: int, *, share: bool) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), reuse_port=share)


def test_a_port_that_is_left_to_the_system_is_the_same_for_all() -> None:
    held = HeldAddresses([at(0), at(0)], are_shared=False)
    ports = [each.port for each in held.listeners]
    assert all(ports)
    assert len(set(ports)) == 2
    with listening(ports[0], share=True) as one, listening(ports[0], share=True) as other:
        assert one.getsockname() == other.getsockname()
    held.release()


def test_who_connects_does_so_to_a_worker() -> None:
    held = HeldAddresses([at(0)], are_shared=False)
    port = held.listeners[0].port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with listening(port, share=True) as worker:
        for _ in range(8):
            with socket.create_connection(("127.0.0.1", port)):
                worker.accept()[0].close()
    held.release()


@pytest.mark.parametrize("share", [False, True])
def test_an_address_that_somebody_has_fails_in_one_line(share: bool) -> None:
    with listening(0, share=share) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"cannot listen at 127\.0\.0\.1 port {port}: .*in use"):
            HeldAddresses([at(0), at(port)], are_shared=False)


def test_workers_of_ours_may_listen_there_already() -> None:
    with listening(0, share=True) as worker:
        port = worker.getsockname()[1]
        held = HeldAddresses([at(port)], are_shared=True)
        assert held.listeners == (at(port),)
        held.release()
