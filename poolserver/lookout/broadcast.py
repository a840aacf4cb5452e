"""Server-sent events for many readers (WHATWG HTML, 9.2): made once, given to all, never awaited.

While nobody reads nothing is made. A reader that does not take what it is given is let go, and
comes back by itself: what its connection holds is bounded, and a status is old after two seconds.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import msgspec
import structlog

from poolserver.control_room.view import NodeView, PowerView
from poolserver.log import EventFeed, RateLimited
from poolserver.lookout.view import NodeStatus, SiteStatus, Status

MOST_READERS = 64
"""Some screens in each control room, a page on some telephones, programs; each costs a socket."""
MOST_WAITING = 64
"""Chunks: over a minute of all there is, events too. A browser's tab that sleeps reads on."""
LOOK_S = 0.5
STATUS_S = 2.0
LISTS_S = 10.0
"""Sites in full and nodes; what is urgent of them stands in the status too."""
HEARTBEAT_S = 15.0
"""As the standard has it: proxies end what is silent for a minute, some for half of one."""
RETRY_MS = 2000
AT_ONCE = 128
"""Nodes that are encoded in one go, in the thread: a tenth of a millisecond in which all wait."""

HELLO = f"retry: {RETRY_MS}\n\n".encode()
HEARTBEAT = b":\n\n"

log = structlog.get_logger(__name__)


class Shown(Protocol):
    """What is sent; see ``overview.Overview``."""

    def status(self) -> Status: ...
    def sites(self) -> list[SiteStatus]: ...
    def nodes(self) -> list[NodeStatus]: ...


class Reader:
    """One who reads. It ends when it is let go, or all of it ends."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque([HELLO])
        self._has_news = asyncio.Event()
        self._has_news.set()
        self.is_let_go = False

    def give(self, chunk: bytes) -> bool:
        """False: it does not read."""
        if len(self._waiting) >= MOST_WAITING:
            self.let_go()
            return False
        self._waiting.append(chunk)
        self._has_news.set()
        return True

    def let_go(self) -> None:
        """Nothing more is to come."""
        self._waiting.clear()
        self.is_let_go = True
        self._has_news.set()

    async def chunks(self) -> AsyncIterator[bytes]:
        """What is to be written, all that has come at once."""
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            if self.is_let_go:
                return
            chunk = b"".join(self._waiting)
            self._waiting.clear()
            yield chunk


class Broadcast:
    """``run`` it; give it each tick's view by ``on_power``. ``clock`` is monotonic, in seconds."""

    def __init__(
        self, shown: Shown, feed: EventFeed, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._shown = shown
        self._feed = feed
        self._clock = clock
        self._readers: set[Reader] = set()
        self._has_readers = asyncio.Event()
        self._is_over = False
        self._status_at = self._lists_at = self._heartbeat_at = 0.0
        self._told = feed.last_id
        self._power: PowerView | None = None
        self._power_event: tuple[PowerView | None, bytes] = (None, b"")
        self._encoding: asyncio.Task[None] | None = None
        self._trouble = RateLimited(log)
        self.dropped = 0
        """Readers that did not read."""

    def __len__(self) -> int:
        """How many read."""
        return len(self._readers)

    # --- who reads -----------------------------------------------------------------------

    def join(self, last_event_id: int | None) -> Reader | None:
        """Begin to read; None: there are too many, or it is over.

        Events after ``last_event_id`` come first; None: from now on.
        """
        if self._is_over or len(self._readers) >= MOST_READERS:
            return None
        if not self._readers:
            self._told = self._feed.last_id
            self._status_at = self._lists_at = self._clock()  # it is given them here
        reader = Reader()
        if last_event_id is not None:
            missed = self._feed.after(last_event_id)
            told = [_sse("event", each, each.id) for each in missed if each.id <= self._told]
            reader.give(b"".join(told))
        reader.give(_sse("status", self._shown.status()))
        reader.give(_sse("sites", self._shown.sites()) + _sse("nodes", self._shown.nodes()))
        self._readers.add(reader)
        self._has_readers.set()
        view, chunk = self._power_event
        if view is self._power:
            reader.give(chunk)
        elif self._power is not None:
            self.on_power(self._power)
        return reader

    def leave(self, reader: Reader) -> None:
        """It reads no more."""
        self._readers.discard(reader)
        if not self._readers:
            self._has_readers.clear()

    def close(self) -> None:
        """End all of it: the pool stops, or another process has it now."""
        self._is_over = True
        for reader in self._readers:
            reader.let_go()

    # --- what is read --------------------------------------------------------------------

    async def run(self) -> None:
        """Tell what is news while somebody reads; for ever."""
        while True:
            await self._has_readers.wait()
            try:
                self.look()
            except Exception as error:  # a bug of ours; rigs do not depend on who looks
                self._trouble.failed("stream_failed", repr(error), self._clock())
                log.debug("stream_failed", exc_info=True)
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Send what is due."""
        now, due = self._clock(), []
        events = self._feed.after(self._told)
        if events:
            self._told = events[-1].id
            due += [_sse("event", each, each.id) for each in events]
        if now - self._status_at >= STATUS_S:
            self._status_at = now
            due.append(_sse("status", self._shown.status()))
        if now - self._lists_at >= LISTS_S:
            self._lists_at = now
            due += [_sse("sites", self._shown.sites()), _sse("nodes", self._shown.nodes())]
        if due:
            self._give(b"".join(due))
        elif now - self._heartbeat_at >= HEARTBEAT_S:
            self._give(HEARTBEAT)

    def on_power(self, view: PowerView) -> None:
        """A tick's view. It is encoded in a thread: there may be thousands of nodes."""
        self._power = view
        if self._readers and (self._encoding is None or self._encoding.done()):
            self._encoding = asyncio.create_task(self._tell_power(view), name="power stream")

    async def _tell_power(self, view: PowerView) -> None:
        chunk = await asyncio.to_thread(power_event, view)
        self._power_event = view, chunk
        self._give(chunk)

    def _give(self, chunk: bytes) -> None:
        self._heartbeat_at = self._clock()
        for reader in list(self._readers):
            if not reader.give(chunk):
                self.dropped += 1
                self.leave(reader)


def power_event(view: PowerView) -> bytes:
    """The configured nodes. Each step holds Python's lock for a short time only."""
    nodes: list[NodeView] = [node for node in view.nodes if node.configured]
    parts = [
        msgspec.json.encode(nodes[begin : begin + AT_ONCE])[1:-1]
        for begin in range(0, len(nodes), AT_ONCE)
    ]
    head = msgspec.json.encode(msgspec.structs.replace(view, nodes=()))
    before, after = head.split(b'"nodes":[]', 1)
    return b'event: power\ndata: %b"nodes":[%b]%b\n\n' % (before, b",".join(parts), after)


def _sse(event: str, data: object, number: int | None = None) -> bytes:
    """JSON has no line break in it, so its data is one line."""
    head = f"event: {event}\n" if number is None else f"event: {event}\nid: {number}\n"
    return b"%bdata: %b\n\n" % (head.encode(), msgspec.json.encode(data))
