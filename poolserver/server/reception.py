"""Where rigs come in: the listeners of a worker process, with their doors and certificates."""

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from poolserver._vendor.asyncio_stratum import Handshakes, Limits
from poolserver.cluster.messages import ListenerSettings, WorkerSettings
from poolserver.mining.vardiff import VardiffTerms
from poolserver.server.door import RigDoor
from poolserver.server.house import House
from poolserver.server.listening import Listener, ListenerTerms
from poolserver.server.msgspec_codec import MsgspecCodec
from poolserver.server.terms import networks
from poolserver.server.tls import ServerCertificate, TlsError

if TYPE_CHECKING:
    from poolserver.server.rig_wire import RigWire

# Connections that arrive in one turn of the loop after a power cut: a hall of rigs at once.
LISTEN_BACKLOG = 4096

log = structlog.get_logger(__name__)


class Reception:
    """All addresses that a worker process listens at."""

    def __init__(self, house: House, settings: WorkerSettings, wire: "RigWire | None") -> None:
        self._house = house
        self._settings = settings
        self._wire = wire
        self._listeners: list[Listener] = []
        self._certificates: list[ServerCertificate] = []
        self.doors: list[RigDoor] = []
        """Of the listeners, in their order."""

    async def bind(self, inherited: Mapping[tuple[str, int], Sequence[socket.socket]]) -> None:
        """Listen, and accept nothing yet; some sockets may listen already, by their address.

        Raises:
            OSError: an address cannot be bound.
        """
        for settings in self._settings.listeners:
            listener = self._listener(settings)
            self._listeners.append(listener)
            await listener.bind(inherited.get((settings.host, settings.port), ()))

    async def go_on(self) -> None:
        """Accept rigs."""
        for listener in self._listeners:
            await listener.go_on()

    def pause(self) -> None:
        """Accept nobody for now: who comes waits."""
        for listener in self._listeners:
            listener.pause()

    def close(self) -> None:
        """Listen no more."""
        for listener in self._listeners:
            listener.close()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """As the settings have them."""
        return [(each.host, each.port) for each in self._settings.listeners]

    @property
    def ports(self) -> tuple[int, ...]:
        """Those really bound, in the order of the addresses."""
        return tuple(listener.port for listener in self._listeners)

    @property
    def sockets(self) -> list[list[socket.socket]]:
        """What is listened at, for each address."""
        return [listener.sockets for listener in self._listeners]

    def _listener(self, listener: ListenerSettings) -> Listener:
        settings = self._settings
        door = self._door(listener)
        self.doors.append(door)
        terms = ListenerTerms(
            host=listener.host,
            port=listener.port,
            backlog=LISTEN_BACKLOG,
            tls=self._certificate(listener),
            proxy_from=networks(listener.proxy_protocol_from),
            is_shared=settings.shares_ports,
        )
        return Listener(terms, door, None if self._wire is None else self._wire.sockets)

    def _door(self, listener: ListenerSettings) -> RigDoor:
        settings = self._settings
        limits = Limits(
            line_bytes=settings.line_limit,
            line_timeout_s=settings.line_timeout_s,
            outbox_bytes=settings.outbox_limit,
            handshake_timeout_s=settings.handshake_timeout_s,
        )
        vardiff = VardiffTerms(
            target_shares_per_minute=settings.target_shares_per_minute,
            max_shares_per_minute=settings.max_shares_per_minute,
            start=listener.start_difficulty,
            minimum=listener.min_difficulty,
            maximum=listener.max_difficulty,
        )
        return RigDoor(
            self._house,
            vardiff,
            MsgspecCodec(),
            limits,
            settings.extranonce2_size,
            Handshakes(limits.handshake_timeout_s),
            self._wire,
        )

    # --- certificates --------------------------------------------------------------------

    def _certificate(self, listener: ListenerSettings) -> ServerCertificate | None:
        if listener.tls_cert is None or listener.tls_key is None:
            return None
        certificate = ServerCertificate(Path(listener.tls_cert), Path(listener.tls_key))
        self._certificates.append(certificate)
        return certificate

    @property
    def certificate_expires_unix(self) -> int | None:
        """When the first certificate ends; None where there is none."""
        return min((each.not_after_unix for each in self._certificates), default=None)

    def look_at_certificates(self) -> None:
        """Take up certificates that were renewed; what is wrong with new ones is logged."""
        for certificate in self._certificates:
            try:
                if certificate.reload_if_changed():
                    log.info("certificate_renewed", file=str(certificate.cert_file))
            except TlsError as error:
                log.error("certificate_not_renewed", reason=str(error))
