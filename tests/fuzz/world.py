"""What a session lives in when the fuzzer plays its rig: an event loop whose clock is turned by
hand, sockets that end as asyncio's do, and a log in which no error may stand."""

import asyncio
import heapq
import logging
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from itertools import count
from typing import Any, NoReturn

import structlog

from poolserver._vendor.asyncio_stratum import ServerProtocol
from poolserver.server.msgspec_codec import MsgspecCodec
from poolserver.server.session import MinerSession
from tests.unit.server.wire import FakeHouse, FakeTransport
from tests.unit.solving import vardiff_terms

# An alarm that many rigs at once bring about; all else at this level is a bug.
EXPECTED_ERRORS = {"pool_at_fault"}
CODEC = MsgspecCodec()
VARDIFF = vardiff_terms()


class Timer:
    """What ``call_later`` gives back."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.act: Callable[[], None] | None = act

    def cancel(self) -> None:
        self.act = None


class HandTurnedLoop:
    """As much of an event loop as sessions use; its clock is that of the house."""

    def __init__(self, house: FakeHouse) -> None:
        self._house = house
        self._order = count()
        self._later: list[tuple[float, int, Timer]] = []

    def time(self) -> float:
        return self._house.clock

    def call_later(self, delay: float, act: Callable[..., None], *args: Any) -> Timer:
        timer = Timer(lambda: act(*args))
        heapq.heappush(self._later, (self._house.clock + delay, next(self._order), timer))
        return timer

    def call_soon(self, act: Callable[..., None], *args: Any) -> Timer:
        return self.call_later(0.0, act, *args)

    def let_pass(self, seconds: float) -> None:
        """Turn the clock on, and call all that becomes due, each at its time."""
        until = self._house.clock + seconds
        while self._later and self._later[0][0] <= until:
            at, _, timer = heapq.heappop(self._later)
            self._house.clock = max(self._house.clock, at)
            if timer.act is not None:
                timer.act()
        self._house.clock = until

    @contextmanager
    def running(self) -> Iterator[None]:
        """Be the loop that ``asyncio.get_running_loop`` finds."""
        asyncio._set_running_loop(self)  # type: ignore[arg-type]
        try:
            yield
        finally:
            asyncio._set_running_loop(None)


class Wire(FakeTransport):
    """A socket: once closed it is lost in the next turn, or at abort if the peer reads nothing."""

    def __init__(self, host: str, loop: HandTurnedLoop) -> None:
        super().__init__(host)
        self._loop = loop
        self._is_lost = False
        self.protocol: ServerProtocol
        self.is_read = True
        """Whether the peer takes what it is sent."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self._is_lost, "written to a socket that is gone"
        super().write(data)

    def close(self) -> None:
        super().close()
        if self.is_read:
            self._loop.call_soon(self.lose)

    def abort(self) -> None:
        super().abort()
        self._loop.call_soon(self.lose)

    def lose(self) -> None:
        """The connection has ended; told once, as asyncio does."""
        if not self._is_lost:
            self._is_lost = True
            self.ended = self.ended or "lost"
            self.protocol.connection_lost(None)


class FuzzedRig:
    """One connection: all that was said on it and all that came back."""

    def __init__(self, house: FakeHouse, loop: HandTurnedLoop, host: str) -> None:
        self.house = house
        self.session = MinerSession(house, VARDIFF)
        self.protocol = ServerProtocol(self.session, codec=CODEC)
        self.wire = Wire(host, loop)
        self.wire.protocol = self.protocol
        self.said: list[bytes] = []
        self.unsent = b""
        self.last_message = b""
        self.protocol.connection_made(self.wire)

    @property
    def is_open(self) -> bool:
        return not self.wire.is_closing()

    @property
    def heard(self) -> bytes:
        return b"".join(self.wire.writes)

    def send(self) -> None:
        """Send what is unsent, in a turn of its own."""
        data, self.unsent = self.unsent, b""
        if data and self.is_open:
            self.house.journal.turn += 1
            self.said.append(data)
            self.protocol.data_received(data)


class ErrorLog(logging.Handler):
    """Collects what is logged as an error, by the library and by the pool."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.errors.append(self.format(record))

    def note(self, _: object, level: str, event: MutableMapping[str, Any]) -> NoReturn:
        """A processor of structlog's."""
        if level in ("error", "critical", "exception") and event["event"] not in EXPECTED_ERRORS:
            self.errors.append(repr(event))
        raise structlog.DropEvent

    def take(self) -> list[str]:
        """What was logged since the last time."""
        errors, self.errors = self.errors, []
        return errors

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear every logger; what was configured before holds again afterwards."""
        before = structlog.get_config()
        library = logging.getLogger("poolserver._vendor.asyncio_stratum")
        propagated, library.propagate = library.propagate, False
        library.addHandler(self)
        structlog.configure(processors=[self.note], cache_logger_on_first_use=False)
        try:
            yield
        finally:
            structlog.configure(**before)
            library.removeHandler(self)
            library.propagate = propagated
