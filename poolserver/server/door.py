"""The way from a listener's new connection to a session of this worker."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from poolserver._vendor.asyncio_stratum import Codec, Handshakes, Limits, ServerProtocol
from poolserver.mining.vardiff import VardiffTerms
from poolserver.server.admission import Address
from poolserver.server.house import House
from poolserver.server.proxy_header import ProxiedPeer
from poolserver.server.session import MinerSession

if TYPE_CHECKING:
    from poolserver._native import RigSocket
    from poolserver.server.rig_wire import RigWire

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RigDoor:
    """The ``Door`` of one listener: what every connection there begins with."""

    house: House
    vardiff: VardiffTerms
    codec: Codec
    limits: Limits
    extranonce2_size: int
    handshakes: Handshakes
    wire: "RigWire | None" = None

    def admit(self, host: str) -> Address | None:
        """Count a connection from ``host``; None where it must be closed."""
        return self.house.guard.enter(host, self.house.now())

    def give_up(self, address: Address) -> None:
        """A connection that was admitted came to nothing."""
        self.house.guard.give_up(address, self.house.now())

    def accept(self, peer: ProxiedPeer | None, address: Address | None) -> ServerProtocol:
        """Make a connection's session; with ``address`` None it is admitted as it connects."""
        return self._protocol(MinerSession(self.house, self.vardiff, address), peer)

    def take_up(self, peer: Any) -> tuple[ServerProtocol, MinerSession]:
        """Make the session of a connection that was begun in another process.

        ``peer`` is its ``peername`` there. The transport, and all that is known, come after.
        """
        session = MinerSession(self.house, self.vardiff)
        return self._protocol(session, peer), session

    def _protocol(self, session: MinerSession, peer: Any = None) -> ServerProtocol:
        return ServerProtocol(
            session,
            codec=self.codec,
            limits=self.limits,
            extranonce2_size=self.extranonce2_size,
            peername=peer,
            handshakes=self.handshakes,
        )

    def take_in(self, rig_socket: "RigSocket") -> ServerProtocol:
        """Make the session of a connection on the wire; it is admitted as it connects."""
        assert self.wire is not None
        session = MinerSession(self.house, self.vardiff)
        self.wire.attach(session, rig_socket)
        return self._protocol(session)

    def refused(self, host: str, reason: str) -> None:
        """A connection was closed before it was anybody's."""
        self.house.guard.refused[reason] += 1
        log.debug("connection_refused", address=host, reason=reason)
