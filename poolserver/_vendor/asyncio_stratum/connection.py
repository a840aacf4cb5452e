"""What both sides of a connection share: lines in, events out, an outbox of bytes.

A connection has no socket and no clock. Its owner hands it what the socket received and sends what
``data_to_send`` gives.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from .codec import MAX_BRACKETS, Codec, StdlibCodec, nests_too_deep
from .errors import CodecError, Fault, LineTooLong, RemoteProtocolError
from .fields import parse_error
from .framing import LineBuffer
from .limits import Limits
from .messages import Malformed, RequestId, Response
from .render import render_call, render_error, render_result
from .state import TRANSITIONS, Outcome, State, Step, next_state

EventT = TypeVar("EventT")

DEFAULT_CODEC: Codec = StdlibCodec()

_NO_METHOD = "the method is missing"
_CLOSED = State.CLOSED  # looking a member up in its enum takes 0.1 us in Python 3.11


class Connection(ABC, Generic[EventT]):
    """The common part of ``ServerConnection`` and ``ClientConnection``."""

    __slots__ = (
        "_codec",
        "_last_id",
        "_legal",
        "_limits",
        "_lines",
        "_outbox",
        "_state",
        "_waiting",
    )

    def __init__(self, *, codec: Codec, limits: Limits) -> None:
        self._codec = codec
        self._limits = limits
        self._lines = LineBuffer(limits.line_bytes)
        self._outbox: list[bytes] = []
        self._state = State.NEW
        self._legal = TRANSITIONS[State.NEW]  # the row of the current state
        self._last_id = 0
        # Methods of our requests that have no answer yet; a pool asks nearly nobody anything.
        self._waiting: dict[int, str] | None = None

    @property
    def state(self) -> State:
        """How far the handshake has come."""
        return self._state

    @property
    def is_within_line(self) -> bool:
        """Whether the peer has begun a line and not ended it yet; after ``close`` it has not."""
        return self._state is not _CLOSED and self._lines.is_within_line

    def receive_data(self, data: bytes) -> Iterator[EventT | Malformed | Response]:
        """Take bytes from the peer and iterate over the events in them.

        A line is looked at when its event is asked for, in the state that the answers to those
        before it have left: so answer ``Subscribe`` before you ask for the next. Lines that are not
        asked for are kept for the next call. After ``close`` there are no more events.

        Nothing that the peer sends raises an exception.
        """
        self._lines.feed(data)
        return self._events()

    def data_to_send(self) -> bytes:
        """All that is to be sent, once; empty if there is nothing."""
        data = b"".join(self._outbox)
        self._outbox.clear()
        return data

    @property
    def has_data_to_send(self) -> bool:
        """Whether ``data_to_send`` would give anything."""
        return bool(self._outbox)

    def write_rendered(self, lines: bytes) -> None:
        """Queue one or more rendered lines as they are."""
        self._outbox.append(lines)

    def close(self) -> None:
        """The connection has ended or is about to: no more events. May be called again."""
        self._move(Outcome.CLOSED)

    # --- incoming --------------------------------------------------------------------------------

    def _events(self) -> Iterator[EventT | Malformed | Response]:
        while self._state is not _CLOSED:
            try:
                line = self._lines.next_line()
                if line is None:
                    return
                event = self._read(line)
            except LineTooLong as error:
                event = self._malformed(None, error.fault)
            if event is not None:
                yield event

    def _read(self, line: bytes) -> EventT | Malformed | Response | None:
        try:
            if len(line) > MAX_BRACKETS and nests_too_deep(line):
                raise CodecError("too many brackets")
            envelope = self._codec.decode(line)
        except CodecError as error:
            # No detail: it would be the codec's own words.
            return self._malformed(None, error.fault)
        request_id = envelope.id
        if not (type(request_id) is int or type(request_id) is str or request_id is None):
            return self._malformed(None, Fault.INVALID_ID)
        method = envelope.method
        params = envelope.params
        if method is None:
            if params is not None:
                return self._malformed(request_id, Fault.INVALID_MESSAGE, _NO_METHOD)
            return self._read_response(request_id, envelope.result, envelope.error)
        if type(method) is not str:
            return self._malformed(request_id, Fault.INVALID_MESSAGE, "the method is not a string")
        if params is None:
            params = []
        try:
            if type(params) is not list:
                raise RemoteProtocolError("the parameters are not a list")
            return self._read_call(request_id, method, params)
        except RemoteProtocolError as error:
            return self._malformed(request_id, error.fault, error.detail, method)

    @abstractmethod
    def _read_call(
        self, request_id: RequestId, method: str, params: list[Any]
    ) -> EventT | Malformed | Response | None:
        """Make an event of a request or a notification; None if there is nothing to tell.

        Raises:
            RemoteProtocolError: the parameters are wrong.
        """

    def _read_response(
        self, request_id: RequestId, result: Any, error: Any
    ) -> EventT | Malformed | Response:
        if request_id is None and result is None and error is None:
            return self._malformed(None, Fault.INVALID_MESSAGE, _NO_METHOD)
        # An answer is never answered, or two of us could keep each other busy for ever.
        method = None
        if self._waiting is not None and type(request_id) is int:
            method = self._waiting.pop(request_id, None)
        return self._read_answer(Response(request_id, method, result, parse_error(error)))

    def _read_answer(self, response: Response) -> EventT | Malformed | Response:
        """Make a more telling event of an answer."""
        return response

    def _malformed(
        self, request_id: RequestId, fault: Fault, detail: str = "", method: str | None = None
    ) -> Malformed:
        """Report a fault and answer it."""
        malformed = Malformed(request_id, fault, detail, method)
        self._outbox.append(render_error(request_id, malformed.error, self._codec))
        return malformed

    # --- outgoing --------------------------------------------------------------------------------

    def _call(self, method: str, params: list[Any]) -> int:
        request_id = self._new_id(method)
        self._outbox.append(render_call(request_id, method, params, self._codec))
        return request_id

    def _new_id(self, method: str) -> int:
        """The id of a request of ours, whose answer is waited for from here on."""
        if self._waiting is None:
            self._waiting = {}
        self._last_id += 1
        self._waiting[self._last_id] = method
        return self._last_id

    def _tell(self, method: str, params: list[Any]) -> None:
        self._outbox.append(render_call(None, method, params, self._codec))

    def _answer(self, request_id: RequestId, result: Any) -> None:
        self._outbox.append(render_result(request_id, result, self._codec))

    # --- state -----------------------------------------------------------------------------------

    def _move(self, step: Step) -> None:
        self._state = next_state(self._state, step)
        self._legal = TRANSITIONS[self._state]
