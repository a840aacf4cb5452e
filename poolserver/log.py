"""The log: structlog's events and the standard library's records, in one form on one stream.

JSON, an object a line, or a line for people; times are UTC. Nothing on the share path logs:
there are counters for that. The newest lines are kept in memory too, for those who look at the
running pool (``EventFeed``).
"""

import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any, Literal, Protocol, TextIO

import structlog
from structlog.typing import EventDict, Processor

from poolserver.log_event import Event, Scalar

LogFormat = Literal["console", "json"]

# aiohttp tells of each HTTP request; a page that is looked at asks every second.
_QUIET = ("aiohttp.access",)


def configure_logging(
    level: str = "info", format: LogFormat = "console", stream: TextIO | None = None
) -> None:
    """Send all that is logged, from ``level`` up, to ``stream`` (standard error if not given).

    May be called again: the last call counts. Handlers of others are left alone, and are given
    ``info`` and up at least: an EventFeed has what the stream leaves out.
    """
    stream = sys.stderr if stream is None else stream
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *common,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = _PoolHandler(stream)
    handler.setLevel(level.upper())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=common,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(format, colors=stream.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    for earlier in [each for each in root.handlers if isinstance(each, _PoolHandler)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(min(logging.getLevelNamesMapping()[level.upper()], logging.INFO))
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class _PoolHandler(logging.StreamHandler[TextIO]):
    """Told from the handlers of others (pytest has one) when logging is configured again."""


def _renderers(format: LogFormat, *, colors: bool) -> list[Processor]:
    """The last steps. Tracebacks are without local variables, which may hold a password."""
    if format == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    plain = structlog.dev.plain_traceback
    return [
        _on_one_line,
        structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain),
    ]


def _on_one_line(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Escape what is not printable: a miner's user agent must not forge a line of the log."""
    return {name: _printable(value) for name, value in event.items()}


def _printable(value: Any) -> Any:
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in value)


# --- the feed ----------------------------------------------------------------------------------


MOST_EVENTS = 1000
"""Kept: a busy day's, or a bad hour's. With the bounds below that is some megabytes at the most."""
MOST_FIELDS = 24
MOST_TEXT = 500
"""Characters of a text: a reason with a path and an address. Miners choose some of them."""
_WHOLE_IN_A_FLOAT = 1 << 53
"""JSON's numbers are floats to most who read them (RFC 8259, 6)."""

# What the log says of each line itself, and is no field of it.
_OF_THE_LINE = frozenset({"event", "level", "logger", "timestamp"})


class EventFeed:
    """The newest lines of the log from ``info`` up, whatever level the log itself shows.

    Ids go on from the time at which it began, in microseconds: so they grow over restarts too, as
    long as there is less than a line a microsecond. ``unix_time`` in seconds.
    """

    def __init__(self, unix_time: Callable[[], float] = time.time, most: int = MOST_EVENTS) -> None:
        self._unix_time = unix_time
        self._events: deque[Event] = deque(maxlen=most)
        self._lock = Lock()
        self.last_id = int(unix_time() * 1000) * 1000

    def take(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        """Add a line, from any thread."""
        kept = {
            str(name)[:MOST_TEXT]: _scalar(value)
            for name, value in list(fields.items())[:MOST_FIELDS]
        }
        self._add(self._unix_time(), level, event[:MOST_TEXT], kept)

    def relay(self, events: Iterable[Event]) -> None:
        """Add lines that another process of ours has taken; they get ids of this one."""
        for each in events:
            self._add(each.at, each.level, each.event, each.fields)

    def _add(self, at: float, level: str, event: str, fields: dict[str, Scalar]) -> None:
        with self._lock:
            self._events.append(Event(self.last_id + 1, at, level, event, fields))
            self.last_id += 1

    def after(self, last_id: int) -> list[Event]:
        """Those that are newer than ``last_id`` and still kept, the oldest first."""
        newer: list[Event] = []
        for event in reversed(self._events.copy()):
            if event.id <= last_id:
                break
            newer.append(event)
        newer.reverse()
        return newer

    def restore(self, events: list[Event]) -> None:
        """Put those that an earlier process kept before all others."""
        with self._lock:
            ours = list(self._events)
            self._events.clear()
            self._events.extend(each for each in events if each.id <= self.last_id - len(ours))
            self._events.extend(ours)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take all that is logged meanwhile, by whatever thread."""
        handler, root = _FeedHandler(self), logging.getLogger()
        root.addHandler(handler)
        try:
            yield
        finally:
            root.removeHandler(handler)


class _FeedHandler(logging.Handler):
    """Gives a feed each record; structlog's have all that was said as their message."""

    def __init__(self, feed: EventFeed) -> None:
        super().__init__(logging.INFO)
        self._feed = feed

    def emit(self, record: logging.LogRecord) -> None:
        said: dict[str, Any] = dict(record.msg) if isinstance(record.msg, dict) else {}
        event = str(said.get("event", "")) or record.getMessage()
        fields = {name: each for name, each in said.items() if name not in _OF_THE_LINE}
        if record.exc_info or fields.get("exc_info"):
            fields["exc_info"] = repr(record.exc_info[1] if record.exc_info else sys.exc_info()[1])
        self._feed.take(record.levelname.lower(), event, fields)


def _scalar(value: Any) -> Scalar:
    """As JSON has it; all else as a text."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and abs(value) < _WHOLE_IN_A_FLOAT:
        return value
    if isinstance(value, list | tuple | set | frozenset):
        value = ", ".join(map(str, list(value)[:MOST_FIELDS]))
    return str(_printable(str(value)[:MOST_TEXT]))


# --- what is said once --------------------------------------------------------------------------


class EventLog(Protocol):
    """What ``RateLimited`` needs of a logger; structlog's has it."""

    def error(self, event: str, **fields: Any) -> Any: ...
    def warning(self, event: str, **fields: Any) -> Any: ...
    def info(self, event: str, **fields: Any) -> Any: ...


class RateLimited:
    """Says that something fails, and why, without saying it a thousand times.

    Each reason is logged at once when it is new, then at most every ``interval_s`` with the
    number of times that were left out; and when it works again, that it does. ``now`` is
    monotonic, in seconds.
    """

    # Of a peer that fails with an ever new text: what comes after so many is counted together.
    MAX_REASONS = 16
    OTHER_REASONS = "other reasons"

    def __init__(self, log: EventLog, interval_s: float = 60.0) -> None:
        self._log = log
        self._interval_s = interval_s
        self._began_at: float | None = None
        self._failures = 0
        self._said: dict[str, tuple[float, int]] = {}  # reason: when last, how many left out since

    def failed(self, event: str, reason: str, now: float, **fields: Any) -> bool:
        """It failed (again), for ``reason``. Whether that was told."""
        if self._began_at is None:
            self._began_at = now
        self._failures += 1
        if reason not in self._said and len(self._said) >= self.MAX_REASONS:
            reason = self.OTHER_REASONS
        said_at, left_out = self._said.get(reason, (None, 0))
        if said_at is not None and now - said_at < self._interval_s:
            self._said[reason] = (said_at, left_out + 1)
            return False
        self._said[reason] = (now, 0)
        if left_out:
            fields["left_out"] = left_out
        self._log.warning(event, reason=reason, **fields)
        return True

    def restored(self, event: str, now: float, **fields: Any) -> None:
        """It works (still); only after a failure is there anything to say."""
        if self._began_at is None:
            return
        lasted_s = round(now - self._began_at, 3)
        self._log.info(event, failures=self._failures, lasted_s=lasted_s, **fields)
        self._began_at = None
        self._failures = 0
        self._said.clear()


class Alarm:
    """A bad state: an error is logged once it has lasted for ``after_s``, and a line at its end.

    Times are monotonic, in seconds.
    """

    def __init__(self, event: str, over_event: str, log: EventLog, after_s: float = 0.0) -> None:
        self._event, self._over_event = event, over_event
        self._log = log
        self._after_s = after_s
        self._since: float | None = None
        self.is_raised = False

    def update(self, holds: bool, now: float, **fields: Any) -> None:
        """The state holds, or it does not; ``fields`` are logged with it."""
        if not holds:
            if self.is_raised and self._since is not None:
                lasted_s = round(now - self._since, 3)
                self._log.info(self._over_event, lasted_s=lasted_s, **fields)
            self._since, self.is_raised = None, False
            return
        if self._since is None:
            self._since = now
        if not self.is_raised and now - self._since >= self._after_s:
            self.is_raised = True
            self._log.error(self._event, **fields)
