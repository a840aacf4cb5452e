"""The coordinator's end of the links to all worker processes: what is said goes to each.

It remembers what a worker that comes later must know: whom to pay, the work, what is wrong with it.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import structlog

from poolserver.cluster.link import StreamLink, frame, up_decoder
from poolserver.cluster.messages import (
    Down,
    OurBlock,
    PayoutUpdate,
    TemplateConfirmed,
    TemplateUpdate,
    Up,
    WorkerHello,
    WorkOutdated,
)
from poolserver.crew.post import listening_socket

# Workers of one machine; one that was turned away tries again each half second.
LISTEN_BACKLOG = 128

log = structlog.get_logger(__name__)


class Visitor:
    """One link that a worker process made; who it is, it says first."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self.hello: WorkerHello | None = None
        self.link: StreamLink[Down, Up] = StreamLink(up_decoder(), self._take, self._lost)

    def _take(self, message: Up) -> None:
        if self.hello is not None:
            self._hub.host.hear(self, message)
        elif isinstance(message, WorkerHello):
            self.hello = message
            self._hub.host.welcome(self, message)
        else:
            self.link.close()

    def _lost(self, error: Exception | None) -> None:
        self._hub.forget(self)
        if self.hello is not None:
            if error is not None:
                log.warning("worker_link_lost", process=self.hello.index, reason=str(error))
            self._hub.host.parted(self)


class Host(Protocol):
    """Who looks after the workers."""

    def welcome(self, visitor: Visitor, hello: WorkerHello) -> None:
        """One has come; it hears nothing before ``Hub.admit``."""

    def hear(self, visitor: Visitor, message: Up) -> None:
        """One that has come says something."""

    def parted(self, visitor: Visitor) -> None:
        """One that had come is gone."""


class Hub:
    """A ``Sender`` to all that were admitted. ``clock`` is monotonic, in seconds."""

    def __init__(self, host: Host, clock: Callable[[], float]) -> None:
        self.host = host
        self._clock = clock
        self._server: asyncio.Server | None = None
        self._visitors: set[Visitor] = set()
        self._admitted: set[Visitor] = set()
        self._plan: PayoutUpdate | None = None
        self._template: TemplateUpdate | None = None
        self._came_at = self._confirmed_at = 0.0
        self._is_outdated = False
        self._ours: OurBlock | None = None

    async def open(self, folder: Path) -> None:
        """Let workers come.

        Raises:
            OSError: the socket cannot be made.
        """
        self._server = await asyncio.get_running_loop().create_unix_server(
            self._arrival, sock=listening_socket(folder), backlog=LISTEN_BACKLOG
        )

    async def close(self) -> None:
        """End all links; workers are not ended by it."""
        if self._server is not None:
            self._server.close()
        for visitor in list(self._visitors):
            visitor.link.close()
        await asyncio.sleep(0)  # in which they end

    def _arrival(self) -> StreamLink[Down, Up]:
        visitor = Visitor(self)
        self._visitors.add(visitor)
        return visitor.link

    def forget(self, visitor: Visitor) -> None:
        """Its link is lost."""
        self._visitors.discard(visitor)
        self._admitted.discard(visitor)

    def send(self, message: Down) -> None:
        """To all that were admitted, and what matters of it to those that come later."""
        self._remember(message)
        if self._admitted:
            framed = frame(message)
            for visitor in list(self._admitted):
                visitor.link.send_frame(framed)

    def _remember(self, message: Down) -> None:
        match message:
            case PayoutUpdate():
                self._plan = message
            case TemplateUpdate():
                self._template, self._is_outdated = message, False
                self._came_at = self._confirmed_at = self._clock()
            case TemplateConfirmed():
                self._confirmed_at, self._is_outdated = self._clock(), False
            case WorkOutdated():
                self._is_outdated = True
            case OurBlock():
                self._ours = message

    def admit(self, visitor: Visitor) -> None:
        """From now on it hears what is said, and what was said before that matters still."""
        if visitor not in self._visitors:
            return  # gone meanwhile
        self._admitted.add(visitor)
        now, link = self._clock(), visitor.link
        for message in (self._plan, self._ours):
            if message is not None:
                link.send(message)
        if self._template is not None:
            template = self._template.template
            link.send(TemplateUpdate(template, now - self._came_at, now - self._confirmed_at))
        if self._is_outdated:
            link.send(WorkOutdated())
