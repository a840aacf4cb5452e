"""Rigs' sockets without an event loop: a test says when a turn is, and when what is called soon."""

import select
import socket
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from types import ModuleType
from typing import Any

PATIENCE_S = 5.0


class Recorder:
    """A protocol that notes what it is told, and may do something when it is told that."""

    def __init__(self, told: list[tuple[Any, ...]] | None = None, name: str = "") -> None:
        self.told: list[tuple[Any, ...]] = [] if told is None else told
        self.name = (name,) if name else ()
        self.socket: Any = None
        self.on: dict[str, Callable[[], Any]] = {}

    def _note(self, what: str, *more: object) -> Any:
        self.told.append((*self.name, what, *more))
        act = self.on.get(what)
        return act() if act else None

    def connection_made(self, sock: Any) -> None:
        self.socket = sock
        self._note("made")

    def data_received(self, data: bytes) -> None:
        self._note("data", data)

    def eof_received(self) -> Any:
        return self._note("eof")

    def connection_lost(self, error: Exception | None) -> None:
        self._note("lost", type(error))

    def pause_writing(self) -> None:
        self._note("pause")

    def resume_writing(self) -> None:
        self._note("resume")


class RigHall:
    """A ``RigSockets`` and the other ends of its connections."""

    def __init__(self, c: ModuleType) -> None:
        self.soon: list[Callable[[], None]] = []
        self.lane = c.ShareLane(8)
        self.clock = 0.0
        self.latency = c.Histogram((1.0, 2.0))
        self.sockets = c.RigSockets(self.lane, self.soon.append, self.now, self.latency)
        self.open = ExitStack()
        self.protocols: list[Recorder] = []
        self.told: list[tuple[Any, ...]] = []
        """What all that were accepted are told."""

    def now(self) -> float:
        return self.clock

    def close(self) -> None:
        self.sockets.close()
        self.run_soon()
        self.open.close()

    def is_ready(self, patience_s: float = 0) -> bool:
        return bool(select.select([self.sockets.fileno()], [], [], patience_s)[0])

    def turn(self) -> None:
        """A turn of the event loop, once there is something for it."""
        assert self.is_ready(PATIENCE_S)
        self.sockets.turn(self.clock, 0, 0, 0)
        self.sockets.deliver()

    def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.turn()

    def run_soon(self) -> None:
        """The next turn of the event loop: what was asked for up to now."""
        calls = list(self.soon)
        self.soon.clear()
        for call in calls:
            call()

    def pair(self, protocol: Recorder | None = None) -> tuple[socket.socket, Any, Recorder]:
        """A rig's end of a connection, and ours with its protocol."""
        rig, ours = socket.socketpair()
        self.open.callback(rig.close)
        self.open.callback(ours.close)  # if it is not taken over
        rig.settimeout(PATIENCE_S)
        protocol = protocol or Recorder()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        protocol.socket = self.sockets.adopt(ours.fileno(), b"", protocol)
        ours.detach()
        return rig, protocol.socket, protocol

    def listening(self, address: tuple[str, int] = ("127.0.0.1", 0)) -> socket.socket:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        sock = self.open.enter_context(socket.create_server(address, family=family))
        sock.setblocking(False)
        self.sockets.listen(sock.fileno(), self.accept)
        return sock

    def accept(self, sock: Any) -> Recorder:
        self.protocols.append(Recorder(self.told))
        return self.protocols[-1]

    def connect(self, listening: socket.socket) -> socket.socket:
        rig = self.open.enter_context(socket.socket(listening.family))
        rig.settimeout(PATIENCE_S)
        rig.connect(listening.getsockname())
        return rig

    def connected(self, address: tuple[str, int] = ("127.0.0.1", 0)) -> tuple[socket.socket, Any]:
        """A rig over TCP: its end, and the socket that was accepted."""
        rig = self.connect(self.listening(address))
        self.turn()
        return rig, self.protocols[-1].socket


def received(rig: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := rig.recv(size - len(data))):
        data += piece
    return data


def whole(pieces: Iterable[tuple[Any, ...]]) -> bytes:
    """All data that a protocol was told of."""
    return b"".join(told[-1] for told in pieces if told[-2] == "data")
