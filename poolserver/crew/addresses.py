"""The listeners' addresses, which all workers share and the coordinator holds for its life.

Its sockets are bound and never listen: rigs come to the workers' alone. So a port that is left to
the system (0) is the same for all, and an address that cannot be had fails the start, before any
worker is there.
"""

import errno
import socket
from collections.abc import Iterable
from contextlib import suppress

from msgspec.structs import replace

from poolserver.cluster.messages import ListenerSettings


class HeldAddresses:
    """Those of ``listeners``, whose ports are settled then."""

    def __init__(self, listeners: Iterable[ListenerSettings], *, are_shared: bool) -> None:
        """Blocking, as long as a name is looked up.

        ``are_shared``: workers of ours may listen there already. If they do not, nobody may:
        by SO_REUSEPORT two pools of one user could have the same port, and each half of the rigs.

        Raises:
            OSError: an address cannot be bound.
        """
        self._sockets: list[socket.socket] = []
        try:
            self.listeners = tuple([self._hold(each, are_shared) for each in listeners])
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        while self._sockets:
            self._sockets.pop().close()

    def _hold(self, listener: ListenerSettings, are_shared: bool) -> ListenerSettings:
        port = listener.port
        found = socket.getaddrinfo(
            listener.host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, _, _, _, address in dict.fromkeys(found):
            where = (address[0], port, *address[2:])
            try:
                if not are_shared and port:
                    _bound(family, where, share=False).close()
                held = _bound(family, where, share=True)
            except OSError as error:
                if error.errno == errno.EAFNOSUPPORT:
                    continue  # as the workers do
                reason = f"cannot listen at {address[0]} port {port}: {error.strerror}"
                raise OSError(error.errno, reason) from None
            self._sockets.append(held)
            port = held.getsockname()[1]
        return replace(listener, port=port)


def _bound(family: int, address: tuple[object, ...], *, share: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            with suppress(OSError):
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock
